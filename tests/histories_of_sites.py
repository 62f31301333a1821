"""Histories of several machines, as many as there is time for: `python -m tests.histories_of_sites --seconds 600`."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

_HERE = Path(__file__).parent
sys.path[:0] = [str(_HERE.parent), *(str(_HERE / "integration" / part) for part in ("", "coordination"))]


def main() -> int:
    """Runs histories until the time is over; says which failed, with the seeds that lead there again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long new histories are begun")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the first history")
    parser.add_argument("--steps", type=int, default=5, help="faults in a history")
    parser.add_argument("--engine", choices=("etcd", "redis"), default="etcd")
    arguments = parser.parse_args()
    import engines
    import histories
    from world import served

    deadline = time.monotonic() + arguments.seconds
    seed, done, failed = arguments.seed, 0, []
    while time.monotonic() < deadline:
        count, of = ((2, 1), (3, 6), (2, 6), (3, 1))[seed % 4]
        folder = Path(tempfile.mkdtemp(prefix=f"history-{seed}-"))
        with engines.etcd() if arguments.engine == "etcd" else engines.redis() as engine:
            engine.empty()
            with served(folder, max_deletes=100) as world, histories.land(world, engine, count, of, seed) as land:
                try:
                    for _ in range(5):
                        histories.history(land, arguments.steps)
                        done += 1
                        if time.monotonic() >= deadline:
                            break
                except Exception as error:
                    failed.append(seed)
                    print(f"seed {seed}, {count} sites, {of} shards: {error}; logs in {folder}")
                    print("   ", "; ".join(land.told), flush=True)
        seed += 1
    print(f"{done} histories, {len(failed)} failed {failed or ''} (seeds {arguments.seed} to {seed - 1})")
    return 1 if failed else 0


if __name__ == "__main__":
    os.environ["PYTHONWARNINGS"] = ""
    sys.exit(main())
