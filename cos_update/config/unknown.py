"""Keys that nobody knows, and which ones are probably meant by them."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping

from cos_update.config.document import Item

_NEAR = 0.8
"""How much of two words must be the same (of 1) for one to pass for a misspelling of the other."""
_MEANT = 0.6
"""The same where something is missing besides."""


def unknown_items(section: Item, known: Collection[str]) -> dict[str, Item]:
    """The items of a mapping whose keys are not known."""
    found = section.value if isinstance(section.value, dict) else {}
    return {name: item for name, item in found.items() if name not in known}


def unknown(section: Item, known: Collection[str]) -> list[str]:
    """A sentence for each unknown key of a mapping, with the known key that is near it."""
    warnings = []
    for name, item in unknown_items(section, known).items():
        close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=_NEAR)
        guess = f"; is {close[0]} meant?" if close else ""
        warnings.append(f"{item.file}, line {item.line}: unknown key {item.key} is ignored{guess or '.'}")
    return warnings


def meant_by(missing: str, unknown: Mapping[str, Item]) -> str:
    """A question after the unknown key that is probably the missing one; "" when none is like it."""
    last = missing.rpartition("_")[2]
    close = difflib.get_close_matches(missing, sorted(unknown), n=1, cutoff=_MEANT)
    close = close or sorted(name for name in unknown if name.rpartition("_")[2] == last)
    return f"Is {close[0]} in line {unknown[close[0]].line} meant for it?" if close else ""
