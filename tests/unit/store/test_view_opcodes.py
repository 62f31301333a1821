"""Which services view.pickle is for, detected without loading it."""

from __future__ import annotations

import collections
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from view_samples import view

from cos_update.model.settings import ViewFor
from cos_update.neighbours import con_opstk, conser
from cos_update.neighbours.classes import Classes, importable, instance
from cos_update.store import to_plain
from cos_update.store.opcodes import form_of, form_of_file

THEIRS = {ViewFor.CON_OPSTK: con_opstk.CLASSES, ViewFor.CONSER: conser.CLASSES}


def of_theirs(classes: Classes, protocol: int) -> bytes:
    """A view as a service itself would write it."""
    device = instance(classes.device, {"id": ("d1", "i1")})
    with importable(classes.each()):
        return pickle.dumps(instance(classes.view, {"devices": {("d1", "i1"): device}}), protocol)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("form", THEIRS)
def test_the_classes_of_both_generations_are_told_by_their_packages(form: ViewFor, protocol: int) -> None:
    assert form_of(of_theirs(THEIRS[form], protocol)) is form


def test_the_beginning_of_a_file_is_enough() -> None:
    assert form_of(of_theirs(conser.CLASSES, 4)[:120]) is ViewFor.CONSER


def test_a_module_that_was_named_before_is_told_by_its_place_in_the_memo() -> None:
    named = b"\x80\x04\x8c\x0econser.modules\x94\x8c\x04View\x94h\x00h\x01\x93."
    assert form_of(b"\x80\x04" + named[2:]) is ViewFor.CONSER


def test_our_own_memory_names_nobody() -> None:
    assert form_of(pickle.dumps(to_plain(view()), 4)) is ViewFor.NONE


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"garbage",
        b"\x80\x04",
        pickle.dumps([1]),
        pickle.dumps(collections.OrderedDict(a=1)),
        pickle.dumps("conser.modules"),
        b"\x80\x04\x93.",
        b"\x80\x04\x8d" + b"\xff" * 8,
    ],
)
def test_anything_else_is_nobodys(content: bytes) -> None:
    assert form_of(content) is None


@given(st.binary(max_size=200))
def test_nothing_in_a_file_makes_it_fail(content: bytes) -> None:
    form_of(b"\x80\x04" + content)


def test_a_hostile_file_runs_nothing(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[Callable[..., int], tuple[str]]:
            return os.system, (f"touch {tmp_path / 'trace'}",)

    path = tmp_path / "view.pickle"
    path.write_bytes(pickle.dumps(Hostile()))
    assert form_of_file(path) is None
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("nowhere"), lambda _: None])
def test_what_is_no_file_is_nobodys_and_is_not_waited_for(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "view.pickle")
    assert form_of_file(tmp_path / "view.pickle") is None
