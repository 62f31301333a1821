"""The result of a check: one line, and how to fix the problem."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cos_update.model.errors import CosUpdateError


class Status(StrEnum):
    """The result of a check; only FAIL means that something will not work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"
    SKIP = "skip"
    """It could not be tried, because of another failure or with these credentials."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: `name` is the subject in a word; `fix` says what to do, "" for nothing."""

    status: Status
    name: str
    text: str
    fix: str = ""

    @property
    def is_ok(self) -> bool:
        """Whether all is well."""
        return self.status is Status.OK


def ok(name: str, text: str) -> Finding:
    """All is well."""
    return Finding(Status.OK, name, text)


def warn(name: str, text: str, fix: str = "") -> Finding:
    """It works, but somebody should know."""
    return Finding(Status.WARN, name, text, fix)


def fail(name: str, text: str, fix: str = "") -> Finding:
    """It will not work."""
    return Finding(Status.FAIL, name, text, fix)


def skip(name: str, text: str) -> Finding:
    """Skipped: nothing was tried."""
    return Finding(Status.SKIP, name, text)


def failed(name: str, error: CosUpdateError) -> Finding:
    """A failure with an error's message and hint."""
    return fail(name, str(error).rstrip("."), error.hint)
