"""What several machines read and hold in memory, each its share: `python -m tests.scale_of_sites --servers 100000`.

One after the other they read the cloud for the first time and compare it with Concertim, each for its own shards, and
before them one machine for all shards. Nothing is posted unless `--post` is given, for that takes most of the time.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cos_update.coordination.site import Site
    from tests.bench.installation import Installation

_HERE = Path(__file__).parent
sys.path[:0] = [str(_HERE.parent), *(str(_HERE / "integration" / part) for part in ("", "coordination"))]
SERVERS_OF_PROJECT = 100
ONLY_READ = (1, 3)
"""Exit codes of a pass whose writes are refused."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one machine read and took: `servers` and `stacks` read in full, requests, CPU seconds, and bytes."""

    shards: tuple[int, ...]
    servers: int
    stacks: int
    requests: int
    writes: int
    cpu: float
    peak: int

    def beside(self, whole: Share) -> str:
        """This one as a line, with the parts of the whole."""
        figures = [
            ("servers", self.servers, self.servers / max(whole.servers, 1)),
            ("stacks", self.stacks, self.stacks / max(whole.stacks, 1)),
            ("requests to OpenStack", self.requests, self.requests / whole.requests),
            ("CPU s", round(self.cpu, 1), self.cpu / whole.cpu),
            ("peak MB", round(self.peak / 1e6), self.peak / whole.peak),
        ]
        text = ", ".join(f"{what} {value:,} ({part:.2f})" for what, value, part in figures)
        return f"shards {', '.join(map(str, self.shards))}: {text}, writes {self.writes:,}"


def main() -> None:
    """Measures, and prints a line for each machine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--servers", type=int, default=20_000)
    parser.add_argument("--sites", type=int, default=3)
    parser.add_argument("--shards", type=int, default=6)
    parser.add_argument("--post", action="store_true", help="post everything, and then measure a second pass")
    arguments = parser.parse_args()
    import engines

    from tests.bench.installation import Installation, Size

    projects = max(1, arguments.servers // SERVERS_OF_PROJECT)
    size = Size(arguments.servers, max(1, arguments.servers // 10), 0.0, projects)
    with engines.etcd() as engine, Installation(size) as installation:
        engine.empty()
        installation.keep_requests(False)
        if not arguments.post:
            installation.concertim.fault(kind="status", code=422, method="POST", path="/api/v1/(templates|racks|nodes)")
        print(f"{size}, {projects:,} projects", flush=True)
        for passes in range(2 if arguments.post else 1):
            whole = _measured(installation, engine.url(), ["alone"], arguments.shards)[0]
            print(f"pass {passes + 1}: {whole.beside(whole)}", flush=True)
            names = [f"m{number}" for number in range(arguments.sites)]
            for share in _measured(installation, engine.url(), names, arguments.shards):
                print(f"pass {passes + 1}: {share.beside(whole)}", flush=True)


def _measured(installation: Installation, url: str, names: Sequence[str], shards: int) -> list[Share]:
    """A pass of each of these machines, which share the leases meanwhile."""
    from cos_update.coordination.site import Site
    from cos_update.model.settings import CoordinationSettings

    with ExitStack() as held:
        sites = []
        for name in names:
            data_dir = installation.folder / name
            data_dir.mkdir(exist_ok=True)
            sites.append(Site(CoordinationSettings(url, shards, lease=15, site=name), data_dir))
            held.enter_context(sites[-1].kept(30.0))
        while sorted(shard for site in sites for shard in site.usable()) != list(range(shards)) or not _is_fair(sites):
            time.sleep(0.2)
        return [_one(installation, url, site, shards) for site in sites]


def _is_fair(sites: Sequence[Site]) -> bool:
    counts = [len(site.usable()) for site in sites]
    return max(counts) - min(counts) <= 1


def _one(installation: Installation, url: str, site: Site, shards: int) -> Share:
    from cos_update.store import ViewStore, cloud_memory
    from tests.bench.installation import Watch

    data_dir = installation.folder / site.name
    section = {"backend_url": url, "shards": shards, "lease": 15, "site": site.name}
    installation.configure(coordination=section, max_deletes=100, data_dir=str(data_dir))
    held = tuple(sorted(site.usable()))
    watch = Watch(installation.fakes)
    cost = installation.bulk(*ONLY_READ)
    traffic = watch.traffic()
    view = ViewStore(data_dir, "bulk").load()
    memory = cloud_memory(view) if view is not None else None
    return Share(
        shards=held,
        servers=len(memory.servers) if memory is not None else 0,
        stacks=traffic.of("/resources"),
        requests=traffic.to_openstack,
        writes=traffic.writes,
        cpu=cost.cpu,
        peak=cost.peak,
    )


if __name__ == "__main__":
    os.environ["PYTHONWARNINGS"] = ""
    main()
