"""Concertim's accounts and users. No decision here depends on them: they are read for other services."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Account:
    """The account of an owner, all values as the app writes them; "" if missing.

    `billing_id` is the account's id at the billing platform; the period is given by dates (ISO 8601).
    """

    billing_id: str = ""
    period_start: str = ""
    period_end: str = ""
    cost: str = ""
    credits: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """A user of Concertim; `cloud_id` is the user's id in the cloud, or "". Never includes passwords."""

    id: str
    login: str
    full_name: str = ""
    email: str = ""
    cloud_id: str = ""
    is_root: bool = False


@dataclass(frozen=True, slots=True)
class Accounts:
    """The accounts by owner id, and people by id; `people` is None if they could not be read."""

    owners: Mapping[str, Account]
    people: Mapping[str, Person] | None = None
