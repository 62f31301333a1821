"""The engines of coordination: one of each for a test session, empty for every test."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack

import engines
import pytest
from engines import Engine
from sites import SiteOf, Start


def _require() -> None:
    if not engines.available():
        missing = "etcd or Redis is not installed (tests/setup.sh does that)"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)


@pytest.fixture(scope="session")
def _etcd() -> Iterator[Engine]:
    _require()
    with engines.etcd() as engine:
        yield engine


@pytest.fixture(scope="session")
def _redis() -> Iterator[Engine]:
    _require()
    with engines.redis() as engine:
        yield engine


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a daemon of a machine, which does not outlive the test."""
    with ExitStack() as held:

        def begin(site: SiteOf, *arguments: str) -> subprocess.Popen[bytes]:
            process = site.start(*arguments)
            held.callback(process.wait)
            held.callback(process.kill)
            held.callback(process.send_signal, signal.SIGCONT)
            return process

        yield begin


@pytest.fixture
def etcd(_etcd: Engine) -> Engine:
    """A running etcd that knows nothing."""
    _etcd.empty()
    return _etcd


@pytest.fixture(params=["_etcd", "_redis"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each kind of engine, running, that knows nothing."""
    found: Engine = request.getfixturevalue(request.param)
    found.empty()
    return found
