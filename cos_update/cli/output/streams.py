"""The standard streams. That they fail is found while the program can still say so, and never by the interpreter."""

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
    """Standard output cannot be written. No OSError, for what fails here is no file and no service of a command."""

    def __init__(self, error: OSError) -> None:
        reason = "it is closed" if error.errno == errno.EBADF else error.strerror
        super().__init__(f"Standard output cannot be written: {reason}.")
        self.exit_code = ExitCode.PIPE_CLOSED if error.errno == errno.EPIPE else ExitCode.FAILED


class _Descriptor(io.FileIO):
    """One that may be set not to block by whoever shares it: then it is waited for.

    Once it `is_lost`, what is still buffered goes nowhere.
    """

    is_lost = False

    def write(self, data: ReadableBuffer, /) -> int:
        """Writes what there is room for; the number of bytes. Raises OSError."""
        if self.is_lost:
            return memoryview(data).nbytes
        # Typeshed does not say that there is no number when a descriptor that does not block has no room.
        while (written := super().write(data)) is None:
            select.select([], [self], [])
        return written


class _Output(_Descriptor):
    """Raises OutputError at the first failure, and only then."""

    def write(self, data: ReadableBuffer, /) -> int:
        """As above. Raises OutputError."""
        try:
            return super().write(data)
        except OSError as error:
            self.is_lost = True
            raise OutputError(error) from None

    def close(self) -> None:
        """Closes it. Raises OutputError: some file systems say only then that they are full."""
        try:
            super().close()
        except OSError as error:
            raise OutputError(error) from None


class _Diagnostics(_Descriptor):
    """Standard error: nobody can be told that it fails, so that nothing is stopped by it. The exit code remains."""

    def write(self, data: ReadableBuffer, /) -> int:
        """Writes it, or does without."""
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def guard_streams() -> None:
    """Puts streams of our own in place of Python's. To be called before any file is opened.

    A descriptor that is closed is opened on /dev/null, so that no file of ours gets its number and with it what is
    meant for the stream; standard output and error the wrong way round, so that writing there fails as it should.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)  # the system gives the lowest number that is free
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)))
    sys.stdout = _stream(_Output(1, "w"), sys.stdout)
    sys.stderr = _stream(_Diagnostics(2, "w", closefd=False), sys.stderr)


def discard() -> None:
    """Forgets what is still buffered: at an interrupt nobody knows whether it was written already."""
    for stream in (sys.stdout, sys.stderr):
        raw = getattr(getattr(stream, "buffer", None), "raw", None)
        if isinstance(raw, _Descriptor):
            raw.is_lost = True


def _stream(raw: io.FileIO, former: TextIO | None) -> io.TextIOWrapper:
    """Text in the encoding of the former stream, line by line where that was so."""
    if not isinstance(former, io.TextIOWrapper):
        return io.TextIOWrapper(io.BufferedWriter(raw))
    by_line = former.line_buffering or former.write_through
    return io.TextIOWrapper(io.BufferedWriter(raw), former.encoding, former.errors, line_buffering=by_line)
