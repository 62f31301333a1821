"""The start of the program, and the view on disk."""

from __future__ import annotations

import json
import sys
from statistics import median

from .figures import Figure, Result, Target
from .installation import Installation
from .programs import CLI, bare, run
from .sharing import FORMS


def start(repeat: int) -> Result:
    """`cos-update --help`, alternating with a Python that only imports click."""
    runs = repeat * 5
    ours, floors = [], []
    for _ in range(runs):
        ours.append(run([CLI, "--help"]))
        floors.append(run([sys.executable, "-c", "import click"]))
    figures = [
        Figure("wall", median(c.wall for c in ours), "s", median(c.wall for c in floors), Target(1.3, of_floor=True)),
        Figure("CPU", median(c.cpu for c in ours), "s", median(c.cpu for c in floors)),
    ]
    return Result("start", f"cos-update --help beside python -c 'import click', median of {runs}", figures)


def view(installation: Installation, repeat: int) -> Result:
    """Loading and saving the view of a real pass, compared with a bare pickle of the same plain data.

    Writing it for other services stands beside saving it for ourselves.
    """
    runs = repeat * 3
    task = {"data_dir": str(installation.data_dir), "runs": runs}
    measured = json.loads(bare("viewing", task).output)
    middle = {name: median(seconds) for name, seconds in measured["taken"].items()}
    target = Target(1.5, of_floor=True)
    figures = [
        Figure("load", middle["load"], "s", middle["bare load"], target),
        Figure("save", middle["save"], "s", middle["bare save"], target),
        *(Figure(f"for {form} besides", middle[form], "s", middle["save"], Target(1.0)) for form in FORMS),
    ]
    words = f"{measured['devices']:,} devices, beside pickle from and to a file, median of {runs}"
    return Result("view", words, figures)
