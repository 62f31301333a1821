"""The bulk daemon in a cloud in which nothing changes: what each of its passes costs once it knows everything."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

from .figures import MB, Figure, Result, Target
from .installation import Installation, Size, Watch
from .programs import ProgramError, run

TICKS = os.sysconf("SC_CLK_TCK")
BY_CHANGES = "cloud read by changes"
FIRST = 2
"""Passes that are not measured: the daemon loads the view, and reads the cloud once more if the one before was cut."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass: seconds, and CPU seconds from the end of the pass before to its own."""

    wall: float
    cpu: float


class Daemon:
    """`cos-update bulk` under way; its passes are told by what it logs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def next_pass(self) -> Pass:
        """Waits for the end of a pass. Raises ProgramError when it failed, posted, or read the cloud in full."""
        began = self._cpu()
        assert self._process.stderr is not None
        for line in self._process.stderr:
            entry = json.loads(line)
            if "seconds" in entry and "in_step" in entry:
                if entry["exit_code"] or BY_CHANGES not in entry["message"]:
                    raise ProgramError(f"no pass by changes: {entry['message']}")
                return Pass(entry["seconds"], self._cpu() - began)
        raise ProgramError(f"the daemon has ended with {self._process.wait()}")

    @property
    def peak(self) -> int:
        """Its peak memory in bytes."""
        with open(f"/proc/{self._process.pid}/status") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))

    def _cpu(self) -> float:
        with open(f"/proc/{self._process.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


def daemon(installation: Installation, repeat: int) -> Result:
    """Passes of the daemon by changes, with cloud-wide reading; and with reading by project, what these ask."""
    size = installation.size
    installation.slow()
    run(installation.command("bulk", "--once", "--full"))
    count = max(3, repeat)
    with _running(installation) as running:
        for _ in range(FIRST):
            running.next_pass()
        watch = Watch(installation.fakes)
        passes = [running.next_pass() for _ in range(count)]
        traffic = watch.traffic()
        peak = running.peak
    openstack = traffic.to_openstack / count
    wall, cpu = (median(getattr(each, name) for each in passes) for name in ("wall", "cpu"))
    figures = [
        Figure("wall of a pass", wall, "s", target=_limit(size, wall=2.0)),
        Figure("CPU of a pass", cpu, "s", target=_limit(size, small=0.3, wall=2.0)),
        Figure("peak memory", peak / MB, "MB", target=_limit(size, wall=700.0)),
        Figure("requests to OpenStack a pass", openstack, target=Target(15)),
        Figure("requests to Concertim a pass", traffic.requests / count - openstack),
        Figure("writes", traffic.writes, target=Target(0)),
        Figure("requests to OpenStack a watched project", _by_project(installation, count), target=Target(4)),
    ]
    counts = traffic.counts
    return Result("daemon", f"{size}; {count} passes by changes, the counts are of all of them", figures, counts)


def _by_project(installation: Installation, count: int) -> float:
    """How many requests a pass makes for one watched project when it reads project by project."""
    installation.configure(scope="project")
    try:
        installation.bulk()
        with _running(installation) as running:
            for _ in range(FIRST):
                running.next_pass()
            watch = Watch((installation.openstack,))
            for _ in range(count):
                running.next_pass()
            return watch.traffic().requests / count / len(installation.projects)
    finally:
        installation.configure()
        installation.bulk()


@contextmanager
def _running(installation: Installation) -> Iterator[Daemon]:
    """The daemon, whose passes begin one right after the other."""
    command = installation.command("--log-format", "json", "bulk", "--interval", "1")
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as process:
        try:
            yield Daemon(process)
        finally:
            process.terminate()
            try:
                process.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()


def _limit(size: Size, *, small: float | None = None, wall: float) -> Target | None:
    """The target for 100,000 servers, or that for 10,000 if there is one."""
    if size.servers > 10_000:
        return Target(wall)
    return None if small is None else Target(small)
