"""Bulk on several machines: who posts what, and what becomes of it when one of them goes."""

from __future__ import annotations

import os
import re
import signal
import time

import pytest
from daemons import until
from engines import Engine
from rabbit import Proxy
from sites import Start, is_true, site_of, writes_by
from world import World

LEASE = 3

BULK = ("bulk", "--interval", "1")


def grow(world: World, name: str = "more") -> None:
    """The cloud has one more stack, with a server."""
    project = next(p for p in world.cloud.projects_of(world.cloud.watcher.id) if p.name == "CM_team_a")
    stack = world.cloud.create_stack(project, name)
    world.cloud.add_server(stack, name)


def test_of_two_machines_one_posts_and_the_other_ends_at_once(world: World, etcd: Engine, start: Start) -> None:
    one, two = site_of(world, "one", etcd.url()), site_of(world, "two", etcd.url())
    assert two.run("sites", expect=1).stdout == "held by nobody, of 1 shards: 0\n"
    start(one, *BULK)
    until(lambda: bool(writes_by(world)))
    done = two.run("bulk", "--once")
    assert done.stdout == "bulk: nothing done: two holds no lease (one holds 1 of 1)\n"
    assert re.fullmatch(r"one: shard 0 since [-0-9T:Z]+\n", two.run("sites").stdout)
    assert "sites and how many of 1 shards each holds: one (1)" in two.run("check", "coordination").stdout
    until(lambda: is_true(world))
    assert set(writes_by(world)) == {"one"}
    until(lambda: "as site one it holds of 1 shards: 0" in one.run("status", expect=None).stdout)


def test_with_shards_each_machine_posts_its_own_projects(world: World, engine: Engine, start: Start) -> None:
    first, second = sites = [site_of(world, name, engine.url(), shards=6) for name in ("one", "two")]
    start(first, *BULK)
    until(lambda: first.log().count("is held by this site") >= 6)
    start(second, *BULK)
    until(lambda: is_true(world))
    until(lambda: "handed over" in first.log())
    world.concertim.wire.reset()
    for site in sites:
        done = site.log().count("pass ends")
        until(lambda site=site, done=done: site.log().count("pass ends") > done + 1)
    assert writes_by(world) == {}


def test_a_machine_that_is_killed_has_its_racks_taken_over(world: World, etcd: Engine, start: Start) -> None:
    one, two = site_of(world, "one", etcd.url()), site_of(world, "two", etcd.url())
    first = start(one, *BULK)
    until(lambda: is_true(world))
    start(two, *BULK)
    until(lambda: "standing by" in two.log())
    first.kill()
    grow(world)
    until(lambda: is_true(world))
    assert set(writes_by(world)) == {"one", "two"}


def test_a_machine_that_was_stopped_longer_than_its_lease_writes_nothing_when_it_goes_on(
    world: World, etcd: Engine, start: Start
) -> None:
    one, two = site_of(world, "one", etcd.url()), site_of(world, "two", etcd.url())
    world.concertim.wire.latency = 0.1
    first = start(one, *BULK)
    until(lambda: len(writes_by(world).get("one", [])) > 10)
    os.kill(first.pid, signal.SIGSTOP)
    start(two, *BULK)
    until(lambda: "is held by this site" in two.log())
    world.concertim.wire.latency = 0.0
    until(lambda: is_true(world))
    world.concertim.wire.reset()
    os.kill(first.pid, signal.SIGCONT)
    until(lambda: "holds nothing, and writes nothing" in one.log() and "pass ends" in one.log())
    assert writes_by(world) == {}
    assert is_true(world)


def test_without_the_engine_nothing_is_written_until_it_is_back(world: World, etcd: Engine, start: Start) -> None:
    with Proxy(etcd.ports[0]) as proxy:
        one = site_of(world, "one", etcd.url(proxy.port))
        start(one, *BULK)
        until(lambda: is_true(world))
        proxy.accepting = False
        proxy.cut()
        until(lambda: "holds nothing, and writes nothing" in one.log())
        world.concertim.wire.reset()
        grow(world)
        time.sleep(2)  # two intervals, in which a pass would come
        assert writes_by(world) == {}
        proxy.accepting = True
        until(lambda: is_true(world))
        assert "coordination works again" in one.log()


def test_a_machine_that_does_not_reach_concertim_leaves_its_racks_to_one_that_does(
    world: World, etcd: Engine, start: Start
) -> None:
    with Proxy(int(world.concertim.url.rpartition(":")[2])) as proxy:
        one, two = site_of(world, "one", etcd.url()), site_of(world, "two", etcd.url())
        one.at(f"http://127.0.0.1:{proxy.port}")
        start(one, *BULK)
        until(lambda: is_true(world))
        start(two, *BULK)
        until(lambda: "standing by" in two.log())
        proxy.accepting = False
        proxy.cut()
        grow(world)
        until(lambda: is_true(world))
        assert set(writes_by(world)) == {"one", "two"}
        proxy.accepting = True
        until(lambda: "this machine reaches both sides again" in one.log())


def test_once_without_the_engine_is_a_failure(world: World, etcd: Engine) -> None:
    with Proxy(etcd.ports[0]) as proxy:
        proxy.accepting = False
        one = site_of(world, "one", etcd.url(proxy.port))
        done = one.run("bulk", "--once", expect=1)
    assert "coordination fails" in done.stderr
    assert writes_by(world) == {}


@pytest.mark.parametrize(
    ("rmq", "arguments", "complaint"),
    [
        ({}, ("listen", "--drain"), "--drain does not go with the section coordination"),
        ({"shard": {"count": 2}}, ("listen",), "rmq.shard does not go with the section coordination"),
        ({}, ("listen", "--queue", "theirs"), "each shard has a queue of its own"),
        ({}, ("diff", "--yes"), "diff posts nothing where several machines post"),
    ],
)
def test_what_does_not_go_with_several_machines_is_refused(
    world: World, etcd: Engine, rmq: dict[str, object], arguments: tuple[str, ...], complaint: str
) -> None:
    broker = {"rmq_address": "127.0.0.1:1", "rmq_username": "guest", "rmq_password": "guest", **rmq}
    site = site_of(world, "one", etcd.url(), shards=2, rmq=broker)
    assert complaint in site.run(*arguments, expect=1).stderr
    assert writes_by(world) == {}
