"""The fakes in separate processes, so that none shares an interpreter with the measured program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import requests

from .programs import ROOT, ProgramError

TICKS = os.sysconf("SC_CLK_TCK")
CONTROL = "/_sandbox"


class FakeProcess:
    """One process of the sandbox, from `with` to its end. `ready` is what it said of itself."""

    def __init__(self, name: str, arguments: Sequence[str]) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [sys.executable, "-m", "cos_update.fakes", *arguments], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ProgramError(f"the fake for {name} does not start")
        self.ready: dict[str, Any] = json.loads(line)
        self.url = str(self.ready[name]["url"])
        self._session = requests.Session()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the process."""
        self._session.close()
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def cpu(self) -> float:
        """CPU seconds that it has taken until now."""
        return _cpu(self._process.pid)

    @property
    def peak(self) -> int:
        """Its peak memory in bytes."""
        with open(f"/proc/{self._process.pid}/status") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))

    def set_latency(self, seconds: float) -> None:
        """Seconds that it adds to every answer from now on."""
        self._post("latency", {"seconds": seconds})

    def keep_requests(self, keep: bool) -> None:
        """Whether requests are kept, or only counted."""
        self._post("keep", {"requests": keep})

    def reset(self) -> None:
        """Forgets what was recorded and counted."""
        self._session.delete(f"{self.url}{CONTROL}/requests", timeout=60).raise_for_status()

    def counts(self) -> Counter[tuple[str, str, str]]:
        """Requests since the last reset, by service, method and kind."""
        return Counter({(item["service"], item["method"], item["kind"]): item["count"] for item in self._get("counts")})

    def requests(self, since: int = 0) -> list[dict[str, Any]]:
        """The requests since the last reset, without the first `since`."""
        return list(self._get(f"requests?since={since}"))

    def fault(self, **fields: object) -> None:
        """Adds a fault, with the fields of `Fault`."""
        self._post("faults", fields)

    def churn(self, count: int) -> list[dict[str, str]]:
        """Starts or stops this many servers; returns their new state."""
        return list(self._post("churn", {"count": count})["servers"])

    def _get(self, path: str) -> Any:
        answer = self._session.get(f"{self.url}{CONTROL}/{path}", timeout=120)
        answer.raise_for_status()
        return answer.json()

    def _post(self, path: str, body: Mapping[str, object]) -> Any:
        answer = self._session.post(f"{self.url}{CONTROL}/{path}", json=body, timeout=120)
        answer.raise_for_status()
        return answer.json()


def openstack(servers: int, stacks: int, projects: int) -> FakeProcess:
    """A cloud of this size, without latency at first."""
    size = ["--size", str(servers), "--stacks", str(stacks), "--projects", str(projects)]
    return FakeProcess("openstack", ["--no-concertim", *size])


def concertim(projects: Mapping[str, str]) -> FakeProcess:
    """An empty Concertim with a team for each project (name -> id), without latency at first."""
    teams = [f"--team={name}={project_id}" for name, project_id in projects.items()]
    return FakeProcess("concertim", teams)


def _cpu(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS
