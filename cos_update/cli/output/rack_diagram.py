"""Front views of racks: every device at its units, racks side by side as the width allows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest

from rich.cells import cell_len

from cos_update.cli.output.encoding import clean
from cos_update.cli.output.text import STATE_STYLES, cut, fit
from cos_update.model.concertim import MAX_RACK_HEIGHT, Actual, Device, Rack
from cos_update.model.kinds import ResourceKind

Segment = tuple[str, str]
"""A piece of text and its style, "" for none."""
Line = tuple[Segment, ...]

GAP = 3
NARROWEST = 22
COMFORTABLE = 34
"""Minimum width of a rack for another one to be put beside it."""
WIDEST = 48
_FEWEST_FOLDED = 2


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The characters to draw racks with, and whether names may have more than ASCII."""

    unicode: bool
    top: str
    bottom: str
    line: str
    side: str
    fold: str
    dot: str
    ellipsis: str
    healthy: Mapping[ResourceKind, str]
    states: Mapping[str, str]


UNICODE = Glyphs(
    unicode=True,
    top="┌┬┐",
    bottom="└┴┘",
    line="─",
    side="│",
    fold="··",
    dot="·",
    ellipsis="…",
    healthy={ResourceKind.SERVER: "█", ResourceKind.VOLUME: "▤", ResourceKind.NETWORK: "≈"},
    states={"STOPPED": "░", "SUSPENDED": "‖", "IN_PROGRESS": "▒", "FAILED": "✗"},
)
ASCII = Glyphs(
    unicode=False,
    top="+++",
    bottom="+++",
    line="-",
    side="|",
    fold="..",
    dot="-",
    ellipsis="..",
    healthy={ResourceKind.SERVER: "#", ResourceKind.VOLUME: "=", ResourceKind.NETWORK: "~"},
    states={"STOPPED": "o", "SUSPENDED": "z", "IN_PROGRESS": "%", "FAILED": "X"},
)


def draw(actual: Actual, width: int, *, unicode: bool = True) -> Iterator[Line]:
    """All racks by owner and name, in lines of at most `width` columns (at least 22), and a legend."""
    glyphs = UNICODE if unicode else ASCII
    devices: dict[str, list[Device]] = {}
    for device in actual.devices.values():
        devices.setdefault(device.rack_id, []).append(device)
    owners = {owner.id: clean(owner.name, unicode=unicode) for owner in actual.owners.values()}
    racks = sorted(actual.racks.values(), key=lambda rack: (owners.get(rack.owner_id, ""), rack.name, rack.id))
    if not racks:
        yield (("There are no racks.", ""),)
        return
    abreast, room = _layout(len(racks), width)
    for first in range(0, len(racks), abreast):
        blocks = [
            list(_block(rack, owners.get(rack.owner_id, ""), devices.get(rack.id, []), room, glyphs))
            for rack in racks[first : first + abreast]
        ]
        yield from _beside(blocks, room)
        yield ()
    yield from _legend(width, glyphs)


