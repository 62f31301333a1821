"""`python -m tests.simulated --histories 2000`: says which seeds fail."""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
import tempfile
import time
from pathlib import Path

from .sites import history


def main() -> int:
    """Runs so many histories from a seed on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=8)
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    began, writes, fenced, takings, failed = time.process_time(), 0, 0, 0, []
    for seed in range(arguments.seed, arguments.seed + arguments.histories):
        folder = Path(tempfile.mkdtemp(prefix="simulated-"))
        try:
            world = history(folder, seed, arguments.steps)
            writes, fenced, takings = writes + world.writes, fenced + world.fenced, takings + world.engine.takings
        except AssertionError as error:
            failed.append(seed)
            print(f"seed {seed}: {error}", flush=True)
        finally:
            shutil.rmtree(folder)
    each = (time.process_time() - began) / arguments.histories
    print(
        f"{arguments.histories} histories from seed {arguments.seed} on, {len(failed)} failed {failed or ''}: {writes} "
        f"writes, {fenced} fenced, {takings} shards taken; {each:.2f} s of processor time each"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
