"""The app's error bodies, which differ from endpoint to endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

MESSAGES = {
    "blank": "can't be blank",
    "taken": "has already been taken",
    "required": "must exist",
    "too_long": "is too long (maximum is {count} characters)",
    "not_a_number": "is not a number",
    "not_an_integer": "must be an integer",
    "greater_than": "must be greater than {count}",
    "greater_than_or_equal_to": "must be greater than or equal to {count}",
    "less_than": "must be less than {count}",
}
"""The messages of Rails' own validations. Other symbols come with a message, or are sentences themselves."""


class Refusal(Exception):
    """A response other than 200; `body` None is an empty body."""

    def __init__(self, status: int, body: object) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body


def failure(title: str, description: str) -> Refusal:
    """The 500 for anything that the app does not handle."""
    return Refusal(500, {"errors": [{"status": "500", "title": title, "description": description}]})


def not_found() -> Refusal:
    """The 404 for a missing record."""
    return Refusal(404, {"errors": {"record": ["Not found"]}})


def no_route() -> Refusal:
    """The 404 for an unknown path."""
    return Refusal(404, {"status": 404, "error": "Not Found"})


def forbidden() -> Refusal:
    """The 403 for an unauthorized user."""
    description = "You are not authorized to access this page."
    return Refusal(403, {"errors": [{"status": "403", "title": "Not Authorized", "description": description}]})


def missing(key: str) -> Refusal:
    """The 400 for a missing root key."""
    return Refusal(400, {"status": 400, "error": f"param is missing or the value is empty: {key}"})


def unknown_attribute(attribute: str, model: str) -> Refusal:
    """The 500 for a parameter that the controller permits but the model lacks."""
    return failure("ActiveModel::UnknownAttributeError", f"unknown attribute '{attribute}' for {model}.")


def unauthenticated(reason: str) -> Refusal:
    """The 401 for a missing or unusable token or password."""
    return Refusal(401, {"error": reason})


@dataclass(slots=True)
class Errors:
    """The errors of a validation, by field, in order."""

    found: dict[str, list[tuple[str, Mapping[str, object]]]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.found)

    def add(self, name: str, error: str, message: str | None = None, **detail: object) -> None:
        """Add an error to a field: a symbol with its details, or a sentence of the app's own."""
        text = (message or MESSAGES.get(error, error)).format(**detail)
        self.found.setdefault(name, []).append((text, {"error": error, **detail}))

    def messages(self) -> dict[str, list[str]]:
        """The bare form: `{"field": ["message"]}`."""
        return {name: [text for text, _ in entries] for name, entries in self.found.items()}

    def details(self) -> dict[str, list[Mapping[str, object]]]:
        """The machine-readable form: `{"field": [{"error": "symbol"}]}`."""
        return {name: [detail for _, detail in entries] for name, entries in self.found.items()}

    def refuse(self) -> None:
        """Raise the 422 in the bare form if there are errors."""
        if self.found:
            raise Refusal(422, self.messages())


def plain(value: Decimal | int) -> int | float:
    """The number as it goes into JSON."""
    return int(value) if value == int(value) else float(value)