def _layout(count: int, width: int) -> tuple[int, int]:
    """The number of racks side by side, and the width of each."""
    abreast = min(count, max(1, (width + GAP) // (COMFORTABLE + GAP)))
    return abreast, max(NARROWEST, min(WIDEST, (width - GAP * (abreast - 1)) // abreast))


def _beside(blocks: Sequence[Sequence[Line]], room: int) -> Iterator[Line]:
    for lines in zip_longest(*blocks, fillvalue=()):
        joined: list[Segment] = []
        column = 0
        for index, line in enumerate(lines):
            if line:
                joined.append((" " * (index * (room + GAP) - column), ""))
                joined.extend(line)
                column = index * (room + GAP) + sum(cell_len(text) for text, _ in line)
        yield tuple(segment for segment in joined if segment[0])


def _block(rack: Rack, owner: str, devices: Sequence[Device], room: int, glyphs: Glyphs) -> Iterator[Line]:
    yield _title(rack, owner, room, glyphs)
    content = room - 9
    frame = glyphs.line * 4, glyphs.line * (content + 2)
    yield ((glyphs.top[0] + frame[0] + glyphs.top[1] + frame[1] + glyphs.top[2], ""),)
    for label, device, named in _rows(rack, devices, glyphs):
        yield (
            (f"{glyphs.side} {label} {glyphs.side} ", ""),
            *_content(device, named, content, glyphs),
            (f" {glyphs.side}", ""),
        )
    yield ((glyphs.bottom[0] + frame[0] + glyphs.bottom[1] + frame[1] + glyphs.bottom[2], ""),)
    used = {unit for device in devices for unit in _units(device)}
    summary = f"{len(used)}U of {rack.height}U used {glyphs.dot} {len(devices)} device{'s' * (len(devices) != 1)}"
    yield ((cut(summary, room, glyphs.ellipsis), "dim"),)


def _title(rack: Rack, owner: str, room: int, glyphs: Glyphs) -> Line:
    """Name, state and owner; cut from the owner first if there is not enough room."""
    name = cut(clean(rack.name, unicode=glyphs.unicode), room, glyphs.ellipsis)
    rest = room - cell_len(name)
    line: list[Segment] = [(name, "bold")]
    for text, style in ((rack.status, STATE_STYLES.get(rack.status, "")), (owner, "")):
        if text and rest > 5:
            short = cut(clean(text, unicode=glyphs.unicode), rest - 2, glyphs.ellipsis)
            line += [("  ", ""), (short, style)]
            rest -= 2 + cell_len(short)
    return tuple(line)


def _rows(rack: Rack, devices: Sequence[Device], glyphs: Glyphs) -> Iterator[tuple[str, Device | None, bool]]:
    """From the top: the unit's label, the device in it, and whether this is the device's top unit.

    A unit that several devices claim has a row for each; runs of empty units are folded into one row.
    """
    at: dict[int, list[Device]] = {}
    for device in sorted(devices, key=lambda found: (found.location.start_u, found.id)):
        for unit in _units(device):
            at.setdefault(unit, []).append(device)
    units = range(max([min(rack.height, MAX_RACK_HEIGHT), *at]), min([0, *(unit - 1 for unit in at)]), -1)
    for occupied, run in groupby(units, key=lambda unit: unit in at):
        members = list(run)
        if not occupied and len(members) >= _FEWEST_FOLDED:
            yield glyphs.fold, None, False
            continue
        for unit in members:
            for device in at.get(unit, ()):
                yield f"{unit:2}", device, unit == device.location.end_u
            if not occupied:
                yield f"{unit:2}", None, False


def _units(device: Device) -> range:
    """The units that the device occupies, within the largest possible rack."""
    return range(max(device.location.start_u, 0), min(device.location.end_u, MAX_RACK_HEIGHT) + 1)


def _content(device: Device | None, named: bool, width: int, glyphs: Glyphs) -> Line:
    if device is None:
        return ((" " * width, ""),)
    style = STATE_STYLES.get(device.status, "")
    sign = glyphs.states.get(device.status) or glyphs.healthy[device.kind]
    if not named:
        return (sign, style), (" " * (width - 1), "")
    state = clean(device.status, unicode=glyphs.unicode)
    if cell_len(state) > width - 9:
        state = ""  # the sign shows it, and the name needs the room
    name = fit(
        clean(device.name, unicode=glyphs.unicode), width - 2 - (cell_len(state) + 1 if state else 0), glyphs.ellipsis
    )
    return (sign, style), (f" {name}", ""), (f" {state}" if state else "", style)


def _legend(width: int, glyphs: Glyphs) -> Iterator[Line]:
    signs = [f"{sign} {kind.label}" for kind, sign in glyphs.healthy.items()]
    signs += [f"{sign} {state.lower().replace('_', ' ')}" for state, sign in glyphs.states.items()]
    yield from (((text, "dim"),) for text in _filled(signs, width))


def _filled(words: Iterable[str], width: int) -> Iterator[str]:
    line = ""
    for word in words:
        if line and len(line) + 2 + len(word) > width:
            yield line
            line = ""
        line = f"{line}  {word}" if line else word
    yield line
