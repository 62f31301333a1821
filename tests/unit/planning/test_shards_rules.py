"""What a machine plans that shares the projects with others: its own part, whatever it knows of the rest."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import LARGE, SMALL, cloud, concertim, plan, rack, reasons, removed, words

from cos_update.model.concertim import Owner, Template
from cos_update.model.shards import Shards, shard_of
from cos_update.planning.deletions import Scope
from cos_update.planning.planner import Rules

PRUNE = Rules(prune_unwatched=True)
OURS = Shards(frozenset({shard_of("p-a", 6)}), 6)
THEIRS = Shards(frozenset(range(6)) - OURS.held, 6)


def test_every_project_is_of_exactly_one_shard() -> None:
    for project in ("p-a", "p-b", "", "0f3c", "ä"):
        assert sum(Shards(frozenset({n}), 6).covers(project) for n in range(6)) == 1
        assert Shards(frozenset(range(6)), 6).covers(project)


def test_which_shard_a_project_is_of_never_changes() -> None:
    """Machines of different releases, and queues that hold messages, depend on it."""
    assert [shard_of(project, 6) for project in ("p-a", "p-b", "")] == [5, 5, 0]


@pytest.mark.parametrize(("shards", "gone"), [(OURS, ["rack", "instance"]), (THEIRS, [])])
def test_a_rack_of_a_project_that_is_no_longer_watched_is_pruned_by_whose_it_is(
    shards: Shards, gone: list[str]
) -> None:
    inventory = cloud(watched=("p-b",))
    found = plan(inventory, concertim(rack("s1", "i1")), rules=PRUNE, scope=Scope(shards=shards))
    assert len(removed(found)) == len(gone)


def test_racks_of_other_shards_are_left_alone_whatever_is_missing_of_their_stacks() -> None:
    found = plan(cloud(), concertim(rack("s1", "i1"), rack("s2", "i2")), scope=Scope(shards=THEIRS))
    assert found.actions == ()
    assert reasons(found) == ""


def test_a_template_keeps_its_name_while_only_some_flavors_are_known() -> None:
    """Two machines that each know one of two flavors of one name would take turns else."""
    theirs = Template("t-theirs", "m1.large", 4, "theirs", 8, 8192, 80)
    actual = concertim()
    actual = replace(actual, templates={**actual.templates, theirs.id: theirs})
    inventory = cloud(flavors=(SMALL, LARGE))
    alone = [words(action) for action in plan(inventory, actual).templates]
    shared = [words(action) for action in plan(inventory, actual, scope=Scope(shards=OURS)).templates]
    assert any(action.startswith("update template m1.large") for action in alone)
    assert len(shared) == 1
    assert shared[0].startswith("create template m1.large-")


def test_what_belongs_to_no_project_is_removed_by_the_machine_with_the_first_shard_alone() -> None:
    gone = Template("t-gone", "m1.gone", 1, "gone", 1, 512, 10)
    actual = concertim()
    actual = replace(actual, templates={**actual.templates, gone.id: gone})
    first, others = Shards(frozenset({0}), 6), Shards(frozenset(range(1, 6)), 6)
    assert removed(plan(cloud(), actual, scope=Scope(shards=first))) == ["template m1.gone"]
    assert removed(plan(cloud(), actual, scope=Scope(shards=others))) == []


def test_what_would_be_too_many_removals_is_counted_in_its_own_part() -> None:
    """Eleven of fifty are few; but they are all that this machine has."""
    ours = [rack(f"s{n}") for n in range(11)]
    owner = next(owner for owner in ("o-x", "o-y", "o-z") if not OURS.covers(owner))
    others = [rack(f"t{n}", owner_id=owner) for n in range(39)]
    actual = concertim(*ours, *others)
    actual = replace(actual, owners={**actual.owners, owner: Owner(owner, "theirs", owner)})
    found = plan(cloud(watched=("p-a", owner)), actual, scope=Scope(shards=OURS))
    assert removed(found) == []
    assert "11 of 11 managed objects would be removed" in reasons(found)
