"""Cold, warm and churn: what one pass of `bulk --once` costs."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import fake_processes
from .bare import concertim_client
from .fake_processes import FakeProcess
from .figures import MB, Figure, Result, Target
from .installation import CLOUD_CONCURRENCY, CONCURRENCY, Installation, Size, Traffic, Watch
from .programs import Cost, bare
from .script import script_of

SHOWN, RESOURCES = "", "/resources?nested_depth=5"
"""What Heat is asked for each stack, below the stack's own path."""
FULL = ("teams", "templates", "racks", "devices")
STRUCTURE = ("teams", "templates", "racks", "irv/racks")
CHURN = 0.01
"""The part of the servers that has changed in the churn scenario."""
_PER_STACK_OR_SERVER = ("/resources", "/stacks/{name}/{id}", "/servers/{id}", "/volumes/{id}", "/networks/{id}")


@dataclass(frozen=True, slots=True)
class Run:
    """A pass or its floor, and what reached the fakes."""

    cost: Cost
    traffic: Traffic


def cold(size: Size) -> Result:
    """Everything is new to an empty Concertim."""
    with Installation(size) as installation:
        _render(installation)
        installation.slow()
        run = _watched(installation.fakes, installation.bulk)
        recorded = installation.concertim.requests()
        slow, fast = (_cold_floor(installation, recorded, latency) for latency in (size.latency, 0.0))
    figures = [
        Figure("wall", run.cost.wall, "s", slow.cost.wall, Target(1.3, of_floor=True)),
        *_costs(size, run, slow, fast),
        Figure("requests", run.traffic.requests, floor=slow.traffic.requests),
        Figure("writes", run.traffic.writes, floor=slow.traffic.writes),
        Figure("CPU a write", run.cost.cpu / run.traffic.writes * 1e3, "ms", target=Target(0.5)),
    ]
    return Result("cold", str(size), figures, run.traffic.counts, slow.traffic.counts)


def warm(installation: Installation, repeat: int) -> Result:
    """Nothing has changed since the last pass."""
    size = installation.size
    installation.slow()
    runs, asking, pages = [], [], []
    for _ in range(repeat):
        runs.append(_watched(installation.fakes, installation.bulk))
        asking.append(_floor(installation, (RESOURCES,), STRUCTURE))
        pages.append(_floor(installation, (), STRUCTURE))
    installation.slow(0.0)
    fast = _floor(installation, (RESOURCES,), STRUCTURE)
    run, floor, least = _middle(runs), _middle(asking), _middle(pages)
    single = sum(run.traffic.of(kind) for kind in _PER_STACK_OR_SERVER)
    figures = [
        Figure("wall, floor asks Heat once a stack", run.cost.wall, "s", floor.cost.wall, Target(0.25, of_floor=True)),
        Figure("wall, floor asks for pages only", run.cost.wall, "s", least.cost.wall),
        *_costs(size, run, floor, fast),
        Figure("CPU a server", run.cost.cpu / size.servers * 1e6, "µs", target=Target(150)),
        Figure("requests", run.traffic.requests, floor=least.traffic.requests),
        Figure("requests for one stack or object", single, target=Target(0)),
        Figure("GET /devices", run.traffic.counts["concertim", "GET", "/api/v1/devices"], target=Target(0)),
        Figure("writes", run.traffic.writes, target=Target(0)),
    ]
    return Result("warm", str(size), figures, run.traffic.counts, least.traffic.counts)


