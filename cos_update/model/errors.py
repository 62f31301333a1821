"""All errors for people, each with what failed and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cos_update.model.concertim import Record


class CosUpdateError(Exception):
    """Base of all errors that are shown as a message, never as a traceback.

    `hint` is one sentence that says what to do next, or "".
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class ConfigError(CosUpdateError):
    """config.yaml is missing, unreadable or wrong; the message names file, line and key.

    Its messages need no redaction: they never quote secrets of the file. `line` is 0 if no particular line is wrong.
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
    """A request to OpenStack failed. `status` is the HTTP status, or None without a response."""

    def __init__(self, message: str, hint: str = "", status: int | None = None) -> None:
        super().__init__(message, hint)
        self.status = status


class CloudLoginError(CloudError):
    """Keystone could not be reached or rejected the credentials: the cloud cannot be read at all."""


class ConcertimError(CosUpdateError):
    """A request to Concertim failed. `status` is the HTTP status, or None without a response."""

    def __init__(self, message: str, hint: str = "", status: int | None = None) -> None:
        super().__init__(message, hint)
        self.status = status


class ConcertimLoginError(ConcertimError):
    """Concertim rejected the login, or rejects its own new tokens."""


class Refused(ConcertimError):
    """Concertim rejects this one object (400, 403, 422, 500); retrying in this pass would not help.

    After a 5xx the result is unknown: `found` is the object as read afterwards, if possible.
    """

    def __init__(self, message: str, hint: str = "", status: int | None = None, found: Record | None = None) -> None:
        super().__init__(message, hint, status)
        self.found = found

    @property
    def is_fault(self) -> bool:
        """Whether the app failed (5xx), rather than rejected it: it may have done all of it, or some."""
        return self.status is not None and self.status >= 500


class Gone(ConcertimError):
    """The object no longer exists in Concertim (404)."""


class Unavailable(ConcertimError):
    """No usable response in spite of retries (no connection, timeout, 429, 502, 503, 504)."""


class Fenced(ConcertimError):
    """A write was not sent: this machine is not sure any more that it may (see `cos_update.coordination`)."""


class ViewError(CosUpdateError):
    """The data dir or the view cannot be read or written."""


class LockedError(CosUpdateError):
    """Another process holds a lock in the data dir; the message says which one and since when."""


class MalformedNotification(CosUpdateError):
    """A message that is not a notification, or does not identify its object."""
