"""Small readers modelled on the services of both generations, in a process without our package."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from cos_update.model.settings import ViewFor

FOLDER = Path(__file__).parents[1] / "fixtures" / "neighbours"


def read_by(form: ViewFor, path: Path) -> dict[str, Any]:
    """What the readers of one generation find in a view; fails when one of them does."""
    command = [sys.executable, "-I", "-S", str(FOLDER / f"read_{form}.py"), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd="/")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))