def churn(installation: Installation, repeat: int) -> Result:
    """One percent of the servers has been started or stopped since the last pass."""
    size = installation.size
    changed = max(1, round(size.servers * CHURN))
    installation.slow()
    installation.bulk()
    still = _watched(installation.fakes, installation.bulk)
    installation.concertim.keep_requests(True)
    runs, floors = [], []
    patches: list[tuple[str, object]] = []
    for _ in range(repeat):
        installation.openstack.churn(changed)
        runs.append(_watched(installation.fakes, installation.bulk))
        patches = _patches(installation)
        floors.append(_floor(installation, (), STRUCTURE, patches=patches))
    installation.slow(0.0)
    fast = _floor(installation, (), STRUCTURE, patches=patches)
    installation.concertim.keep_requests(False)
    run, floor = _middle(runs), _middle(floors)
    beyond = run.traffic.requests - still.traffic.requests
    figures = [
        Figure("wall, floor asks for pages only", run.cost.wall, "s", floor.cost.wall, Target(0.5, of_floor=True)),
        *_costs(size, run, floor, fast),
        Figure("requests", run.traffic.requests, floor=floor.traffic.requests),
        Figure("requests beyond a warm pass's", beyond, floor=changed),
        Figure("writes", run.traffic.writes, floor=changed, target=Target(1.0, of_floor=True)),
    ]
    words = f"{size}; {changed:,} servers changed"
    return Result("churn", words, figures, run.traffic.counts, floor.traffic.counts)


def filled(size: Size) -> Installation:
    """An installation after a first pass: Concertim holds everything, and the view knows it."""
    installation = Installation(size)
    try:
        installation.keep_requests(False)
        _render(installation)
        installation.bulk()
    except BaseException:
        installation.close()
        raise
    return installation


def _render(installation: Installation) -> None:
    """Has the fake make its JSON of every object, which it keeps: nobody measured shall wait for that."""
    _floor(installation, (SHOWN, RESOURCES), ())


def _cold_floor(installation: Installation, recorded: Sequence[Mapping[str, Any]], latency: float) -> Run:
    """The reading, and what the pass has created, against an empty Concertim of its own."""
    with (
        fake_processes.concertim(installation.projects) as fresh,
        tempfile.NamedTemporaryFile("w", prefix="script-") as file,
    ):
        client = concertim_client(installation.concertim.ready["concertim"])
        json.dump(script_of(recorded, client, concertim_client(fresh.ready["concertim"])), file)
        file.flush()
        for fake in (installation.openstack, fresh):
            fake.set_latency(latency)
        return _floor(installation, (SHOWN, RESOURCES), FULL, concertim=fresh, script=file.name)


def _floor(
    installation: Installation,
    per_stack: Sequence[str],
    listings: Sequence[str],
    concertim: FakeProcess | None = None,
    **more: object,
) -> Run:
    task = installation.task(
        concertim,
        per_stack=per_stack,
        listings=listings,
        cloud_concurrency=CLOUD_CONCURRENCY,
        concurrency=CONCURRENCY,
        **more,
    )
    return _watched((installation.openstack, concertim or installation.concertim), lambda: bare("floor", task))


def _watched(both: Sequence[FakeProcess], run: Callable[[], Cost]) -> Run:
    watch = Watch(both)
    cost = run()
    return Run(cost, watch.traffic())


def _patches(installation: Installation) -> list[tuple[str, object]]:
    """What the last pass has changed in Concertim."""
    return [(item["path"], item["body"]) for item in installation.concertim.requests() if item["method"] == "PATCH"]


def _middle(runs: Sequence[Run]) -> Run:
    """The run of the median wall."""
    return sorted(runs, key=lambda run: run.cost.wall)[len(runs) // 2]


def _costs(size: Size, run: Run, floor: Run, fast: Run) -> list[Figure]:
    """What every pass is asked, and what tells whether the fakes were in the way."""
    cpu, floor_cpu = run.traffic.cpu, floor.traffic.cpu
    return [
        Figure("wall of the floor without latency", fast.cost.wall, "s"),
        Figure("CPU", run.cost.cpu, "s", floor.cost.cpu),
        Figure("CPU of the OpenStack fake", cpu["openstack"], "s", floor_cpu["openstack"]),
        Figure("CPU of the Concertim fake", cpu["concertim"], "s", floor_cpu["concertim"]),
        Figure("peak memory", run.cost.peak / MB, "MB", floor.cost.peak / MB, Target(_memory(size.servers))),
    ]


def _memory(servers: int) -> float:
    """The MB that a pass may take: 150 up to 10,000 servers, from there a straight line to 900 at 100,000."""
    return 150.0 + 750.0 * max(0, servers - 10_000) / 90_000
