"""Writes a translated view as a pickle that names the other services' classes, without their code."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from cos_update.model.settings import ViewFor
from cos_update.neighbours import con_opstk, conser
from cos_update.neighbours.classes import Translation, importable
from cos_update.store import View, from_plain, to_plain
from cos_update.store.records import simplified

PROTOCOL = 4
"""The pickle protocol that every Python version of those services can load."""
_TRANSLATED: Mapping[ViewFor, Callable[[View], Translation]] = {
    ViewFor.CON_OPSTK: con_opstk.translated,
    ViewFor.CONSER: conser.translated,
}


def write(view: View, file: BinaryIO) -> dict[str, str]:
    """Pickles the view for the services of `view_for`; returns descriptions of what was left out, by Concertim id.

    The file names only the classes of those services. Raises TypeError for values without a plain form, and KeyError
    if `view_for` names no services.
    """
    translated = _TRANSLATED[view.view_for]
    translation = translated(view)
    try:
        _dump(translation, file)
    except _NotPlain:
        # Some string is of a subclass (such as a StrEnum member). That is rare, so only now convert them.
        file.seek(0)
        file.truncate()
        translation = translated(from_plain(simplified(to_plain(view))))
        _dump(translation, file)
    return translation.left_out


class _NotPlain(TypeError):
    """An object that is neither plain nor of the other services' classes."""


class _Pickler(pickle.Pickler):
    """Writes objects of the given stand-ins, and plain values."""

    def __init__(self, file: BinaryIO, known: frozenset[type]) -> None:
        super().__init__(file, PROTOCOL)
        self._known = known

    def reducer_override(self, obj: Any, /) -> Any:
        """Called for objects that are not exactly of a plain type."""
        if type(obj) in self._known or (isinstance(obj, type) and obj in self._known):
            return NotImplemented
        raise _NotPlain(f"a {type(obj).__name__} has no plain form")


def _dump(translation: Translation, file: BinaryIO) -> None:
    known = translation.classes.each()
    with importable(known):
        _Pickler(file, frozenset(known)).dump(translation.view)
