"""Random histories of several machines on one Concertim: killed, stopped, cut off, added and removed, all at once.

After each history everything is as it should be again, nothing was made twice, and every write was made by the machine
that held its shard at that moment.
"""

from __future__ import annotations

import re
import time
from itertools import groupby

from clusters import Cluster
from faults import change, faults, find_all, go_on, heal_broker
from machines import Holding
from passes import one_pass
from sites import is_true, writer

from cos_update.fakes.wire import Recorded
from cos_update.model.shards import shard_of

SETTLED = 50
"""Leases within which a history must have settled, once nothing fails any more."""
LOGGED_LATE = 0.3
"""Seconds by which the line about a lease may come after the first write under it."""
LOOK = 0.1
QUIET = 1.5
"""Seconds without a write that tell nothing is left to do, where no pass tells it."""


def history(of: Cluster, steps: int) -> None:
    """One history. Raises AssertionError when it does not settle."""
    of.told.clear()
    of.world.concertim.wire.reset()
    possible = faults(of)
    for _ in range(steps):
        of.world.concertim.wire.latency = of.rng.choice((0.0, 0.05, 0.1))
        machine, fault = of.rng.choice(of.machines), of.rng.choice(possible)
        of.told.append(f"{fault.__name__} {machine.name}")
        fault(of, machine)
        for _ in range(of.rng.randint(0, 6)):
            change(of)
        of.tell()
        time.sleep(of.rng.choice((0.0, 0.1, 0.3, 0.6, of.lease * 0.5, of.lease * 1.2)))
    of.world.concertim.wire.latency = 0.0
    of.engine.heal()
    heal_broker(of)
    for machine in of.machines:
        find_all(of, machine)
        go_on(of, machine)
    of.tell()
    settle(of)
    check_writers(of)
    check_made_once(of)


def settle(of: Cluster) -> None:
    """Concertim comes to show the cloud, and then nobody writes any more."""
    deadline = time.monotonic() + SETTLED * of.lease
    while not (_rests(of, deadline) and is_true(of.world)):
        assert time.monotonic() < deadline, f"not settled: {_state(of)}"
        time.sleep(LOOK)


def _state(of: Cluster) -> str:
    machines = ", ".join(f"{m.name} ({'+'.join(m.running())}) holds {sorted(m.held())}" for m in of.machines)
    return f"{machines}; Concertim {'shows' if is_true(of.world) else 'does not show'} the cloud"


def _rests(of: Cluster, deadline: float) -> bool:
    """Whether every shard is held, and two more passes of each machine that holds one write nothing."""
    began, before = time.monotonic(), _writes(of)
    passes = {machine.name: machine.passes() for machine in of.machines}
    while time.monotonic() < deadline:
        if _writes(of) != before:
            return False
        holders = [machine for machine in of.machines if machine.held()]
        is_held = set().union(*(machine.held() for machine in holders)) == set(range(of.shards))
        have_passed = all(machine.passes() > passes[machine.name] + 1 for machine in holders if "bulk" in machine.roles)
        if is_held and have_passed and time.monotonic() - began > QUIET:
            return True
        time.sleep(LOOK)
    return False


def _writes(of: Cluster) -> int:
    return len(of.world.writes())


def check_writers(of: Cluster) -> None:
    """Every write to a rack was made by the machine that had taken its shard last, and not handed it over since."""
    said = of.holdings()
    by_shard = {
        shard: list(group) for shard, group in groupby(sorted(said, key=lambda h: (h.shard, h)), lambda h: h.shard)
    }
    for request in of.world.concertim.wire.requests:
        project = _project_written(of, request)
        if project is None:
            continue
        shard = shard_of(project, of.shards)
        by = writer(of.world, request)
        if not _holds(by_shard.get(shard, []), by, request.began):
            when = [(round(h.at - request.began, 3), h.site, h.is_taken) for h in by_shard.get(shard, ())][-12:]
            raise AssertionError(
                f"{by} wrote {request.method} {request.path} at {request.began:.3f} to shard {shard}, taken at {when}"
            )


def _holds(said: list[Holding], site: str, at: float) -> bool:
    if any(holding.site == site and holding.is_taken for holding in said if 0 < holding.at - at <= LOGGED_LATE):
        return True
    before = [holding for holding in said if holding.at <= at]
    taken = [holding for holding in before if holding.is_taken][-1:]
    return bool(taken) and taken[0].site == site and not any(h.at > taken[0].at and h.site == site for h in before)


def _project_written(of: Cluster, request: Recorded) -> str | None:
    """The project of the rack that a write was about; None for reads, templates, and what was gone too soon."""
    if request.method == "GET" or "sign_in" in request.path:
        return None
    body = request.body if isinstance(request.body, dict) else {}
    if request.method == "POST":
        about = {**body, **body.get("rack", {}), **body.get("device", {})}
        if request.path.endswith("/racks"):
            team = of.world.concertim.state.teams.get(str(about.get("team_id", "")))
            return team.project_id if team else None
        location = about.get("location") or {}
        return of.project_of.get(str(location.get("rack_id", "")))
    return of.project_of.get(request.path.rpartition("/")[2])


def check_made_once(of: Cluster) -> None:
    """No object was made a second time: so none was removed that was there."""
    for request in of.world.concertim.wire.requests:
        if request.method == "POST" and request.status in (200, 201):
            name = b"stack" if request.path.endswith("/racks") else b"instance"
            of.made.update(item.decode() for item in re.findall(b'"openstack_%s_id": "([^"]+)"' % name, request.raw))
    twice = {item: count for item, count in of.made.items() if count > 1}
    assert not twice, f"made more than once: {twice}"


def check_as_a_stranger(of: Cluster) -> None:
    """Who reads all anew finds nothing to write."""
    report = one_pass(of.world)
    assert of.world.writes() == [], report
