"""Signals during work, in a process of their own."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

LATE = """
import ctypes, os, sys, threading, time
from cos_update.cli.stop import stopping

libc = ctypes.CDLL(None)
mutex = ctypes.create_string_buffer(256)

def send():
    while mutex.raw[0] != 2:  # glibc: locked, and somebody waits
        time.sleep(0.01)
    os.kill(os.getpid(), int(sys.argv[1]))
    stop.wait()
    libc.pthread_mutex_unlock(mutex)

libc.pthread_mutex_lock(mutex)
with stopping(within=30.0) as stop:
    threading.Thread(target=send).start()
    libc.pthread_mutex_lock(mutex)
print(stop.word)
"""
"""The main thread runs none of Python's handlers until the guard has handled the signal in its place."""


@pytest.mark.parametrize(
    ("number", "word"), [(signal.SIGINT, "Interrupted"), (signal.SIGTERM, "Terminated")], ids=["SIGINT", "SIGTERM"]
)
def test_a_signal_that_the_main_thread_handles_late_counts_once(number: signal.Signals, word: str) -> None:
    done = subprocess.run([sys.executable, "-c", LATE, str(int(number))], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, f"{word}\n"), done.stderr
