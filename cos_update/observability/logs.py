"""Logging setup for all commands: text or JSON, on stderr and in a file."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterable
from typing import Literal

from cos_update.model.settings import Settings
from cos_update.observability.log_handlers import LogFile, StderrHandler
from cos_update.observability.log_lines import JsonFormatter, TextFormatter
from cos_update.observability.redaction import hidden

FILES = {"bulk": "updates_bulk.log", "listen": "updates_mq.log"}
"""The log files in the log dir, by process."""
_LOUD = ("urllib3", "keystoneauth", "openstack", "stevedore", "pika", "asyncio")
"""Libraries that log details for developers at INFO."""

_OF_SECRETS = ("keystoneauth.session.body",)
"""Loggers of what services answer in full; passwords may be in it that are nobody's here."""

_CHATTER = 2
"""The number of -v that enables these libraries' DEBUG messages: requests, headers, frames."""
_log = logging.getLogger(__name__)


def configure(
    settings: Settings,
    *,
    secrets: Iterable[str] = (),
    process: Literal["bulk", "listen"] | None = None,
    daemon: bool = False,
    verbosity: int = 0,
) -> None:
    """Configures logging for one command, replacing any earlier configuration.

    `secrets` are values to redact. A `process` also writes its file in the log dir, at `log_level`. A `daemon` logs
    the same to stderr; other commands log warnings there. `verbosity` counts -v (1: INFO, 2: DEBUG) for stderr; -1 is
    -q, errors only. Never raises: a log dir that cannot be written is reported on stderr.
    """
    hidden.clear()
    reconfigure(settings, secrets=secrets, process=process, daemon=daemon, verbosity=verbosity)
    logging.captureWarnings(True)
    # urllib3 warns about this at every request; `cos-update check` reports it once.
    warnings.filterwarnings("ignore", message="Unverified HTTPS request")
    threading.excepthook = _thread_died


def reconfigure(
    settings: Settings,
    *,
    secrets: Iterable[str] = (),
    process: Literal["bulk", "listen"] | None = None,
    daemon: bool = False,
    verbosity: int = 0,
) -> None:
    """Applies new settings to a running command without losing lines; former secrets are still redacted.

    Reopens the log file. The arguments are those of `configure`.
    """
    hidden.add(*secrets)
    formatter = (JsonFormatter if settings.log_format == "json" else TextFormatter)()
    level = logging.getLevelNamesMapping()[settings.log_level]
    handlers: list[logging.Handler] = [StderrHandler()]
    handlers[0].setLevel(_stderr_level(level, daemon, verbosity))
    if process is not None:
        handlers.append(LogFile(settings.log_dir / FILES[process]))
        handlers[1].setLevel(level)
    lowest = min(handler.level for handler in handlers)
    for handler in handlers:
        handler.setFormatter(formatter)
    root = logging.getLogger()
    former = [handler for handler in root.handlers if isinstance(handler, StderrHandler | LogFile)]
    root.handlers = [handler for handler in root.handlers if handler not in former] + handlers
    root.setLevel(lowest)
    for old in former:
        old.close()
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.DEBUG if verbosity >= _CHATTER else logging.WARNING)
    for name in _OF_SECRETS:
        logging.getLogger(name).setLevel(logging.WARNING)


def shut_down(within: float = 1.0) -> None:
    """Flushes buffers, but waits for a blocked lock or pipe only `within` seconds."""
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
        _log.critical("thread %s died of an unexpected error", name, exc_info=info)
