"""A few random histories in the usual run; `python -m tests.histories` goes on for as long as one likes."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.histories.__main__ import OTHER_THREADS
from tests.histories.listening import Broker
from tests.histories.rules import live, live_followed
from tests.integration.rabbit import RabbitNode


@settings(max_examples=12, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_history_ends_in_step(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        live(data.draw, Path(folder))


@pytest.fixture(scope="module")
def dropping(rabbit_node: RabbitNode) -> Broker:
    """The broker of all these histories, with its operator's policies."""
    return Broker(rabbit_node, restarts=False)


@pytest.mark.broker
@pytest.mark.timeout(900)  # half a minute, unless the machine is very busy
@pytest.mark.filterwarnings(f"ignore:{OTHER_THREADS}")
@settings(max_examples=5, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_listener_makes_up_for_whatever_its_broker_drops(data: st.DataObject, dropping: Broker) -> None:
    with tempfile.TemporaryDirectory() as folder:
        live_followed(data.draw, Path(folder), dropping)


def test_the_module_says_how_many_it_has_run() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.histories", "--seconds", "0.5", "--seed", "1", "--no-broker"],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    assert " histories, 0 wrong removals, 0 lost changes, 0 writes at rest" in done.stdout
