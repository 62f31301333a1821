"""Unknown keys, and the known keys that they probably misspell."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping

from cos_update.config.document import Item

_NEAR = 0.8
"""Similarity (0 to 1) from which one word counts as a misspelling of another."""
_MEANT = 0.6
"""The threshold when a required key is missing as well."""


def unknown_items(section: Item, known: Collection[str]) -> dict[str, Item]:
    """The items of a mapping with unknown keys."""
    found = section.value if isinstance(section.value, dict) else {}
    return {name: item for name, item in found.items() if name not in known}


def unknown(section: Item, known: Collection[str]) -> list[str]:
    """A sentence for each unknown key of a mapping, with the most similar known key."""
    warnings = []
    for name, item in unknown_items(section, known).items():
        close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=_NEAR)
        guess = f"; did you mean {close[0]}?" if close else ""
        warnings.append(f"{item.file}, line {item.line}: unknown key {item.key} is ignored{guess or '.'}")
    return warnings


def meant_by(missing: str, unknown: Mapping[str, Item]) -> str:
    """A question that names the unknown key that is probably the missing one; "" if none is similar."""
    last = missing.rpartition("_")[2]
    close = difflib.get_close_matches(missing, sorted(unknown), n=1, cutoff=_MEANT)
    close = close or sorted(name for name in unknown if name.rpartition("_")[2] == last)
    return f"Did you misspell it as {close[0]} in line {unknown[close[0]].line}?" if close else ""
