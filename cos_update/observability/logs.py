"""Logging, the same for every command: text or JSON, stderr and a file, and no secret in either.

Secrets are taken out where lines are made, so that nothing passes: not arguments, not exceptions, not what pika,
urllib3, keystoneauth or openstacksdk log themselves.
"""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import os
import re
import sys
import threading
import time
import urllib.parse
import uuid
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from cos_update.model.settings import Settings

FILES = {"bulk": "updates_bulk.log", "listen": "updates_mq.log"}
"""The log file of each process that has one, in the log dir."""
HIDDEN = "***"

_LEVELS = {"WARNING": "WARN", "CRITICAL": "FATAL"}
_LOUD = ("urllib3", "keystoneauth", "openstack", "stevedore", "pika", "asyncio")
"""Libraries that say at INFO what only a developer wants to know."""

_log = logging.getLogger(__name__)


def configure(
    settings: Settings,
    *,
    secrets: Iterable[str] = (),
    process: Literal["bulk", "listen"] | None = None,
    daemon: bool = False,
    verbosity: int = 0,
) -> None:
    """Sets logging up for one command, in place of any earlier setup.

    `secrets` are values that no line may hold. A `process` also writes its file in the log dir, at `log_level`. A
    `daemon` repeats on stderr what is in the file; others say warnings there. `verbosity` counts -v (1: INFO, 2: DEBUG)
    on stderr; -1 is -q, errors only. Never raises: a log dir that cannot be written is said on stderr.
    """
    hidden.clear()
    hidden.add(*secrets)
    formatter = (JsonFormatter if settings.log_format == "json" else TextFormatter)()
    level = logging.getLevelNamesMapping()[settings.log_level]
    handlers: list[logging.Handler] = [_Stderr()]
    handlers[0].setLevel(_stderr_level(level, daemon, verbosity))
    if process is not None:
        handlers.append(LogFile(settings.log_dir / FILES[process]))
        handlers[1].setLevel(level)
    lowest = min(handler.level for handler in handlers)
    root = logging.getLogger()
    for old in root.handlers[:]:
        if isinstance(old, (_Stderr, LogFile)):
            root.removeHandler(old)
            old.close()
    for handler in handlers:
        handler.setFormatter(formatter)
        root.addHandler(handler)
    root.setLevel(lowest)
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.DEBUG if lowest <= logging.DEBUG else logging.WARNING)
    logging.captureWarnings(True)
    # urllib3 says this for every request; `cos-update check` says it once.
    warnings.filterwarnings("ignore", message="Unverified HTTPS request")
    threading.excepthook = _thread_died


def begin_run() -> str:
    """Begins a new run: lines carry the first four digits of its id. Returns the id in the form of a request id of
    OpenStack (`req-<uuid>`), to be sent along as the global request id.
    """
    global _run
    run = uuid.uuid4()
    _run = run.hex[:4]
    return f"req-{run}"


_run = uuid.uuid4().hex[:4]


def shut_down(within: float = 1.0) -> None:
    """Writes out what is buffered, without waiting any longer for a lock or a pipe that somebody hangs on."""
    thread = threading.Thread(target=logging.shutdown, name="logs-end", daemon=True)
    thread.start()
    thread.join(within)


def _stderr_level(level: int, daemon: bool, verbosity: int) -> int:
    asked = {-1: logging.ERROR, 0: logging.WARNING, 1: logging.INFO}.get(verbosity, logging.DEBUG)
    if daemon and verbosity >= 0:
        return level if verbosity == 0 else min(level, asked)
    return asked


def _thread_died(args: threading.ExceptHookArgs) -> None:
    if args.exc_type is not SystemExit and args.exc_value is not None:
        name = args.thread.name if args.thread else "?"
        info = (args.exc_type, args.exc_value, args.exc_traceback)
        _log.critical("thread %s died of an error nobody expected", name, exc_info=info)


_WORDS = "password|passwd|adminpass|secret|cookie"


