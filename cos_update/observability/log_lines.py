"""Log formatters: text or JSON, on one line and without secrets.

Secrets are redacted in the formatter, so that nothing gets through: arguments, exceptions, or what pika, urllib3,
keystoneauth and openstacksdk log themselves.
"""

from __future__ import annotations

import json
import logging
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from cos_update.model.masked import Masked
from cos_update.observability import facts
from cos_update.observability.redaction import hidden

_LEVELS = {"WARNING": "WARN", "CRITICAL": "FATAL"}
_OWN_LINE = re.compile(r"[0-9-]{10}T[0-9:.]{12}Z [A-Z]+ +\S+ +run=[0-9a-f]{4} |\{\"time\": .*\"run\": \"[0-9a-f]{4}\"")


def is_own_line(line: str) -> bool:
    """Whether a log line was written by us, in either format."""
    return _OWN_LINE.match(line) is not None


def begin_run() -> str:
    """Begins a new run: log lines carry the first four digits of its id. Returns the id in the form of an OpenStack
    request id (`req-<uuid>`), to be sent as the global request id.
    """
    global _run
    run = uuid.uuid4()
    _run = run.hex[:4]
    return f"req-{run}"


_run = uuid.uuid4().hex[:4]


@dataclass(frozen=True, slots=True)
class _Fields:
    """The fields of a line, with secrets redacted."""

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
        found = self._fields(record)
        trace = "".join(f"\n    {_escaped(line)}" for line in found.exception.split("\n") if line)
        return f"{found.time} {found.level:5} {found.logger:7} run={found.run} {_escaped(found.message)}{trace}"


class JsonFormatter(_Formatter):
    """One JSON object per line with the same fields (time, level, logger, run, message, exception) and the facts."""

    def format(self, record: logging.LogRecord) -> str:
        found = self._fields(record)
        whole = {name: getattr(found, name) for name in _Fields.__dataclass_fields__}
        fields = {name: value for name, value in whole.items() if value or name != "exception"}
        return json.dumps(fields | _redacted(facts.of(record)), default=str)


def _message(record: logging.LogRecord) -> str:
    """The message with secrets redacted; of our own lines only the arguments, as a password may be one of our words."""
    try:
        if record.name.startswith("cos_update.") and isinstance(record.args, tuple):
            message = str(record.msg) % tuple(map(_plain, record.args))
            return message if any(isinstance(arg, Masked) for arg in record.args) else hidden.shapes(message)
        return hidden(record.getMessage())
    except Exception:  # a wrong format must neither lose the line nor expose its arguments
        return hidden(f"{record.msg!s} {record.args!r}")


def _redacted(given: Mapping[str, object]) -> dict[str, object]:
    return {name: _without_secrets(value) for name, value in given.items()}


def _without_secrets(value: object) -> object:
    match value:
        case str():
            return hidden(value)
        case Mapping():
            return _redacted(value)
        case list() | tuple():
            return [_without_secrets(item) for item in value]
    return value


def _plain(arg: object) -> object:
    return arg if isinstance(arg, int | float | Masked) else hidden.known(str(arg))


def _escaped(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)
