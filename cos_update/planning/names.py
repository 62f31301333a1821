"""Assigns names that Concertim accepts: unique where required, stable, and as close to the original as possible.

If several objects want the same name, the winner depends only on the objects, not on their order: first the one that
already has the name, then one with exactly this original name, then the smallest id.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from cos_update.model.concertim import ApiFlavour
from cos_update.planning.values import clean_text

PIECE = 8
"""The number of characters of an object's id that make a name unique."""


@dataclass(frozen=True, slots=True)
class Wish:
    """An object that needs a name. Lower ranks go first, whatever their ids.

    `current` is its current name, "" if it does not exist yet.
    """

    object_id: str
    name: str
    rank: int = 0
    current: str = ""


@dataclass(frozen=True, slots=True)
class NameRule:
    """The names that Concertim accepts for one kind of object: legal characters and maximum length."""

    illegal: re.Pattern[str] | None
    limit: int

    def clean(self, name: str, object_id: str) -> str:
        """The closest legal name; derived from the object's id if nothing legal is left."""
        name = clean_text(name)
        if self.illegal is None:
            return name[: self.limit] if name.strip() else self.piece(object_id)
        if name and not self.illegal.search(name):
            return name[: self.limit]
        plain = unicodedata.normalize("NFKD", name)
        plain = "".join(char for char in plain if not unicodedata.combining(char))
        return self.illegal.sub("-", plain).strip("-")[: self.limit] or self.piece(object_id)

    def best(self, wish: Wish) -> str:
        """The clean name, or the current one if previous update handlers derived that from the object's name."""
        name = wish.current
        is_legal = self.illegal is not None and 0 < len(name) <= self.limit and not self.illegal.search(name)
        return name if is_legal and name == earlier_name(wish.name) else self.clean(wish.name, wish.object_id)

    def piece(self, object_id: str, length: int = PIECE) -> str:
        """The first `length` legal characters of an id (a flavor's id may be any text)."""
        legal = clean_text(object_id) if self.illegal is None else self.illegal.sub("-", object_id)
        return legal.strip()[:length] or "x"

    def apart(self, name: str, object_id: str, length: int = PIECE) -> str:
        """`name` with a piece of the object's id appended, within the limit."""
        piece = self.piece(object_id, length)[: self.limit - 2]
        return f"{name[: self.limit - len(piece) - 1]}-{piece}"


def earlier_name(original: str) -> str:
    """The name that previous update handlers derived from an object's name."""
    return original.replace(".", "-").replace("_", "-")


# The app builds a hidden chassis name from the template's and the rack's name; together they stay below 220.
TEMPLATE_NAME = NameRule(None, 109)
RACK_NAME = NameRule(re.compile(r"[^A-Za-z0-9_-]+"), 110)
DEVICE_NAME: Mapping[ApiFlavour, NameRule] = {
    ApiFlavour.TEAMS: NameRule(re.compile(r"[^A-Za-z0-9.-]+"), 150),
    ApiFlavour.CREDITS: NameRule(re.compile(r"[^A-Za-z0-9.-]+"), 150),
    ApiFlavour.USERS: NameRule(re.compile(r"[^A-Za-z0-9-]+"), 150),
}


def assign(wishes: Iterable[Wish], taken: Collection[str], rule: NameRule) -> dict[str, str]:
    """A legal name for each wish, by object id, all unique and not in `taken`."""
    used = set(taken)
    assigned: dict[str, str] = {}
    clean = [(wish, rule.best(wish)) for wish in wishes]
    clean.sort(key=lambda pair: (pair[0].rank, pair[0].current != pair[1], pair[0].name != pair[1], pair[0].object_id))
    # Ranks are completed one by one, made-unique names included: else an object to be removed could keep a name from
    # one that stays.
    for _, served in groupby(clean, key=lambda pair: pair[0].rank):
        clashing = []
        for wish, name in served:
            if name in used:
                clashing.append((wish, name))
            else:
                used.add(name)
                assigned[wish.object_id] = name
        for wish, name in clashing:
            assigned[wish.object_id] = _set_apart(name, wish.object_id, used, rule)
            used.add(assigned[wish.object_id])
    return assigned


def _set_apart(name: str, object_id: str, used: Collection[str], rule: NameRule) -> str:
    for length in range(PIECE, max(len(object_id), PIECE) + 1, 4):
        candidate = rule.apart(name, object_id, length)
        if candidate not in used:
            return candidate
    number = 2
    while (candidate := rule.apart(name, f"{object_id[:PIECE]}-{number}", PIECE + 12)) in used:
        number += 1
    return candidate


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """A sort key that puts node-2 before node-10."""
    pieces = re.split(r"(\d+)", name)
    return tuple((1, int(p), "") if p.isdecimal() and p.isascii() else (0, 0, p) for p in pieces if p)


@dataclass(frozen=True, slots=True)
class Rename:
    """One object's change of name."""

    object_id: str
    old: str
    new: str


def in_order(renames: Sequence[Rename]) -> tuple[list[Rename], list[Rename]]:
    """Orders renames so that no name is used twice at any time.

    Returns (first, then): if names are swapped in a cycle, `first` moves one of them to a temporary name, and `then`
    continues from there.
    """
    waiting = sorted(renames, key=lambda r: r.object_id)
    first: list[Rename] = []
    then: list[Rename] = []
    while waiting:
        held = {rename.old for rename in waiting}
        free = [rename for rename in waiting if rename.new not in held]
        if free:
            then += free
            waiting = [rename for rename in waiting if rename.new in held]
        else:
            rename = waiting.pop(0)
            piece = re.sub(r"[^A-Za-z0-9]", "", rename.object_id)[:PIECE]
            parked = f"{rename.old[:90]}-moving-{piece}"
            first.append(Rename(rename.object_id, rename.old, parked))
            waiting.append(Rename(rename.object_id, parked, rename.new))
    return first, then
