"""The view as tables: cut to fit a terminal, in full for pipes and files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from cos_update.cli.output.encoding import clean
from cos_update.cli.output.text import STATE_STYLES
from cos_update.model.concertim import Device, Location
from cos_update.store import View

Row = tuple[str, ...]
Contents = tuple[Mapping[str, str], Sequence[Row]]
"""Columns and their types, and the rows in order."""
NAME, ID, NUMBER, WORD = "name", "id", "number", "word"
"""Column types. On a terminal ids are cut to eight characters; if it is too narrow, columns are dropped from the
right, then names are cut. Numbers and words are never cut."""
_GAP = 2
_SHORT_ID = 8
_SHORTEST_NAME = 8
_USEFUL_NAME = 16
"""The width at which most names can be told apart: ids are dropped before names get narrower."""


def show(console: Console, view: View, kinds: Sequence[str], *, wide: bool = False) -> None:
    """Prints one table for each kind: owners, templates, racks, devices; without cuts if `wide`."""
    room = console.width if console.is_terminal and not wide else None
    for index, kind in enumerate(kinds):
        columns, rows = _TABLES[kind](view)
        if index:
            console.print()
        console.print(Text(f"{kind} ({len(rows)})", "bold"))
        unicode = console.encoding.startswith("utf")
        shown = [tuple(clean(cell, unicode=unicode) for cell in row) for row in rows]
        console.print(_table(columns, shown, room))


def _table(columns: Mapping[str, str], rows: Sequence[Row], room: int | None) -> Table:
    """The whole table, or with `room` as much as fits that many columns of a terminal."""
    cells: list[tuple[str, ...]] = list(zip(*rows, strict=True)) or [() for _ in columns]
    widths = {header: max(map(cell_len, (header, *column))) for header, column in zip(columns, cells, strict=True)}
    if room is not None:
        widths = _squeezed(columns, widths, room)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="dim")
    for header, width in widths.items():
        justify: JustifyMethod = "right" if columns[header] == NUMBER else "left"
        table.add_column(header, width=width, no_wrap=True, overflow="ellipsis", justify=justify)
    shown = [
        tuple(cell[:_SHORT_ID] for cell in column) if room is not None and columns[header] == ID else column
        for header, column in zip(columns, cells, strict=True)
        if header in widths
    ]
    for row in zip(*shown, strict=True):
        table.add_row(*(Text(cell, STATE_STYLES.get(cell, "")) for cell in row))
    return table


def _squeezed(columns: Mapping[str, str], widths: Mapping[str, int], room: int) -> dict[str, int]:
    """The columns that fit, and their widths."""
    found = {
        header: min(width, max(_SHORT_ID, len(header))) if columns[header] == ID else width
        for header, width in widths.items()
    }
    names = [header for header in found if columns[header] == NAME]

    def excess(longest: int | None = None) -> int:
        needs = (min(width, longest) if longest and header in names else width for header, width in found.items())
        return sum(needs) + _GAP * (len(found) - 1) - room

    for header in list(found)[:0:-1]:
        if excess(_USEFUL_NAME if columns[header] == ID else _SHORTEST_NAME) > 0:
            del found[header]
    names = [header for header in names if header in found]
    while excess() > 0:
        widest = max(names, key=found.__getitem__)
        if found[widest] <= 1:
            break
        found[widest] -= 1
    return found


def _owners(view: View) -> Contents:
    projects = {project.id: project.name for project in view.projects.values()}
    rows = [
        (owner.name, projects.get(owner.project_id, ""), owner.project_id, owner.id)
        for owner in sorted(view.actual.owners.values(), key=lambda owner: (owner.name, owner.id))
    ]
    return {"owner": NAME, "project": NAME, "project id": ID, "id": ID}, rows


def _templates(view: View) -> Contents:
    rows = [
        (
            item.name,
            f"{item.height}U",
            _number(item.vcpus),
            _number(item.ram),
            _number(item.disk),
            item.foreign_id or item.tag or "",
            item.id,
        )
        for item in sorted(view.actual.templates.values(), key=lambda item: (item.name, item.id))
    ]
    columns = {
        "template": NAME, "height": NUMBER, "vcpus": NUMBER, "MiB": NUMBER, "GiB": NUMBER, "flavor": ID, "id": ID
    }  # fmt: skip
    return columns, rows


def _racks(view: View) -> Contents:
    held = Counter(device.rack_id for device in view.actual.devices.values())
    owners = view.actual.owners
    rows = [
        (
            rack.name,
            rack.status,
            f"{rack.height}U",
            str(held[rack.id]),
            owners[rack.owner_id].name if rack.owner_id in owners else "",
            rack.stack_id,
            rack.id,
        )
        for rack in sorted(view.actual.racks.values(), key=lambda rack: (rack.name, rack.id))
    ]
    columns = {
        "rack": NAME, "status": WORD, "height": NUMBER, "devices": NUMBER, "owner": NAME, "stack": ID, "id": ID
    }  # fmt: skip
    return columns, rows


def _devices(view: View) -> Contents:
    racks = view.actual.racks

    def place(device: Device) -> tuple[str, str, int, str]:
        name = racks[device.rack_id].name if device.rack_id in racks else ""
        return name, device.rack_id, -device.location.end_u, device.id

    rows = [
        (
            racks[device.rack_id].name if device.rack_id in racks else "",
            device.name,
            _units(device.location),
            device.status,
            device.kind.label,
            *_origin(view, device),
            device.id,
        )
        for device in sorted(view.actual.devices.values(), key=place)
    ]
    columns = {
        "rack": NAME, "device": NAME, "units": WORD, "status": WORD, "type": WORD,
        "in OpenStack": WORD, "os id": ID, "id": ID,
    }  # fmt: skip
    return columns, rows


def _origin(view: View, device: Device) -> Iterator[str]:
    origin = view.origins.get(device.object_id)
    yield origin.state if origin else ""
    yield device.object_id


def _units(location: Location) -> str:
    """The units of a location as text: U3 or U3-U5."""
    if location.start_u == location.end_u:
        return f"U{location.start_u}"
    return f"U{location.start_u}-U{location.end_u}"


def _number(value: int | None) -> str:
    return "" if value is None else str(value)


_TABLES: Mapping[str, Callable[[View], Contents]] = {
    "owners": _owners,
    "templates": _templates,
    "racks": _racks,
    "devices": _devices,
}
