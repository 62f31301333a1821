"""Kills passes: `killing.py FOLDER BEFORE FORM` leaves in FOLDER a data dir for each moment at which one was killed.

Each was written for BEFORE, and then by a pass for FORM that was killed at its n-th touch of a file; the last was not.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

from view_samples import view

from cos_update import neighbours
from cos_update.model.settings import ViewFor
from cos_update.store import View, ViewStore, publish

TOUCHES = ("open", "os.rename", "os.remove", "os.chmod", "os.truncate", "fcntl.flock", "fsync")
"""What a process does to files, as Python's audit calls it."""


def a_pass(store: ViewStore, wanted: ViewFor | None, what: View | None = None) -> ViewFor:
    """What a pass does to the data dir."""
    form = store.arrange(wanted)
    known = store.load() or what or view()
    publish(store, neighbours.write, store.save(replace(known, view_for=form)))
    return form


def _killed(folder: Path, form: ViewFor, moment: int) -> bool:
    """Whether a pass in a process of its own gets as far as its `moment`-th touch, where it is killed."""
    child = os.fork()
    if child == 0:
        count, fsync = 0, os.fsync

        def audit(event: str, _: object) -> None:
            nonlocal count
            count += event in TOUCHES
            if event in TOUCHES and count == moment:
                os.kill(os.getpid(), signal.SIGKILL)

        def audited(handle: int) -> None:
            sys.audit("fsync")
            fsync(handle)

        sys.addaudithook(audit)
        os.fsync = audited
        a_pass(ViewStore(folder, "bulk"), form)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def main(root: Path, before: ViewFor, form: ViewFor) -> None:
    """Kills a pass at each moment."""
    moment, goes_on = 0, True
    while goes_on:
        moment += 1
        folder = root / str(moment)
        folder.mkdir()
        a_pass(ViewStore(folder, "bulk"), before)
        goes_on = _killed(folder, form, moment)


if __name__ == "__main__":
    main(Path(sys.argv[1]), ViewFor(sys.argv[2]), ViewFor(sys.argv[3]))
