"""The listener's state of Concertim, whatever it receives."""

from __future__ import annotations

from dataclasses import replace

from cos_update.listener.index import StateIndex, attached
from cos_update.model.concertim import (
    OBJECT_ID,
    STACK_ID,
    Actual,
    Device,
    InstanceDetails,
    Location,
    Owner,
    Rack,
    Template,
)
from cos_update.model.kinds import ResourceKind
from cos_update.store import JournalEntry

OWNER = Owner("t1", "Team", "p1")
RACK = Rack("r1", "alpha", "t1", 42, "ACTIVE", {STACK_ID: "s1"})
DETAILS = InstanceDetails(volume_details=[{"id": "v1", "name": "data", "size": 1}])


def device(number: int, rack: str = "r1", object_id: str = "") -> Device:
    metadata = {OBJECT_ID: object_id or f"o{number}"}
    return Device(
        f"d{number}", f"n{number}", ResourceKind.SERVER, rack, "m1", "ACTIVE", Location(number, number), DETAILS,
        metadata=metadata,
    )  # fmt: skip


def index() -> StateIndex:
    return StateIndex(
        Actual(0.0, owners={"t1": OWNER}, racks={"r1": RACK}, devices={"d1": device(1), "d2": device(2)}), seq=5
    )


def journal_entry(seq: int, **records: object) -> JournalEntry:
    return JournalEntry(seq, "bulk", 0.0, 0.0, "s1", **records)  # type: ignore[arg-type]


def test_objects_have_the_home_that_their_rack_says() -> None:
    known = index()
    assert (known.home("o1"), known.home("o9"), known.project_of("s1")) == ("s1", "", "p1")
    assert known.sizes("p1") == {ResourceKind.SERVER: 2}
    assert known.managed() == 3


def test_postings_are_taken_in_once_and_in_order() -> None:
    known = index()
    moved = replace(device(1), status="STOPPED")
    known.take([journal_entry(6, devices={"d1": moved, "d2": None}), journal_entry(5, devices={"d1": None})])
    assert known.devices("s1") == {"o1": moved}
    assert (known.home("o2"), known.seq) == ("", 6)


def test_a_rack_that_goes_takes_its_devices_along() -> None:
    known = index()
    known.take([journal_entry(6, racks={"r1": None})])
    assert (known.has_rack("s1"), known.home("o1"), known.managed()) == (False, "", 0)


def test_a_device_may_come_before_its_rack() -> None:
    known = StateIndex(Actual(0.0, owners={"t1": OWNER}))
    known.take([journal_entry(1, devices={"d1": device(1)}), journal_entry(2, racks={"r1": RACK})])
    assert known.home("o1") == "s1"


def test_a_device_that_is_made_anew_keeps_its_home() -> None:
    known = index()
    known.take([journal_entry(6, devices={"d3": device(3, object_id="o1"), "d1": None})])
    assert known.home("o1") == "s1"


def test_a_rack_seen_replaces_all_that_was_known_of_it() -> None:
    known = index()
    known.see_rack("r1", (RACK, (device(2),)))
    assert set(known.devices("s1")) == {"o2"}
    known.see_rack("r1", None)
    assert not known.has_rack("s1")


def test_shells_bring_new_racks_and_take_away_those_that_are_gone() -> None:
    known = index()
    other = replace(RACK, id="r2", metadata={STACK_ID: "s2"})
    known.see_shells([OWNER], [Template("m1", "m1", 1, foreign_id="f1")], [other])
    assert (known.has_rack("s1"), known.has_rack("s2"), known.home("o1"), known.flavors()) == (False, True, "", {"f1"})


def test_a_part_holds_the_racks_asked_for_with_their_devices_and_others_bare() -> None:
    known = index()
    known.take(
        [
            journal_entry(
                6, racks={"r2": replace(RACK, id="r2", metadata={STACK_ID: "s2"})}, devices={"d9": device(9, "r2")}
            )
        ]
    )
    alone, among = known.part(["s1"], alone=True), known.part(["s1"], alone=False)
    assert (set(alone.racks), set(alone.devices)) == ({"r1"}, {"d1", "d2"})
    assert (set(among.racks), set(among.devices)) == ({"r1", "r2"}, {"d1", "d2"})


def test_the_volumes_of_an_instance_are_those_that_its_details_name() -> None:
    assert attached(device(1)) == {"v1"}
    assert attached(replace(device(1), details=InstanceDetails(volume_details="odd"))) == frozenset()


def test_a_floating_ip_leads_to_the_server_that_is_shown_with_it() -> None:
    details = InstanceDetails(public_ips="net:a:203.0.113.7, net:203.0.113.70")
    known = StateIndex(Actual(0.0, racks={"r1": RACK}, devices={"d1": replace(device(1), details=details)}))
    assert [known.server_at(ip) for ip in ("203.0.113.70", "203.0.113.7", "203.0.113.1", "")] == ["o1", "o1", "", ""]
