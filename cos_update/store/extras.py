"""Additional content of the memory while view.pickle is written for other services."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cos_update.model.accounts import Account, Accounts, Person
from cos_update.model.settings import ViewFor
from cos_update.store.records import RecordSchema, SchemaError, dict_of, records

_ACCOUNT = RecordSchema(Account)
_PERSON = RecordSchema(Person)
_FORMS = {form.value: form for form in ViewFor}


def extras_plain(view_for: ViewFor, since: float, accounts: Accounts | None) -> dict[str, Any]:
    """The services that view.pickle is written for, since when (Unix time), and their accounts, by the view's keys."""
    plain: dict[str, Any] = {}
    if view_for is not ViewFor.NONE:
        plain["view_for"] = {"form": view_for.value, "since": since}
    if accounts is not None:
        plain["accounts"] = {
            "owners": {key: _ACCOUNT.plain(account) for key, account in accounts.owners.items()},
            "people": None
            if accounts.people is None
            else {key: _PERSON.plain(person) for key, person in accounts.people.items()},
        }
    return plain


def view_for_from(plain: Mapping[str, Any]) -> tuple[ViewFor, float]:
    """The services that view.pickle is written for, and since when, from a plain view. Raises SchemaError."""
    if "view_for" not in plain:
        return ViewFor.NONE, 0.0
    found = dict_of(plain["view_for"], "view_for")
    form, since = found.get("form"), found.get("since")
    if not isinstance(form, str) or form not in _FORMS or not isinstance(since, int | float):
        raise SchemaError("view_for: not a form and a time")
    return _FORMS[form], float(since)


def accounts_from(plain: Mapping[str, Any]) -> Accounts | None:
    """The accounts in a plain view. Raises SchemaError."""
    if "accounts" not in plain:
        return None
    found = dict_of(plain["accounts"], "accounts")
    people = found.get("people")
    return Accounts(
        records(found.get("owners"), _ACCOUNT.record, "accounts of owners"),
        None if people is None else records(people, _PERSON.record, "people"),
    )
