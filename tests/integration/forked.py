"""Runs the program in processes forked from a server that has imported it: most of a short run's time is the imports.

Each is a process of its own with its own streams, environment and exit code. What depends on how an interpreter starts
(locale, closed streams) or on signals is tested with processes made from scratch.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NoReturn

MODULES = (
    "cos_update.cli.bulk", "cos_update.cli.check", "cos_update.cli.config", "cos_update.cli.diff",
    "cos_update.cli.explain", "cos_update.cli.health", "cos_update.cli.listen", "cos_update.cli.sites",
    "cos_update.cli.status", "cos_update.cli.takeover", "cos_update.cli.view", "cos_update.openstack.sessions",
    "cos_update.concertim.client", "cos_update.sync.daemon", "openstack.connection", "pika", "requests", "rich.table",
)  # fmt: skip


def run(*arguments: str, environ: Mapping[str, str], timeout: float) -> subprocess.CompletedProcess[str]:
    """As `subprocess.run` of the program, with its output captured and nothing to read.

    Raises TimeoutError, having killed it.
    """
    with (
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as errors,
        socket.socket(socket.AF_UNIX) as connection,
    ):
        connection.settimeout(timeout)
        connection.connect(_server())
        order = json.dumps([arguments, dict(environ), os.getcwd()]).encode()
        socket.send_fds(connection, [len(order).to_bytes(4)], [output.fileno(), errors.fileno()])
        connection.sendall(order)
        code = int(connection.makefile().readline())
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(arguments, code, output.read().decode(), errors.read().decode())


@cache
def _server() -> str:
    """The address of this process's server, which ends with it."""
    folder = tempfile.TemporaryDirectory(prefix="forked-")
    address = str(Path(folder.name, "socket"))
    command = [sys.executable, __file__, address]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdin is not None
    assert server.stdout is not None
    atexit.register(folder.cleanup)
    atexit.register(server.stdin.close)
    assert server.stdout.readline() == "ready\n"
    return address


def _serve(address: str) -> NoReturn:
    for module in MODULES:
        importlib.import_module(module)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        print("ready", flush=True)
        while listener in select.select([listener, sys.stdin], [], [])[0]:
            connection, _ = listener.accept()
            if not os.fork():
                listener.close()
                _answer(connection)
            connection.close()
    os._exit(0)


def _answer(connection: socket.socket) -> NoReturn:
    """Starts the program, and sends its exit code when it has ended; kills it if nobody waits any more."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    size, (output, errors), _, _ = socket.recv_fds(connection, 4, 2)
    arguments, environ, folder = json.loads(connection.makefile("rb").read(int.from_bytes(size)))
    if not (process := os.fork()):
        connection.close()
        for number, stream in enumerate((os.open(os.devnull, os.O_RDONLY), output, errors)):
            os.dup2(stream, number)
            os.close(stream)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environ)
        from cos_update.cli.main import main

        sys.argv[1:] = arguments
        main()
    ended = os.pidfd_open(process)
    if connection in select.select([ended, connection], [], [])[0]:
        os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    with suppress(BrokenPipeError):
        connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


if __name__ == "__main__":
    _serve(sys.argv[1])
