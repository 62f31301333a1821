"""Histories of several machines, as many as there is time for: `python -m tests.histories_of_sites --seconds 600`.

`--parallel 3` makes as many clusters at a time, each with an engine of its own. `--brokers 3` has listeners too, on a
RabbitMQ cluster with quorum queues.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

_HERE = Path(__file__).parent
sys.path[:0] = [
    str(_HERE.parent),
    *(str(_HERE / "integration" / part) for part in ("", "coordination", "listener")),
]
SIZES = ((2, 1), (3, 6), (2, 6), (3, 1))
"""Machines at the beginning, and shards."""
APART = 10_000
"""The seeds of parallel clusters are so far apart."""


@dataclass
class Tally:
    """What came of the histories of one process: how many, the seeds that failed, and what struck how often."""

    done: int = 0
    failed: list[int] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)
    struck: Counter[str] = field(default_factory=Counter)
    cpu: float = 0.0
    """Seconds, of everything."""


def live(arguments: argparse.Namespace, first: int) -> Tally:
    """Runs cluster after cluster until the time is over, beginning with this seed."""
    import clusters
    import engines
    import histories
    from rabbit import cluster
    from world import served

    tally, seed = Tally(), first
    deadline = time.monotonic() + arguments.seconds
    with ExitStack() as held:
        engine = held.enter_context(engines.redis() if arguments.engine == "redis" else engines.etcd(arguments.nodes))
        brokers = held.enter_context(cluster(arguments.brokers))
        while time.monotonic() < deadline:
            machines, shards = SIZES[seed % len(SIZES)]
            folder = Path(tempfile.mkdtemp(prefix=f"history-{seed}-"))
            engine.heal()
            engine.empty()
            done = 0
            with (
                served(folder, max_deletes=100) as world,
                clusters.cluster(
                    world, engine, machines, shards, seed, brokers=brokers, lease=arguments.lease
                ) as found,
            ):
                try:
                    while done < arguments.histories and (not done or time.monotonic() < deadline):
                        histories.history(found, arguments.steps)
                        done += 1
                        tally.struck.update(told.split()[0] for told in found.told)
                    histories.check_as_a_stranger(found)
                except Exception as error:
                    tally.failed.append(seed)
                    print(f"seed {seed}, {machines} sites, {shards} shards: {error}; logs in {folder}")
                    print("   ", "; ".join(found.told), flush=True)
            if seed not in tally.failed:
                shutil.rmtree(folder, ignore_errors=True)
            print(
                f"{time.strftime('%H:%M:%S')} seed {seed}: {done} histories, load {os.getloadavg()[0]:.0f}", flush=True
            )
            tally.done += done
            tally.seeds.append(seed)
            seed += 1
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    tally.cpu = sum(each.ru_utime + each.ru_stime for each in used)
    return tally


def main() -> int:
    """Runs histories until the time is over; says which failed, with the seeds that lead there again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long new histories are begun")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the first cluster")
    parser.add_argument("--steps", type=int, default=4, help="faults in a history")
    parser.add_argument("--histories", type=int, default=20, help="of each cluster")
    parser.add_argument("--parallel", type=int, default=1, help="clusters at a time")
    parser.add_argument("--lease", type=int, default=3, help="longer where the machine is busy with other work")
    parser.add_argument("--engine", choices=("etcd", "redis"), default="etcd")
    parser.add_argument("--nodes", type=int, default=1, help="of etcd; with 3 its leader is killed too")
    parser.add_argument("--brokers", type=int, default=0, help="nodes of RabbitMQ: 0 for bulk alone")
    arguments = parser.parse_args()
    firsts = [arguments.seed + APART * number for number in range(arguments.parallel)]
    with ProcessPoolExecutor(arguments.parallel, multiprocessing.get_context("spawn")) as pool:
        tallies = list(pool.map(live, [arguments] * arguments.parallel, firsts))
    failed = [seed for tally in tallies for seed in tally.failed]
    struck = sum((tally.struck for tally in tallies), Counter[str]())
    done = sum(tally.done for tally in tallies)
    seeds = ", ".join(f"{tally.seeds[0]} to {tally.seeds[-1]}" for tally in tallies)
    print(", ".join(f"{name} {count}" for name, count in struck.most_common()))
    print(f"{sum(tally.cpu for tally in tallies) / max(done, 1):.1f} s of processor time each")
    print(f"{done} histories, {len(failed)} failed {failed or ''} (seeds {seeds})")
    return 1 if failed else 0


if __name__ == "__main__":
    os.environ["PYTHONWARNINGS"] = ""
    sys.exit(main())
