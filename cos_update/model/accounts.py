"""What Concertim shows of money and people. Nothing of it decides anything here: it is read for services that do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Account:
    """What is charged to an owner, every value as the app writes it; "" for what it does not show.

    `billing_id` is the account's id at the billing platform; the period's ends are dates (ISO 8601).
    """

    billing_id: str = ""
    period_start: str = ""
    period_end: str = ""
    cost: str = ""
    credits: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """A user of Concertim; `cloud_id` is the user's id in the cloud, "" without one. Never anybody's password."""

    id: str
    login: str
    full_name: str = ""
    email: str = ""
    cloud_id: str = ""
    is_root: bool = False


@dataclass(frozen=True, slots=True)
class Accounts:
    """The accounts by owner id, and the people by their ids; `people` is None when they could not be read."""

    owners: Mapping[str, Account]
    people: Mapping[str, Person] | None = None
