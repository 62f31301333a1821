"""The benchmarks run, their tables are complete, and their counts are right. Figures are not judged here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from tests.integration.rabbit import available

from .figures import Figure, Result, Target, shown
from .programs import ROOT

SERVERS, STACKS, FLAVORS = 40, 4, 4
OBJECTS = SERVERS + 2 * STACKS
"""Each stack has a volume and a network."""


def bench(*scenarios: str) -> dict[str, dict[str, Any]]:
    """Runs scenarios in a small cloud: the results by scenario, each with its figures by name."""
    command = [sys.executable, "-m", "tests.bench", "--json", "--repeat", "1", "--latency", "0.001"]
    command += ["--servers", str(SERVERS), "--stacks", str(STACKS), *scenarios]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)["results"]
    return {
        result["scenario"]: {**result, "figures": {figure["what"]: figure for figure in result["figures"]}}
        for result in results
    }


@pytest.fixture(scope="module")
def passes() -> dict[str, dict[str, Any]]:
    return bench("start", "cold", "warm", "daemon", "churn", "view", "sharing")


def test_passes_are_measured_beside_their_floors(passes: dict[str, dict[str, Any]]) -> None:
    results = passes
    assert list(results) == ["start", "cold", "warm", "daemon", "churn", "view", "sharing"]
    for result in results.values():
        assert all(figure["value"] >= 0 for figure in result["figures"].values())
    cold, warm, churn = (results[name]["figures"] for name in ("cold", "warm", "churn"))
    necessary = FLAVORS + STACKS + OBJECTS
    assert (cold["writes"]["value"], cold["writes"]["floor"]) == (necessary, necessary)
    assert warm["writes"]["value"] == 0
    assert (churn["writes"]["value"], churn["writes"]["floor"]) == (1, 1)
    daemon = results["daemon"]["figures"]
    assert 0 < daemon["requests to OpenStack a pass"]["value"] <= 15
    assert daemon["writes"]["value"] == 0
    for figures in (cold, warm, churn):
        assert figures["peak memory"]["value"] > 10
        assert {"CPU", "CPU of the OpenStack fake", "CPU of the Concertim fake"} <= figures.keys()
    sharing = results["sharing"]["figures"]
    assert sharing["requests, conser"]["value"] == sharing["requests, conser"]["floor"] + 1, "the users"
    with_targets = {
        name: [figure["what"] for figure in result["figures"].values() if figure["target"]]
        for name, result in results.items()
    }
    assert all(with_targets.values())
    assert results["view"]["circumstances"].startswith(f"{OBJECTS} devices")
    kinds = {(item["service"], item["method"]) for item in results["cold"]["requests"]}
    assert {("nova", "GET"), ("heat", "GET"), ("concertim", "POST")} <= kinds


def test_the_floor_of_a_cold_pass_makes_the_same_writes_and_the_same_listings(
    passes: dict[str, dict[str, Any]],
) -> None:
    cold = passes["cold"]

    def counted(name: str) -> Counter[tuple[str, str]]:
        # Login, discovery and the way to the watched projects are the product's own affair.
        return Counter(
            {
                (item["method"], item["kind"]): item["count"]
                for item in cold[name]
                if item["service"] != "keystone" and item["kind"] not in ("/compute/v2.1", "/api/v1/teams")
            }
        )

    assert counted("requests") == counted("floor_requests")


@pytest.mark.broker
@pytest.mark.skipif(not available() and not os.environ.get("CI"), reason="rabbitmq-server is not installed")
def test_the_listener_is_measured_beside_bare_programs() -> None:
    results = bench("idle", "burst", "single", "beside")
    assert list(results) == ["idle events", "burst", "single events", "beside bulk"]
    idle = results["idle events"]["figures"]
    assert idle["events a second"]["floor"] > 0
    assert idle["writes"]["value"] == 0
    assert results["burst"]["figures"]["wall"]["floor"] > 0
    for name in ("single events", "beside bulk"):
        figures = results[name]["figures"]
        assert 0 < figures["publish to PATCH, p50"]["value"] <= figures["publish to PATCH, p99"]["value"]
        assert figures["publish to PATCH, p99"]["target"]
    assert results["beside bulk"]["figures"]["passes meanwhile"]["value"] >= 1


@pytest.mark.parametrize(
    ("figure", "is_met"),
    [
        (Figure("a", 1.0), None),
        (Figure("a", 1.0, target=Target(1.0)), True),
        (Figure("a", 1.1, target=Target(1.0)), False),
        (Figure("a", 3.0, floor=2.0, target=Target(1.3, of_floor=True)), False),
        (Figure("a", 3.0, floor=2.0, target=Target(1.5, of_floor=True)), True),
        (Figure("a", 1.0, floor=2.0, target=Target(0.5, of_floor=True, at_least=True)), True),
        (Figure("a", 0.9, floor=2.0, target=Target(0.5, of_floor=True, at_least=True)), False),
    ],
)
def test_a_target_bounds_the_value_or_its_ratio_to_the_floor(figure: Figure, is_met: bool | None) -> None:
    assert figure.is_met is is_met


def test_a_table_shows_each_figure_with_its_floor_and_target() -> None:
    requests = Counter({("nova", "GET", "/servers"): 3})
    figures = [Figure("wall", 3.0, "s", 2.0, Target(1.3, of_floor=True)), Figure("writes", 1234)]
    lines = shown([Result("warm", "a cloud", figures, requests)]).splitlines()
    assert lines[0] == "warm: a cloud"
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    assert cells[2:4] == [["wall", "3 s", "2 s", "1.50", "≤ 1.30 x", "no"], ["writes", "1,234", "", "", "", ""]]
    assert cells[-1] == ["nova GET /servers", "3", "0"]
