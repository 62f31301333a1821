"""Loads and saves a view, writes it for other services, and the same plain data by pickle alone, in turn.

Its task, on stdin: `data_dir`, of which the view is copied first, and `runs`. Prints the seconds that each took.
"""

from __future__ import annotations

import gc
import json
import pickle
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from cos_update import neighbours
from cos_update.model.settings import ViewFor
from cos_update.store import ViewStore, publish


def main() -> None:
    """Does the task."""
    task = json.load(sys.stdin)
    taken: defaultdict[str, list[float]] = defaultdict(list)
    devices = 0
    with tempfile.TemporaryDirectory(prefix="viewing-") as folder:
        own, bare = Path(folder) / "view.pickle", Path(folder) / "bare.pickle"
        shutil.copy(Path(task["data_dir"]) / own.name, own)
        store = ViewStore(Path(folder), "bulk")
        for _ in range(task["runs"]):
            with timed(taken["load"]):
                view = store.load()
            assert view is not None
            with timed(taken["save"]):
                store.save(view)
            devices = len(view.actual.devices)
            for form in (ViewFor.CONSER, ViewFor.CON_OPSTK):
                store.arrange(form)
                saved = store.save(replace(view, view_for=form))
                with timed(taken[form]):
                    publish(store, neighbours.write, saved)
            store.arrange(ViewFor.NONE)
            store.save(view)
            del view, saved
            with timed(taken["bare load"]):
                plain = pickle.loads(own.read_bytes())
            with timed(taken["bare save"]):
                bare.write_bytes(pickle.dumps(plain, protocol=4))
            del plain
    json.dump({"taken": taken, "devices": devices}, sys.stdout)


@contextmanager
def timed(seconds: list[float]) -> Iterator[None]:
    """Adds to `seconds` what the block takes, with no garbage of what went before."""
    gc.collect()
    began = time.perf_counter()
    yield
    seconds.append(time.perf_counter() - began)


if __name__ == "__main__":
    main()
