"""`cos-update takeover`: inspects a running deployment, and calls the swap safe only if it is."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from checking import change
from earlier_handlers import Handlers
from test_adoption import GENERATIONS, read
from world import World, served

from cos_update.fakes.concertim import ConcertimApp
from cos_update.observability.heartbeat import DaemonStatus, HeartbeatWriter, file_of

THEIR_VIEW = b"cconser.modules.clients.concertim.objects.view\nConcertimView\n."
"""A pickle of their class; no more of it is looked at."""
AUTHORS = {1: "first generation", 2: "second generation"}


@pytest.fixture(params=[GENERATIONS[-1]], ids=lambda pair: f"generation {pair[0]}, {pair[1]}")
def handlers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Handlers]:
    """The handlers of a generation, who have filled Concertim from the demo's cloud."""
    generation, flavour = request.param
    with served(tmp_path, concertim=ConcertimApp(flavour)) as world:
        found = Handlers(world, generation)
        found.fill(read(world))
        yield found


@pytest.fixture
def world(handlers: Handlers) -> World:
    return handlers.world


def taken_over(world: World, *arguments: str, expect: int) -> dict[str, Any]:
    done = world.run("takeover", "--json", "--watch-for", "0", *arguments, expect=expect)
    document = dict(json.loads(done.stdout))
    assert (document["schema"], document["safe"]) == (1, expect == 0)
    assert "Traceback" not in done.stderr
    return document


def texts(document: dict[str, Any], subject: str) -> list[str]:
    return [reason["text"] for reason in document["reasons"] if reason["subject"] == subject]


@pytest.mark.parametrize("handlers", GENERATIONS, indirect=True, ids=lambda pair: f"generation {pair[0]}, {pair[1]}")
def test_a_deployment_whose_handlers_have_stopped_is_safe(handlers: Handlers) -> None:
    world = handlers.world
    writes = world.writes()
    document = taken_over(world, expect=0)
    assert document["racks"]["authors"] == {AUTHORS[handlers.generation]: len(world.actual().racks)}
    assert document["racks"]["with_order_id"] == len(world.actual().racks)
    assert document["first_pass"]["totals"]["remove"] == 0
    assert document["reasons"] == []
    assert world.writes() == writes
    assert list(world.data_dir.iterdir()) == []


def test_it_is_explained_in_plain_words(world: World) -> None:
    change(world, "killbill", apikey="bob")
    out = world.run("takeover", "--watch-for", "0").stdout
    for words in ("config      ", "note: left to the other services that share this file: killbill",
                  "second generation", "first pass  ", "0 to remove", "safe        "):  # fmt: skip
        assert words in out


def test_what_openstack_does_not_have_any_more_is_named(world: World) -> None:
    rack = next(iter(world.concertim.state.racks.values()))
    stack_id = rack.metadata["openstack_stack_id"]
    name = world.cloud.stacks[stack_id].name
    world.cloud.delete_stack(world.cloud.stacks[stack_id])
    document = taken_over(world, expect=1)
    assert any(f"would remove rack {name} ({stack_id})" in text for text in texts(document, "removes"))


@pytest.mark.parametrize(("folder", "name"), [("data", "view~2026-01-01.pickle"), ("log", "updates_bulk.log"),
                                              ("log", "updates_mq.log"), ("log", "fe_updates.log")])  # fmt: skip
def test_fresh_files_of_a_handler_show_that_it_runs(world: World, folder: str, name: str) -> None:
    path = world.folder / folder / name
    path.write_text("2026-01-01 00:00:00,000 - root - INFO - BEGINNING\n")
    (text,) = texts(taken_over(world, expect=1), "writers")
    assert f"{path} was written" in text
    hour_ago = time.time() - 3600
    os.utime(path, (hour_ago, hour_ago))
    taken_over(world, expect=0)


def test_other_services_logs_are_none_of_its_business(world: World) -> None:
    for name in ("billing.log", "metrics.log"):
        (world.folder / "log" / name).write_text("they go on\n")
    taken_over(world, expect=0)


@pytest.mark.parametrize("form", ["text", "json"])
def test_our_own_log_is_no_sign_of_a_handler(world: World, form: str) -> None:
    world.run("--log-format", form, "bulk", "--once", expect=None)
    assert (world.folder / "log" / "updates_bulk.log").stat().st_size
    taken_over(world, expect=0)


def test_a_write_between_two_readings_shows_a_handler(handlers: Handlers) -> None:
    world = handlers.world
    reader = next(iter(world.actual().devices.values()))
    stop = threading.Event()

    def write() -> None:
        for number in range(10_000):
            if stop.wait(0.1):
                return
            body = {"device": {"description": f"written {number}"}}
            url = f"{world.concertim.url}/api/v1/devices/{reader.id}"
            requests.patch(url, json=body, headers=handlers._headers(), timeout=30)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        done = world.run("takeover", "--json", "--watch-for", "1", expect=1)
    finally:
        stop.set()
        writer.join()
    found = texts(json.loads(done.stdout), "writers")
    assert [text for text in found if f"{reader.name} in " in text and "was changed (description)" in text] == found


@pytest.mark.parametrize("section", ["openstack", "concertim"])
def test_an_invalid_configuration_is_reported_in_full(world: World, section: str) -> None:
    change(world, section, timeout="soon", retries="many")
    document = taken_over(world, expect=1)
    assert len(texts(document, "config")) == 2
    assert document["first_pass"] is None


def test_a_section_that_only_the_listener_needs_keeps_it_from_being_safe(world: World) -> None:
    change(world, "rmq", rmq_port="many")
    document = taken_over(world, expect=1)
    assert [reason for reason in document["reasons"] if reason["subject"] != "config"] == []
    assert document["first_pass"] is not None


def test_a_side_that_cannot_be_read_is_a_reason(world: World) -> None:
    change(world, "concertim", concertim_password="wrong")
    (text,) = texts(taken_over(world, expect=1), "unread")
    assert "Concertim" in text


def test_our_own_daemon_shows_that_the_takeover_has_been(world: World) -> None:
    with HeartbeatWriter(file_of(world.data_dir, "bulk"), "bulk", lambda: DaemonStatus("waits")):
        (text,) = texts(taken_over(world, expect=1), "writers")
    assert "cos-update bulk already runs here" in text
    taken_over(world, expect=0)


def test_services_that_could_not_load_our_view_are_a_reason(world: World) -> None:
    (world.data_dir / "view.pickle").write_bytes(THEIR_VIEW)
    world.configure(view_for="none")
    (text,) = texts(taken_over(world, expect=1), "view")
    assert "view.pickle is conser's: its services could not load ours" in text
    world.configure()
    out = world.run("takeover", "--watch-for", "0").stdout
    assert "view_for: conser, as the view.pickle of its own services" in out
