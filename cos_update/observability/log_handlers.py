"""Log handlers: standard error, and a file that may be rotated or not be writable."""

from __future__ import annotations

import contextlib
import io
import logging
import logging.handlers
import os
import sys
from pathlib import Path

from cos_update import files
from cos_update.file_hints import hint, words

_log = logging.getLogger(__name__)


class StderrHandler(logging.Handler):
    """Writes to the current sys.stderr; if that is missing or closed, the line is lost."""

    def emit(self, record: logging.LogRecord) -> None:
        stream = sys.stderr
        if stream is None:  # the process was started without one
            return
        with contextlib.suppress(OSError, ValueError):
            encoding = getattr(stream, "encoding", None) or "ascii"
            line = self.format(record).encode(encoding, "backslashreplace").decode(encoding)
            stream.write(f"{line}\n")
            stream.flush()


class LogFile(logging.handlers.WatchedFileHandler):
    """A file that is reopened after rotation, and skipped while it cannot be written.

    The failure is logged once, by the other handlers, and again when it is over. Even on a full disk the file contains
    only whole lines.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, encoding="utf-8", errors="backslashreplace", delay=True)
        self._missed = 0

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record).encode("utf-8", "backslashreplace") + b"\n"
        try:
            self._write(line)
        except OSError as error:
            with contextlib.suppress(OSError):
                self._drop()
            self._missed += 1
            if self._missed == 1:
                _log.warning(
                    "%s cannot be written (%s); until it can, the log goes only to stderr. %s",
                    self.baseFilename,
                    words(error),
                    hint(error, Path(self.baseFilename)),
                )
        else:
            missed, self._missed = self._missed, 0
            if missed:
                _log.warning("%s can be written again; %d lines are missing", self.baseFilename, missed)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            super().close()

    def _open(self) -> io.TextIOWrapper:
        def shared(path: str, _flags: int) -> int:
            return files.append_to(Path(path))

        return open(self.baseFilename, "a", encoding=self.encoding, errors=self.errors, opener=shared)

    def _write(self, line: bytes) -> None:
        self.reopenIfNeeded()
        if self.stream is None:
            self.stream = self._open()
            self._statstream()
        # Bypasses the stream's buffer, which on a full disk would keep the data and write it some time later.
        handle = self.stream.fileno()
        before = os.fstat(handle).st_size
        written = os.write(handle, line)
        if written < len(line):
            os.ftruncate(handle, before)
            raise OSError(None, "no space for a whole line")

    def _drop(self) -> None:
        stream, self.stream = self.stream, None
        if stream is not None:
            stream.close()
