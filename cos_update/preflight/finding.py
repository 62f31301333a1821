"""What a check has found: one line, and how to fix it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cos_update.model.errors import CosUpdateError


class Status(StrEnum):
    """How a check ended; only FAIL means that something will not work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"
    SKIP = "skip"
    """It could not be tried, because of something else, or with these credentials."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: `name` is what was looked at, in a word; `fix` says what to do, "" when nothing is to be done."""

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
    """What an error says, and its hint."""
    return fail(name, str(error).rstrip("."), error.hint)
