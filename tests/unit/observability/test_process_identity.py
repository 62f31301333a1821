"""A process that is gone is recognised as such, even if its id was reused, and no living one is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from cos_update.observability.process_identity import ProcessIdentity, is_gone, own_identity

TELL = """
import dataclasses, json, sys
from cos_update.observability.process_identity import own_identity
print(json.dumps(dataclasses.asdict(own_identity())), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def other() -> Iterator[tuple[subprocess.Popen[str], ProcessIdentity]]:
    """Another process, and what it says it is."""
    command = [sys.executable, "-c", TELL]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, ProcessIdentity(**json.loads(process.stdout.readline()))
        process.kill()


def test_one_that_lives_is_not_gone(other: tuple[subprocess.Popen[str], ProcessIdentity]) -> None:
    process, identity = other
    assert not is_gone(process.pid, identity)
    assert not is_gone(os.getpid(), _own())


def test_one_that_was_killed_is_gone_before_its_parent_asks_and_after(
    other: tuple[subprocess.Popen[str], ProcessIdentity],
) -> None:
    process, identity = other
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert is_gone(process.pid, identity)
    process.wait()
    assert is_gone(process.pid, identity)


def test_an_id_that_is_used_again_is_another_process() -> None:
    assert is_gone(os.getpid(), replace(_own(), start=_own().start - 1))


@pytest.mark.parametrize("elsewhere", [{"boot": "another"}, {"namespace": "pid:[1]"}])
def test_one_of_another_boot_or_container_cannot_be_seen(elsewhere: dict[str, str]) -> None:
    assert not is_gone(2**22 + 1, replace(_own(), **elsewhere))
    assert is_gone(2**22 + 1, _own())


@pytest.mark.parametrize("pid", [0, -1, 2**80])
def test_ids_that_make_no_sense_harm_nobody(pid: int) -> None:
    assert not is_gone(pid, _own())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_a_process_of_somebody_else_is_seen_too(other: tuple[subprocess.Popen[str], ProcessIdentity]) -> None:
    process, identity = other
    program = f"""
import os
from cos_update.observability.process_identity import ProcessIdentity, is_gone
os.setuid(65534)
print(is_gone({process.pid}, {identity!r}))
"""
    command = [sys.executable, "-c", program]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"
    process.kill()
    process.wait()
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "True\n"


def _own() -> ProcessIdentity:
    identity = own_identity()
    assert identity is not None
    return identity
