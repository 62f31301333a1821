"""Keeps messages that cannot be parsed or processed, for a person to inspect, within a size limit.

Payloads may contain secrets (Nova's `compute_task.build_instances` has a live token), hence the mode 0600.
"""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from cos_update import files
from cos_update.file_hints import hint, words

_log = logging.getLogger(__name__)

FILE_NAME = "quarantine.jsonl"
FILES = (FILE_NAME, f"{FILE_NAME}.1")
"""The files in the data dir."""
LARGEST_BODY = 64 * 1024
"""The maximum number of bytes kept of a body."""
_LARGEST_REASON = 1000


class DeadLetters:
    """Appends poison messages to `quarantine.jsonl` in the data dir, one JSON object per line.

    Keys: `time` (ISO 8601, UTC), `reason`, `exchange`, `routing_key`, `size` (bytes of the whole body), `body` (base64
    of its first 64 KiB). The file and its one predecessor (`quarantine.jsonl.1`) together stay within `limit` bytes.
    """

    def __init__(
        self, data_dir: Path, *, limit: int = 10 * 1024 * 1024, clock: Callable[[], float] = time.time
    ) -> None:
        self.path = data_dir / FILE_NAME
        self.count = 0
        """The number of messages set aside since the start, even if they could not be written."""
        self._limit = limit // 2
        self._clock = clock
        self._lock = threading.Lock()
        self._failing = False

    def put(self, body: bytes, reason: str, *, exchange: str = "", routing_key: str = "") -> None:
        """Keeps a message with the reason. Never raises: write errors are logged once."""
        record = {
            "time": datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="seconds"),
            "reason": reason[:_LARGEST_REASON],
            "exchange": exchange,
            "routing_key": routing_key,
            "size": len(body),
            "body": base64.b64encode(body[:LARGEST_BODY]).decode("ascii"),
        }
        line = json.dumps(record, ensure_ascii=True).encode("ascii") + b"\n"
        with self._lock:
            self.count += 1
            try:
                self._append(line)
            except OSError as error:
                if not self._failing:
                    _log.error(
                        "%s cannot be written (%s): invalid messages are dropped until it can. %s",
                        self.path,
                        words(error),
                        hint(error, self.path),
                    )
                self._failing = True
            else:
                self._failing = False

    def _append(self, line: bytes) -> None:
        with contextlib.suppress(FileNotFoundError):
            if self.path.stat().st_size + len(line) > self._limit:
                self.path.replace(self.path.with_name(FILE_NAME + ".1"))
        handle = files.open_file(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            files.make_private(handle)
            before = os.fstat(handle).st_size
            try:
                written = os.write(handle, line)
                if written < len(line):
                    raise OSError(f"only {written} of {len(line)} bytes fitted")
            except OSError:
                # A partial line would corrupt the next one too.
                os.ftruncate(handle, before)
                raise
        finally:
            os.close(handle)