class Redactor:
    """Takes secrets out of texts: those it was told of, and whatever looks like one."""

    _PATTERNS = (
        # Authorization: Basic ..., and Bearer ... anywhere
        (
            re.compile(r"""(\bauthorization["']?\s*[:=]\s*[bu]?["']?\w+\s+|\bbearer\s+)[^\s"',]+""", re.I),
            rf"\1{HIDDEN}",
        ),
        # https://user:password@host
        (re.compile(r"(://[^/\s:@]*:)[^\s/]+@"), rf"\1{HIDDEN}@"),
        # "password": "...", 'X-Auth-Token': '...', in JSON and in reprs of dicts
        (re.compile(rf"""((?:{_WORDS}|token)["']\s*:\s*[bu]?)(["'])(?:\\.|(?!\2).)*\2?""", re.I), rf"\1\2{HIDDEN}\2"),
        # password=..., password: ..., X-Auth-Token: ... (keystoneauth writes only the hash of a token)
        (
            re.compile(
                rf"""((?:{_WORDS})(?:=|:\s+)["']?|token=["']?|-token:\s+)(?!\{{SHA256\}})[^\s"'&,;)}}\]]+""", re.I
            ),
            rf"\1{HIDDEN}",
        ),
        # Keystone's Fernet tokens, and JSON web tokens, wherever they are
        (re.compile(r"\bgAAAAA[\w-]{20,}=*"), HIDDEN),
        (re.compile(r"\beyJ[\w-]{8,2000}\.[\w-]+\.[\w-]*"), HIDDEN),
    )

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._expression: re.Pattern[str] | None = None

    def add(self, *secrets: str) -> None:
        """Tells of values to hide, in the forms too which they have in addresses, JSON and headers."""
        for secret in filter(None, secrets):
            raw = secret.encode(errors="surrogatepass")
            self._known |= {
                secret,
                urllib.parse.quote(raw, safe=""),
                urllib.parse.quote(raw),
                urllib.parse.quote_plus(raw),
                json.dumps(secret)[1:-1],
                repr(secret)[1:-1],
                base64.b64encode(raw).decode(),
            }
        longest_first = sorted(self._known, key=len, reverse=True)
        self._expression = re.compile("|".join(map(_standing, longest_first))) if longest_first else None

    def clear(self) -> None:
        """Forgets what it was told."""
        self._known.clear()
        self._expression = None

    def known(self, text: str) -> str:
        """The text with `***` in place of what it was told of only: for texts that name keys like `password:`."""
        return text if self._expression is None else self._expression.sub(HIDDEN, text)

    def __call__(self, text: str) -> str:
        """The text with `***` in place of every secret."""
        return self.shapes(self.known(text))

    def shapes(self, text: str) -> str:
        """The text with `***` in place of what looks like a secret."""
        for pattern, replacement in self._PATTERNS:
            text = pattern.sub(replacement, text)
        return text


_SHORT = 6


def _standing(secret: str) -> str:
    """Short secrets are hidden where they stand alone: inside of words they would be everywhere."""
    return rf"(?<!\w){re.escape(secret)}(?!\w)" if len(secret) < _SHORT else re.escape(secret)


hidden = Redactor()
"""The redactor of all log lines; secrets that come up later (tokens) may be added to it."""


@dataclass(frozen=True, slots=True)
class _Fields:
    """What a line says, secrets taken out."""

    time: str
    level: str
    logger: str
    run: str
    message: str
    exception: str = ""


class _Formatter(logging.Formatter):
    def _fields(self, record: logging.LogRecord) -> _Fields:
        moment = datetime.fromtimestamp(record.created, UTC)
        return _Fields(
            time=moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z",
            level=_LEVELS.get(record.levelname, record.levelname),
            logger=record.name.rpartition(".")[2],
            run=_run,
            message=_message(record),
            exception=hidden(self.formatException(record.exc_info)) if record.exc_info else "",
        )


class TextFormatter(_Formatter):
    """`2026-11-23T02:05:44.120Z INFO  bulk    run=7f3a pass begins`; a traceback follows, indented."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever is in the message."""
        found = self._fields(record)
        message = "".join(char if char.isprintable() else _escaped(char) for char in found.message)
        trace = "".join(f"\n    {line}" for line in found.exception.splitlines())
        return f"{found.time} {found.level:5} {found.logger:7} run={found.run} {message}{trace}"


class JsonFormatter(_Formatter):
    """The same fields as one JSON object a line: time, level, logger, run, message, exception."""

    def format(self, record: logging.LogRecord) -> str:
        """One line of ASCII."""
        found = self._fields(record)
        whole = {name: getattr(found, name) for name in _Fields.__dataclass_fields__}
        return json.dumps({name: value for name, value in whole.items() if value or name != "exception"})


def _message(record: logging.LogRecord) -> str:
    """The message, secrets taken out; of our own lines from what they tell of, as a password may be a word of ours."""
    try:
        if record.name.startswith("cos_update.") and isinstance(record.args, tuple):
            told = (arg if isinstance(arg, int | float) else hidden.known(str(arg)) for arg in record.args)
            return hidden.shapes(str(record.msg) % tuple(told))
        return hidden(record.getMessage())
    except Exception:  # a wrong format must not lose the line, nor show its arguments unredacted
        return hidden(f"{record.msg!s} {record.args!r}")


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


class _Stderr(logging.Handler):
    """Standard error, whichever it is at the moment; one that is gone or closed costs nothing but the line."""

    def emit(self, record: logging.LogRecord) -> None:
        """Writes the line."""
        stream = sys.stderr
        if stream is None:  # the process was started without one
            return
        with contextlib.suppress(OSError, ValueError):
            encoding = getattr(stream, "encoding", None) or "ascii"
            line = self.format(record).encode(encoding, "backslashreplace").decode(encoding)
            stream.write(f"{line}\n")
            stream.flush()


