"""Views to save and load: a hand-written one, and any possible one."""

from __future__ import annotations

from hypothesis import strategies as st

from cos_update.model.concertim import (
    OBJECT_ID,
    STACK_ID,
    Actual,
    ApiFlavour,
    Device,
    InstanceDetails,
    Location,
    NetworkDetails,
    Owner,
    Rack,
    Template,
    VolumeDetails,
)
from cos_update.model.kinds import ResourceKind
from cos_update.model.openstack import Output, Project, RememberedStack, StackContent
from cos_update.store import JournalEntry, Origin, View


def rack(key: str = "1", name: str = "web", status: str = "ACTIVE") -> Rack:
    return Rack(key, name, "7", 42, status, metadata={STACK_ID: f"stack-{key}"})


def device(key: str = "11", name: str = "web-1", rack_id: str = "1", status: str = "ACTIVE") -> Device:
    return Device(
        key,
        name,
        ResourceKind.SERVER,
        rack_id,
        "3",
        status,
        Location(1, 2),
        InstanceDetails(private_ips="10.0.0.4"),
        metadata={OBJECT_ID: f"server-{key}"},
    )


def view() -> View:
    return View(
        actual=Actual(
            began=100.0,
            owners={"7": Owner("7", "blue", "p1")},
            templates={"3": Template("3", "m1.small", 1, "flavor-1", 1, 2048, 20)},
            racks={"1": rack()},
            devices={"11": device()},
        ),
        projects={"p1": Project("p1", "blue")},
        origins={
            "stack-1": Origin(ResourceKind.STACK, "Web!", "CREATE_COMPLETE", "p1", ""),
            "server-11": Origin(ResourceKind.SERVER, "web_1 (blue)", "active", "p1", "stack-1"),
        },
        stacks={
            "stack-1": RememberedStack(
                "CREATE_COMPLETE", None, StackContent(servers=("server-11",), outputs=(Output("ip", ["10.0.0.4"]),))
            )
        },
        cloud_read_at=90.0,
        concertim_read_at=100.0,
        gaps=("Cinder could not be read: 503",),
    )


def large_view(devices: int) -> View:
    """A view of that many devices, twenty in a rack."""
    racks = {str(n): rack(str(n)) for n in range(devices // 20)}
    return View(
        actual=Actual(
            began=1.0,
            racks=racks,
            devices={str(n): device(str(n), f"node-{n}", str(n // 20)) for n in range(devices)},
        ),
        origins={
            f"server-{n}": Origin(ResourceKind.SERVER, f"node-{n}", "active", "p1", f"stack-{n // 20}")
            for n in range(devices)
        },
    )


def journal_entry(by: str = "listen", **changed: object) -> JournalEntry:
    return JournalEntry(seq=0, by=by, at=0.0, cloud_read_at=95.0, stack_id="stack-1", **changed)  # type: ignore[arg-type]


_text = st.text(max_size=8)
_number = st.floats(min_value=0, max_value=1e12)
_count = st.integers(0, 2**40)
_flag = st.none() | st.booleans()
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | _text, lambda inner: st.lists(inner) | st.dictionaries(_text, inner)
)
_metadata = st.dictionaries(_text | st.sampled_from([STACK_ID, OBJECT_ID]), _json, max_size=3)
_details = st.one_of(
    st.tuples(st.just(ResourceKind.SERVER), st.builds(InstanceDetails, _text, _text, _text, _text, _json)),
    st.tuples(
        st.just(ResourceKind.VOLUME), st.builds(VolumeDetails, _text, _flag, _flag, _flag, st.none() | _count, _text)
    ),
    st.tuples(
        st.just(ResourceKind.NETWORK),
        st.builds(NetworkDetails, _flag, _text, _flag, st.none() | _count, _flag, _flag, _text),
    ),
)
_device = st.builds(
    lambda typed, location, name, metadata: Device(
        "1", name, typed[0], "2", "3", "ACTIVE", location, typed[1], "", metadata
    ),
    _details,
    st.builds(Location, st.integers(1, 72), st.integers(1, 72), st.sampled_from("fb")),
    _text,
    _metadata,
)
_some = st.none() | _count
_content = st.builds(
    StackContent,
    servers=st.lists(_text, max_size=2).map(tuple),
    outputs=st.none() | st.lists(st.builds(Output, _text, _json, _text), max_size=2).map(tuple),
    whole=st.booleans(),
)


def _by_id(records: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    return st.dictionaries(_text, records, max_size=3)


views = st.builds(
    View,
    actual=st.builds(
        Actual,
        began=_number,
        flavour=st.sampled_from(ApiFlavour),
        owners=_by_id(st.builds(Owner, _text, _text, _text)),
        templates=_by_id(
            st.builds(Template, _text, _text, _count, _text, _some, _some, _some, _text, st.none() | _text)
        ),
        racks=_by_id(st.builds(Rack, _text, _text, _text, _count, _text, _metadata, _metadata, _text, _text)),
        devices=_by_id(_device),
    ),
    projects=_by_id(st.builds(Project, _text, _text)),
    origins=_by_id(st.builds(Origin, st.sampled_from(ResourceKind), _text, _text, _text, _text)),
    stacks=_by_id(st.builds(RememberedStack, _text, st.none() | _text, _content)),
    cloud_read_at=_number,
    concertim_read_at=_number,
    concertim_full_read_at=_number,
    passes_since_full=_count,
    passes_since_membership=_count,
    gaps=st.lists(_text, max_size=2).map(tuple),
    journal_seq=_count,
)
