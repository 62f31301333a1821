"""Values in a view that take a few bytes but could never be written out."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest
from view_samples import view

from cos_update.store import ViewStore, from_plain, to_plain
from cos_update.store.records import SchemaError


def doubled(times: int) -> tuple[object, ...]:
    """A tuple of 2 ** `times` empty ones."""
    found: tuple[object, ...] = ()
    for _ in range(times):
        found = (found, found)
    return found


@pytest.mark.parametrize("value", [doubled(1), doubled(100), 10**5000], ids=["small", "large", "long"])
@pytest.mark.parametrize("place", ["schema", "flavour"])
def test_a_word_that_is_none_is_told_by_its_type(place: str, value: object) -> None:
    plain = copy.deepcopy(to_plain(view()))
    (plain if place == "schema" else plain["concertim"])[place] = value
    with pytest.raises(SchemaError, match=f"a {type(value).__name__}"):
        from_plain(plain)


def test_a_file_of_such_a_schema_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "view.pickle").write_bytes(pickle.dumps({"schema": doubled(100)}))
    assert ViewStore(tmp_path, "bulk").load() is None
    assert list(tmp_path.glob("view.pickle.bad-*"))
