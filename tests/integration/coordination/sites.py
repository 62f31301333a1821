"""Several machines on one cloud and one Concertim: each a folder with its own configuration, data dir and user."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from world import World, run_program, shown, wanted

from cos_update.fakes.wire import Recorded

Start = Callable[..., subprocess.Popen[bytes]]
"""Starts a daemon: a machine, and the arguments of the program."""


def is_true(world: World) -> bool:
    """Whether Concertim shows the cloud."""
    with suppress(KeyError, RuntimeError):  # read while it changes
        return shown(world.actual()) == wanted(world.desired())
    return False


@dataclass
class SiteOf:
    """One machine of `world`, by the name `name`."""

    world: World
    name: str
    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "config.yaml"

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    def at(self, url: str) -> None:
        """Has it reach Concertim at another address."""
        document = yaml.safe_load(self.config.read_text())
        document["concertim"]["concertim_url"] = url
        self.config.write_text(yaml.safe_dump(document))

    def run(self, *arguments: str, expect: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Runs the real program, and checks its exit code."""
        return run_program(self.config, *arguments, expect=expect)

    def bulk(self, *arguments: str, expect: int | None = 0) -> dict[str, Any]:
        """One pass by the real program; what it says it did, {} when it holds nothing."""
        done = self.run("bulk", "--once", "--json", *arguments, expect=expect)
        return dict(json.loads(done.stdout)) if done.stdout else {}

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """The real program as a daemon."""
        program = [sys.executable, "-m", "cos_update", "--config", str(self.config), *arguments]
        return subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def log(self, name: str = "bulk") -> str:
        path = self.folder / "log" / f"updates_{name}.log"
        return path.read_text() if path.exists() else ""


def site_of(world: World, name: str, url: str, *, shards: int = 1, lease: int = 3, **top: Any) -> SiteOf:
    """A machine of this world, with a user of its own at Concertim."""
    folder = world.folder / name
    for part in ("data", "log"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    world.concertim.state.add_user(name, "secret", root=True)
    document = yaml.safe_load((world.folder / "config.yaml").read_text())
    document |= {
        "data_dir": str(folder / "data"),
        "log_dir": str(folder / "log"),
        "coordination": {"backend_url": url, "shards": shards, "lease": lease, "site": name},
        **top,
    }
    document["concertim"] |= {"concertim_username": name, "concertim_password": "secret"}
    (folder / "config.yaml").write_text(yaml.safe_dump(document))
    return SiteOf(world, name, folder)


def writer(world: World, request: Recorded) -> str:
    """The login of the user who made a request of Concertim; "" for one without a token."""
    _, _, token = request.authorization.partition(" ")
    if not token:
        return ""
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return world.concertim.state.users[str(claims["sub"])].login


def writes_by(world: World) -> dict[str, list[Recorded]]:
    """The writes that Concertim received, by who made them."""
    found: dict[str, list[Recorded]] = {}
    for request in world.concertim.wire.requests:
        if request.method != "GET" and "sign_in" not in request.path:
            found.setdefault(writer(world, request), []).append(request)
    return found
