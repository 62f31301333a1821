"""Standard streams whose failures are detected while the program can still report them, not at interpreter exit."""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from typing import TYPE_CHECKING, TextIO

from cos_update.model.exit_codes import ExitCode

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class OutputError(Exception):
    """Standard output cannot be written. Not an OSError: commands handle those of files and services."""

    def __init__(self, error: OSError) -> None:
        reason = "it is closed" if error.errno == errno.EBADF else error.strerror
        super().__init__(f"Standard output cannot be written: {reason}.")
        self.exit_code = ExitCode.PIPE_CLOSED if error.errno == errno.EPIPE else ExitCode.FAILED


class _Descriptor(io.FileIO):
    """A descriptor that another process which shares it may have set to non-blocking: then writes wait.

    Once it `is_lost`, buffered output is discarded.
    """

    is_lost = False

    def write(self, data: ReadableBuffer, /) -> int:
        """Writes as much as there is room for; returns the number of bytes. Raises OSError."""
        if self.is_lost:
            return memoryview(data).nbytes
        # Returns None if a non-blocking descriptor has no room, which typeshed omits.
        while (written := super().write(data)) is None:
            select.select([], [self], [])
        return written


class _Output(_Descriptor):
    """Standard output. Raises OutputError at the first failure only."""

    def write(self, data: ReadableBuffer, /) -> int:
        """As `_Descriptor.write`. Raises OutputError."""
        try:
            return super().write(data)
        except OSError as error:
            self.is_lost = True
            raise OutputError(error) from None

    def close(self) -> None:
        """Closes it. Raises OutputError: some file systems report only then that they are full."""
        try:
            super().close()
        except OSError as error:
            raise OutputError(error) from None


class _Diagnostics(_Descriptor):
    """Standard error. Its failures cannot be reported, so they are ignored; the exit code remains."""

    def write(self, data: ReadableBuffer, /) -> int:
        """Writes the data; failures are ignored."""
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def guard_streams() -> None:
    """Replaces Python's standard streams. Call it before any file is opened.

    A closed descriptor is reopened on /dev/null; otherwise the next file we open would get its number and receive the
    stream's output. For standard output and error it is opened for reading, so that writes fail as they should.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)  # the kernel picks the lowest free number
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)))
    sys.stdout = _stream(_Output(1, "w"), sys.stdout)
    sys.stderr = _stream(_Diagnostics(2, "w", closefd=False), sys.stderr)


def discard() -> None:
    """Discards buffered output: after an interrupt it is unknown whether it has been written already."""
    for stream in (sys.stdout, sys.stderr):
        raw = getattr(getattr(stream, "buffer", None), "raw", None)
        if isinstance(raw, _Descriptor):
            raw.is_lost = True


def _stream(raw: io.FileIO, former: TextIO | None) -> io.TextIOWrapper:
    """A text stream with the encoding and line buffering of the former one."""
    if not isinstance(former, io.TextIOWrapper):
        return io.TextIOWrapper(io.BufferedWriter(raw))
    by_line = former.line_buffering or former.write_through
    return io.TextIOWrapper(io.BufferedWriter(raw), former.encoding, former.errors, line_buffering=by_line)
