"""How long a take-over takes: `python -m tests.takeovers_of_sites --lease 15 --times 10`.

Two machines on one shard. The one that holds it is killed (-9), or its lines swallow everything from one moment to the
next (as in a power cut); measured is the time from then until the other one has written what changed at that moment.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

_HERE = Path(__file__).parent
sys.path[:0] = [
    str(_HERE.parent),
    *(str(_HERE / "integration" / part) for part in ("", "coordination", "listener")),
]


def main() -> None:
    """Measures, and prints one line for each way to go."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lease", type=int, default=15)
    parser.add_argument("--times", type=int, default=10)
    arguments = parser.parse_args()
    import engines
    import histories
    from rabbit import wait_for
    from sites import is_true, writes_by
    from world import served

    histories.LEASE = arguments.lease
    folder = Path(tempfile.mkdtemp(prefix="takeovers-"))
    with engines.etcd() as engine:
        engine.empty()
        with served(folder, max_deletes=100) as world, histories.land(world, engine, 2, 1, 0, interval=600) as land:
            wait_for(lambda: is_true(world), 60)
            one, two = land.machines
            server = next(s for s in world.cloud.servers.values() if s.name == "node-0")
            for how in ("kill -9", "power cut"):
                seconds: list[float] = []
                for number in range(arguments.times):
                    holder = next(m for m in (one, two) if m.site.name == histories.last_taken(land))
                    other = two if holder is one else one
                    wait_for(lambda other=other: "standing by" in other.site.log(), 60)
                    # So that it goes at any moment between two refreshes.
                    wait_for(lambda: is_true(world), 60)
                    time.sleep(arguments.lease / 4 * (number % 8) / 8)
                    before = len(writes_by(world).get(other.site.name, ()))
                    world.cloud.set_server_state(server, "stopped" if server.vm_state == "active" else "active")
                    gone = time.time()
                    if how == "kill -9":
                        holder.end(signal.SIGKILL)
                    else:
                        for line in (holder.to_engine, holder.to_concertim):
                            line.break_off("swallow")
                    wait_for(
                        lambda other=other, before=before: len(writes_by(world).get(other.site.name, ())) > before, 120
                    )
                    seconds.append(writes_by(world)[other.site.name][before].at - gone)
                    holder.end(signal.SIGKILL)
                    for line in (holder.to_engine, holder.to_concertim):
                        line.restore()
                    (holder.site.folder / "log" / "updates_bulk.log").rename(folder / f"{how[:5]}-{number}.log")
                    holder.start()
                print(
                    f"{how}, lease {arguments.lease} s: p50 {statistics.median(seconds):.1f} s, "
                    f"worst {max(seconds):.1f} s of {len(seconds)}",
                    flush=True,
                )


if __name__ == "__main__":
    os.environ["PYTHONWARNINGS"] = ""
    main()
