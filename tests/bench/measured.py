"""Runs one program and records its resource usage: `python -S measured.py REPORT PROGRAM [ARGUMENT ...]`.

A small process of its own, for a child begins with its parent's memory as its peak.
"""

from __future__ import annotations

import json
import os
import sys
import time


def main() -> int:
    """Runs the program to its end, and gives its exit code."""
    report, *command = sys.argv[1:]
    began = time.monotonic()
    pid = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(pid, 0)
    wall = time.monotonic() - began
    code = os.waitstatus_to_exitcode(status)
    with open(report, "w") as file:
        figures = {
            "wall": wall,
            "cpu": usage.ru_utime + usage.ru_stime,
            "peak": usage.ru_maxrss * 1024,
            "exit_code": code,
        }
        json.dump(figures, file)
    return code if code >= 0 else 1


if __name__ == "__main__":
    sys.exit(main())
