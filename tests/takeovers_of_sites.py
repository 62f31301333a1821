"""How long a take-over takes: `python -m tests.takeovers_of_sites --lease 15 --times 10`.

Two machines on one shard. The one that holds it is killed (-9), or its lines swallow everything from one moment to the
next (as in a power cut); measured is the time from then until the other one has written what changed at that moment.
Most of it is waiting, so that several clusters can be measured at a time (`--parallel`).
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

_HERE = Path(__file__).parent
sys.path[:0] = [
    str(_HERE.parent),
    *(str(_HERE / "integration" / part) for part in ("", "coordination", "listener")),
]
WAYS = ("kill -9", "power cut")


def measure(lease: int, times: int) -> dict[str, list[float]]:
    """The seconds of so many take-overs of each way to go, in a cluster of its own."""
    import clusters
    import engines
    from rabbit import wait_for
    from sites import is_true, writes_by
    from world import served

    found: dict[str, list[float]] = {}
    folder = Path(tempfile.mkdtemp(prefix="takeovers-"))
    with engines.etcd() as engine:
        engine.empty()
        with (
            served(folder, max_deletes=100) as world,
            clusters.cluster(world, engine, 2, 1, 0, interval=600, lease=lease) as of,
        ):

            def settled() -> bool:
                time.sleep(0.2)
                return is_true(world)

            wait_for(settled, 120)
            server = next(s for s in world.cloud.servers.values() if s.name == "node-0")
            for way in WAYS:
                for number in range(times):
                    holder = wait_for(lambda: next((m for m in of.machines if m.held()), None), 120)
                    other = next(m for m in of.machines if m is not holder)
                    wait_for(other.takes_part, 120)
                    wait_for(settled, 120)
                    # So that it goes at any moment between two refreshes.
                    time.sleep(lease / 4 * (number % 8) / 8)
                    world.concertim.wire.reset()
                    world.cloud.set_server_state(server, "stopped" if server.vm_state == "active" else "active")
                    gone = time.time()
                    if way == "kill -9":
                        holder.end(signal.SIGKILL)
                    else:
                        for line in holder.lines:
                            line.break_off("swallow")
                    wait_for(lambda other=other: writes_by(world).get(other.name), 120)
                    found.setdefault(way, []).append(writes_by(world)[other.name][0].at - gone)
                    holder.end(signal.SIGKILL)
                    for line in holder.lines:
                        line.restore()
                    (holder.site.folder / "log" / "updates_bulk.log").unlink()
                    holder.start()
    return found


def main() -> None:
    """Measures, and prints one line for each way to go."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lease", type=int, default=15)
    parser.add_argument("--times", type=int, default=10, help="of each way, in each cluster")
    parser.add_argument("--parallel", type=int, default=1, help="clusters at a time")
    arguments = parser.parse_args()
    with ProcessPoolExecutor(arguments.parallel, multiprocessing.get_context("spawn")) as pool:
        each = list(pool.map(measure, [arguments.lease] * arguments.parallel, [arguments.times] * arguments.parallel))
    for way in WAYS:
        seconds = sorted(second for found in each for second in found[way])
        print(
            f"{way}, lease {arguments.lease} s: p50 {statistics.median(seconds):.1f} s, "
            f"worst {seconds[-1]:.1f} s of {len(seconds)} ({', '.join(f'{second:.1f}' for second in seconds)})",
            flush=True,
        )


if __name__ == "__main__":
    os.environ["PYTHONWARNINGS"] = ""
    main()
