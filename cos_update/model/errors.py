"""Every error that a person may read, each with what failed and what to do next."""

from __future__ import annotations

from collections.abc import Sequence

from cos_update.model.concertim import Record


class CosUpdateError(Exception):
    """Base of all errors that end as a message, never as a traceback.

    `hint` is one sentence that says what to do next, or "".
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class ConfigError(CosUpdateError):
    """config.yaml is missing, unreadable or wrong; the message names file, line and key.

    Its texts need no masking: where they quote a value, no secret of the file is quoted. `line` is 0 where no line is
    to blame.
    """

    def __init__(self, message: str, hint: str = "", line: int = 0) -> None:
        super().__init__(message, hint)
        self.line = line


class ConfigErrors(ConfigError):
    """Several faults of one config.yaml, in the order of its lines."""

    def __init__(self, faults: Sequence[ConfigError]) -> None:
        super().__init__("\n".join(f"{fault} {fault.hint}".rstrip() for fault in faults))
        self.faults = tuple(faults)


class CloudError(CosUpdateError):
    """OpenStack could not be asked. `status` is the HTTP status, or None when no answer came."""

    def __init__(self, message: str, hint: str = "", status: int | None = None) -> None:
        super().__init__(message, hint)
        self.status = status


class CloudLoginError(CloudError):
    """Keystone could not be reached or refused the credentials: nothing can be learnt about the cloud."""


class ConcertimError(CosUpdateError):
    """Concertim could not be asked or refused. `status` is the HTTP status, or None when no answer came."""

    def __init__(self, message: str, hint: str = "", status: int | None = None) -> None:
        super().__init__(message, hint)
        self.status = status


class ConcertimLoginError(ConcertimError):
    """Concertim refused the login, or refuses its own fresh tokens."""


class Refused(ConcertimError):
    """Concertim refuses this one object (400, 403, 422, 500); trying again in this pass would not help.

    After a 5xx nobody knows what was done: `found` is the object as it was read afterwards, if it could be.
    """

    def __init__(self, message: str, hint: str = "", status: int | None = None, found: Record | None = None) -> None:
        super().__init__(message, hint, status)
        self.found = found


class Gone(ConcertimError):
    """The object is not in Concertim any more (404)."""


class Unavailable(ConcertimError):
    """No usable answer after the allowed tries (no connection, timeout, 429, 502, 503, 504)."""


class Fenced(ConcertimError):
    """A write was not sent: this machine is not sure any more that it may (see `cos_update.coordination`)."""


class ViewError(CosUpdateError):
    """The data dir or the view cannot be read or written."""


class LockedError(CosUpdateError):
    """Another process holds the data dir; the message says which one and since when."""


class MalformedNotification(CosUpdateError):
    """A message that is no notification, or does not name the object that it is about."""
