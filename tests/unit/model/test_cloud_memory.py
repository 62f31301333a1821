"""When the cloud is read incrementally, since when, what is made of the response, and when it is not reliable."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from operator import itemgetter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cos_update.model.cloud_memory import (
    FEW,
    FRESH,
    OVERLAP,
    WITNESS_AGE,
    Changes,
    CloudMemory,
    Newest,
    doubt_of_answer,
    doubt_of_clocks,
    is_dear,
    latest,
    merged,
    newest_after,
    since,
    unix_time,
    why_full,
)
from cos_update.model.kinds import ResourceKind

NOON = 1_700_000_000.0


def written(time: float) -> str:
    """A time as Nova and Neutron write it."""
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%dT%H:%M:%SZ}"


MEMORY = CloudMemory(
    projects=frozenset({"a", "b"}),
    source="cloud",
    clocks={"Nova": NOON, "Cinder": NOON},
    newest={
        ResourceKind.SERVER: (Newest(written(NOON - 600), "s1"),),
        ResourceKind.VOLUME: (Newest(written(NOON - 10), "v1"),),
    },
)


@pytest.mark.parametrize(
    ("memory", "projects", "source", "every", "why"),
    [
        (MEMORY, {"b", "a"}, "cloud", 12, ""),
        (MEMORY, {"a", "b"}, "cloud", 1, "full_cloud_read_every is 1"),
        (None, {"a", "b"}, "cloud", 12, "nothing is remembered"),
        (MEMORY, {"a", "b"}, "other", 12, "it is another cloud, or read in another way"),
        (MEMORY, {"a"}, "cloud", 12, "other projects are watched"),
        (MEMORY, {"a", "b", "c"}, "cloud", 12, "other projects are watched"),
        (replace(MEMORY, passes=10), {"a", "b"}, "cloud", 12, ""),
        (replace(MEMORY, passes=11), {"a", "b"}, "cloud", 12, "every 12 passes"),
        (replace(MEMORY, doubt="Heat was silent"), {"a", "b"}, "cloud", 12, "Heat was silent"),
    ],
)
def test_why_the_cloud_is_read_in_full(memory, projects, source, every, why):  # type: ignore[no-untyped-def]
    assert why_full(memory, projects, source, every) == why


@pytest.mark.parametrize(
    ("memory", "kind", "wanted"),
    [
        (MEMORY, ResourceKind.SERVER, NOON - 600),
        (MEMORY, ResourceKind.VOLUME, NOON - OVERLAP),
        (MEMORY, ResourceKind.NETWORK, None),
        (replace(MEMORY, unfiltered=frozenset({"Cinder"})), ResourceKind.VOLUME, None),
        (replace(MEMORY, newest={}), ResourceKind.SERVER, NOON - OVERLAP),
        (
            replace(MEMORY, newest={ResourceKind.SERVER: (Newest(written(NOON - WITNESS_AGE - 1), "s1"),)}),
            ResourceKind.SERVER,
            NOON - OVERLAP,
        ),
        (
            replace(MEMORY, newest={ResourceKind.VOLUME: (Newest(written(NOON - WITNESS_AGE - 1), "v1"),)}),
            ResourceKind.VOLUME,
            NOON - WITNESS_AGE - 1,
        ),
        (replace(MEMORY, newest={ResourceKind.SERVER: (Newest("noon", "s1"),)}), ResourceKind.SERVER, NOON - OVERLAP),
    ],
)
def test_changes_are_asked_for_from_the_newest_one_on_and_always_with_an_overlap(memory, kind, wanted):  # type: ignore[no-untyped-def]
    assert since(memory, kind) == wanted


@pytest.mark.parametrize(
    ("clocks", "doubt"),
    [
        ({"Nova": NOON + 150, "Cinder": NOON + 150}, ""),
        ({"Nova": NOON - 3, "Cinder": NOON - OVERLAP}, ""),
        ({"Nova": NOON - OVERLAP - 1, "Cinder": NOON}, "the clock of Nova has gone back"),
        ({"Nova": NOON + FRESH + 1, "Cinder": NOON}, "the memory of Nova is more than 1 h old"),
        ({"Nova": NOON}, "Cinder sent no time"),
    ],
)
def test_clocks_that_contradict_their_earlier_times(clocks, doubt):  # type: ignore[no-untyped-def]
    assert doubt_of_clocks(MEMORY, clocks) == doubt


@pytest.mark.parametrize(
    ("changes", "is_believed"),
    [
        (Changes({"s1": 1}), True),
        (Changes({}, frozenset({"s1"})), True),
        (Changes({"s2": 1}), False),
        (Changes({}), False),
        (Changes({"s2": 1}, is_whole=True), True),
    ],
)
def test_a_response_without_a_change_that_was_listed_before_is_not_believed(changes, is_believed):  # type: ignore[no-untyped-def]
    assert (doubt_of_answer(MEMORY, ResourceKind.SERVER, changes) == "") is is_believed


def test_more_than_a_fifth_is_as_dear_as_a_full_listing_but_a_few_never_are() -> None:
    many = Changes(dict.fromkeys(map(str, range(FEW))), frozenset({"gone"}))
    assert is_dear(FEW * 5, many)
    assert not is_dear((FEW + 1) * 5, many)
    assert not is_dear(1, Changes(dict.fromkeys(map(str, range(FEW)))))
    assert not is_dear(FEW * 5, replace(many, is_whole=True))


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2023-11-14T22:13:20Z", NOON),
        ("2023-11-14T22:13:20", NOON),
        ("2023-11-14T22:13:20.500000", NOON + 0.5),
        ("2023-11-14T23:13:20+01:00", NOON),
        ("", None),
        ("yesterday", None),
    ],
)
def test_times_as_services_write_them(text, time):  # type: ignore[no-untyped-def]
    assert unix_time(text) == time


IDS = st.sampled_from("abcdef")
THINGS = st.dictionaries(IDS, st.integers())


@given(THINGS, THINGS, st.frozensets(IDS))
def test_only_what_is_called_deleted_is_left_out(known, found, deleted):  # type: ignore[no-untyped-def]
    after = merged(known, Changes(found, deleted))
    assert known.keys() - after.keys() <= deleted
    assert all(after[item] == found.get(item, known.get(item)) for item in after)


@given(THINGS, THINGS)
def test_a_whole_listing_takes_the_place_of_what_was_known(known, found):  # type: ignore[no-untyped-def]
    assert merged(known, Changes(found, is_whole=True)) == found


STEPS = st.sampled_from([0.0, 0.4, 10.0, 49.0, 150.0])
LATE = st.sampled_from([0.0, 1.0, 50.0])
SKEW = st.sampled_from([-3.0, 0.0, 3.0])


@given(st.data())
def test_every_listed_change_is_seen_however_late_it_is_committed(data: st.DataObject) -> None:
    """A service with hosts whose clocks differ by 3 s, and changes that are committed up to 50 s after their time.

    What has been committed when a reading begins is known after it.
    """
    now = NOON
    visible: dict[str, tuple[float, int]] = {}
    """By id the time and the value that are in the database."""
    under_way: list[tuple[float, float, str, int | None]] = []
    """When each is committed, its time, its object and its new value (None: deleted)."""
    gone: dict[str, float] = {}
    known: dict[str, int] = {}
    memory = CloudMemory(clocks={"Nova": now})
    number = 0
    for _ in range(data.draw(st.integers(1, 12))):
        now += data.draw(STEPS)
        for _ in range(data.draw(st.integers(0, 4))):
            number += 1
            value = None if data.draw(st.integers(0, 3)) == 0 else number
            time = now + data.draw(SKEW)
            under_way.append((now + data.draw(LATE), time, data.draw(IDS), value))
        now += data.draw(STEPS)
        for change in sorted((each for each in under_way if each[0] <= now), key=itemgetter(0)):
            under_way.remove(change)
            _, time, item, value = change
            if value is None:
                if item in visible:
                    gone[item] = time
                    del visible[item]
            elif item not in gone:
                visible[item] = (time, value)
        asked = since(memory, ResourceKind.SERVER)
        assert asked is not None
        changed = {item: value for item, (time, value) in visible.items() if int(time) >= int(asked)}
        deleted = frozenset(item for item, time in gone.items() if int(time) >= int(asked))
        newest = [Newest(written(visible[item][0]), item) for item in changed]
        newest += [Newest(written(gone[item]), item) for item in deleted]
        changes = Changes(changed, deleted, latest(newest))
        if visible or gone:
            assert doubt_of_answer(memory, ResourceKind.SERVER, changes) == ""
        known = merged(known, changes)
        assert known == {item: value for item, (_, value) in visible.items()}
        clock = now + data.draw(SKEW)
        assert doubt_of_clocks(memory, {"Nova": clock}) == ""
        witnesses = newest_after(memory, ResourceKind.SERVER, changes)
        memory = replace(memory, clocks={"Nova": clock}, newest={ResourceKind.SERVER: witnesses})
