"""The single RabbitMQ node of a test session, and reports that can be passed on."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Iterator

import pytest
from hypothesis import HealthCheck, settings
from rabbit import RabbitNode, available

# How long an example takes to make or to run depends on what else the machine does.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")


def pytest_configure(config: pytest.Config) -> None:
    """Makes warnings that are errors in the tests errors in the programs that they start, and these heed signals.

    What nohup, or a shell that runs the tests in the background, has told to be ignored would be ignored by them too.
    """
    os.environ["PYTHONWARNINGS"] = ",".join(config.getini("filterwarnings"))
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tests log what is no Unicode, and reports are handed from process to process as UTF-8."""
    report = yield
    report.sections = [(title, text.encode(errors="backslashreplace").decode()) for title, text in report.sections]
    return report


@pytest.fixture(scope="session")
def rabbit_node() -> Iterator[RabbitNode]:
    """The one node of this test session. Tests that stop it start it again; `broker` sees to it that it runs."""
    if not available():
        missing = "rabbitmq-server is not installed (apt-get install -y --no-install-recommends rabbitmq-server)"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    with RabbitNode() as node:
        yield node


@pytest.fixture
def broker(rabbit_node: RabbitNode) -> RabbitNode:
    """A running node on which no service has published yet."""
    rabbit_node.reset()
    return rabbit_node