class LogFile(logging.Handler):
    """A file that is opened again when it was rotated away, and done without while it cannot be written.

    That it cannot be written is said once, by the other handlers, and again when it can.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._handle: int | None = None
        self._missed = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Writes the line, if that can be done."""
        line = self.format(record).encode("utf-8", "backslashreplace") + b"\n"
        try:
            self._write(line)
        except OSError as error:
            self._drop()
            self._missed += 1
            if self._missed == 1:
                reason = error.strerror or str(error)
                if isinstance(error, PermissionError):
                    reason += f": chown -R {os.geteuid()} {self.path.parent}"
                _log.warning("%s cannot be written (%s); the log goes to stderr only until it can", self.path, reason)
        else:
            missed, self._missed = self._missed, 0
            if missed:
                _log.warning("%s can be written again; it misses %d lines", self.path, missed)

    def close(self) -> None:
        """Closes the file."""
        self._drop()
        super().close()

    def _write(self, line: bytes) -> None:
        if self._handle is not None and not self._is_current(self._handle):
            self._drop()
        if self._handle is None:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
            self._handle = os.open(self.path, flags, 0o640)
        before = os.fstat(self._handle).st_size
        written = os.write(self._handle, line)
        if written < len(line):
            os.ftruncate(self._handle, before)
            raise OSError(None, "no space for a whole line")

    def _is_current(self, handle: int) -> bool:
        try:
            return os.path.samestat(os.fstat(handle), self.path.stat())
        except FileNotFoundError:
            return False

    def _drop(self) -> None:
        if self._handle is not None:
            with contextlib.suppress(OSError):
                os.close(self._handle)
        self._handle = None


@dataclass(slots=True)
class _Streak:
    """One failure that goes on: since when, how often, when it is to be mentioned again, and what was said of it."""

    since: float
    pause: float
    due: float
    count: int = 0
    wordings: set[str] = field(default_factory=set)


class RepeatSuppressor:
    """Says a failure that goes on once, now and then how often it was, at once what is new about it, and its end.

    Times that are not said are logged at DEBUG. Any thread may call.
    """

    FIRST_PAUSE = 600.0
    LONGEST_PAUSE = 3600.0
    MOST = 10_000
    """Failures that are told apart; beyond, those that began first are said anew."""
    MOST_SAID = 20
    """Wordings of one failure that are known again, for those that change to and fro."""

    def __init__(self, logger: logging.Logger, clock: Callable[[], float] = time.time) -> None:
        self._logger = logger
        self._clock = clock
        self._streaks: dict[str, _Streak] = {}
        self._lock = threading.Lock()

    def failed(
        self, key: str, message: str, *about: object, level: int = logging.WARNING, logger: logging.Logger | None = None
    ) -> None:
        """Counts the failure `key`, and logs it if it is time to or if it says something new.

        `message` is a format and `about` its arguments, as loggers take them.
        """
        suffix = self._failed(key, _PASSING.sub("#", message % about))
        into = logger or self._logger
        if suffix is None:
            into.debug(f"{message} (still so)", *about)
        else:
            into.log(level, f"{message}%s", *about, suffix)

    def over(
        self, key: str, message: str, *, level: int = logging.WARNING, logger: logging.Logger | None = None
    ) -> None:
        """Ends the failure `key`, if it was one: logs `message` ("Cinder could not be read") with how often it was."""
        with self._lock:
            streak = self._streaks.pop(key, None)
        if streak is not None:
            times = "once" if streak.count == 1 else f"{streak.count} times"
            (logger or self._logger).log(level, "%s: over after %s", message, times)

    def _failed(self, key: str, wording: str) -> str | None:
        now = self._clock()
        with self._lock:
            streak = self._streaks.get(key)
            if streak is None:
                if len(self._streaks) >= self.MOST:
                    del self._streaks[next(iter(self._streaks))]
                streak = self._streaks[key] = _Streak(now, self.FIRST_PAUSE, now + self.FIRST_PAUSE)
            streak.count += 1
            if wording not in streak.wordings:
                if len(streak.wordings) >= self.MOST_SAID:
                    streak.wordings.clear()
                streak.wordings.add(wording)
                return ""
            if now < streak.due:
                return None
            streak.pause = min(streak.pause * 2, self.LONGEST_PAUSE)
            streak.due = now + streak.pause
            return f" (still so, {streak.count} times since {_clock_time(streak.since, now)})"


_PASSING = re.compile(r"\b[0-9a-f]{8,}(?:-[0-9a-f]+)*\b|\d+\.\d+", re.I)
"""Ids of requests and seconds: what differs between two times of the same failure, and is nothing new."""


def _clock_time(moment: float, now: float) -> str:
    """The UTC time of day, with the date when it was another day."""
    then = datetime.fromtimestamp(moment, UTC)
    today = datetime.fromtimestamp(now, UTC).date() == then.date()
    return then.strftime("%H:%M" if today else "%Y-%m-%d %H:%M")
