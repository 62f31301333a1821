"""An installation under measurement: both fakes, a folder with config.yaml and data, and the real program."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from cos_update.model.settings import CloudSettings, ConcertimSettings

from . import fake_processes
from .fake_processes import FakeProcess
from .programs import CLI, Cost, run

CLOUD_CONCURRENCY = CloudSettings().concurrency
CONCURRENCY = ConcertimSettings("", "", "").concurrency
"""How many requests to OpenStack, and writes to Concertim, the product has under way at once."""


@dataclass(frozen=True, slots=True)
class Size:
    """How large the cloud is, and how many seconds each answer takes at least."""

    servers: int
    stacks: int
    latency: float
    projects: int = 5

    def __str__(self) -> str:
        return f"{self.servers:,} servers in {self.stacks:,} stacks, {self.latency * 1000:g} ms latency"


@dataclass(frozen=True, slots=True)
class Traffic:
    """What reached the fakes during a run, and the CPU seconds that they took for it, by name."""

    counts: Counter[tuple[str, str, str]]
    cpu: dict[str, float]

    @property
    def requests(self) -> int:
        """All requests."""
        return sum(self.counts.values())

    @property
    def to_openstack(self) -> int:
        """Requests to OpenStack's services."""
        return sum(count for (service, _, _), count in self.counts.items() if service != "concertim")

    @property
    def writes(self) -> int:
        """What was to change something in Concertim."""
        return sum(
            count
            for (service, method, kind), count in self.counts.items()
            if service == "concertim" and method != "GET" and "sign_in" not in kind
        )

    def of(self, kind: str) -> int:
        """Requests of the kinds that end with `kind`."""
        return sum(count for (_, _, each), count in self.counts.items() if each.endswith(kind))


class Installation:
    """Both fakes and the configuration for them. Latency is 0 until `slow` is called."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self.openstack = fake_processes.openstack(size.servers, size.stacks, size.projects)
        self.projects: dict[str, str] = self.openstack.ready["projects"]
        self.concertim = fake_processes.concertim(self.projects)
        self._folder = tempfile.TemporaryDirectory(prefix="cos-update-bench-")
        self.folder = Path(self._folder.name)
        for name in ("data", "log"):
            (self.folder / name).mkdir()
        self.configure()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the fakes and removes the folder."""
        for fake in self.fakes:
            fake.close()
        self._folder.cleanup()

    @property
    def fakes(self) -> tuple[FakeProcess, FakeProcess]:
        """OpenStack and Concertim."""
        return self.openstack, self.concertim

    @property
    def data_dir(self) -> Path:
        """Where the view is."""
        return self.folder / "data"

    def configure(self, scope: str = "auto", **sections: Any) -> None:
        """Writes config.yaml: the logins, how the cloud is read, and `sections` besides."""
        cloud, app = self.openstack.ready["openstack"], self.concertim.ready["concertim"]
        document = {
            "openstack": {
                "auth_url": cloud["auth_url"],
                "username": cloud["username"],
                "password": cloud["password"],
                "project_name": cloud["project"],
                "user_domain_name": "Default",
                "project_domain_name": "Default",
                "scope": scope,
            },
            "concertim": {
                "concertim_url": self.concertim.url,
                "concertim_username": app["username"],
                "concertim_password": app["password"],
            },
            "data_dir": str(self.data_dir),
            "log_dir": str(self.folder / "log"),
            **sections,
        }
        (self.folder / "config.yaml").write_text(yaml.safe_dump(document))

    def command(self, *arguments: str) -> list[str]:
        """The real program with its configuration."""
        return [CLI, "--config", str(self.folder / "config.yaml"), *arguments]

    def bulk(self, *also: int) -> Cost:
        """One pass, which must end with exit code 0 or one of `also`."""
        return run(self.command("bulk", "--once"), expect=(0, *also))

    def slow(self, latency: float | None = None) -> None:
        """Answers take the size's latency from now on, or this one."""
        for fake in self.fakes:
            fake.set_latency(self.size.latency if latency is None else latency)

    def keep_requests(self, keep: bool) -> None:
        """Whether the fakes keep requests, or only count them."""
        for fake in self.fakes:
            fake.keep_requests(keep)

    def task(self, concertim: FakeProcess | None = None, **more: object) -> dict[str, object]:
        """The description of the installation for a bare program, optionally with another Concertim."""
        return {
            "openstack": {**self.openstack.ready["openstack"], "project_id": next(iter(self.projects.values()))},
            "concertim": (concertim or self.concertim).ready["concertim"],
            **more,
        }


class Watch:
    """Counts what reaches the fakes from now on."""

    def __init__(self, both: Sequence[FakeProcess]) -> None:
        self._both = both
        for fake in self._both:
            fake.reset()
        self._cpu = {fake.name: fake.cpu for fake in self._both}

    def traffic(self) -> Traffic:
        """What has reached them until now."""
        counts: Counter[tuple[str, str, str]] = Counter()
        for fake in self._both:
            counts += fake.counts()
        return Traffic(counts, {each.name: each.cpu - self._cpu[each.name] for each in self._both})
