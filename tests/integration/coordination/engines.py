"""A private etcd or Redis for tests, from Debian's packages, on ports of its own and with nothing kept of it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import etcd3gw
from rabbit import free_port, wait_for
from redis import Redis

from cos_update.coordination.backend import Backend
from cos_update.model.settings import CoordinationSettings

_MEMORY = "/dev/shm"
_ROOM = 2 * 1024**3


def available() -> bool:
    """True when both engines are installed."""
    return shutil.which("etcd") is not None and shutil.which("redis-server") is not None


def _in_memory() -> str | None:
    """A folder in memory where there is one with much room, for a busy disk makes an etcd that misses its deadlines."""
    is_roomy = os.path.isdir(_MEMORY) and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ROOM
    return _MEMORY if is_roomy else None


@dataclass
class Engine:
    """A running engine: where it listens, and its processes."""

    kind: str
    ports: tuple[int, ...]
    processes: list[subprocess.Popen[bytes]]
    start_node: Callable[[int], subprocess.Popen[bytes]]

    def url(self, port: int | None = None) -> str:
        """Its address as tooz takes it; by another port where a proxy is in between."""
        scheme = "etcd3+http" if self.kind == "etcd" else "redis"
        return f"{scheme}://127.0.0.1:{port or self.ports[0]}"

    def kill(self, node: int) -> None:
        """Ends a node as a power cut would."""
        _end(self.processes[node])

    def heal(self) -> bool:
        """Starts the nodes that do not run; returns whether there were any."""
        dead = [number for number, process in enumerate(self.processes) if process.poll() is not None]
        for number in dead:
            self.processes[number] = self.start_node(number)
        return bool(dead)

    def leader(self) -> int:
        """Which of an etcd cluster's nodes leads."""
        for number, port in enumerate(self.ports):
            status = etcd3gw.client(port=port).status()
            if status["leader"] == status["header"]["member_id"]:
                return number
        raise RuntimeError("nobody leads")

    def empty(self) -> None:
        """Has it forget everything, but that there were sites: with a new engine they wait for a lease's life."""
        self.forget()
        known = Backend(CoordinationSettings(self.url()), "test")
        known.open(joins=True)
        known.close()

    def forget(self) -> None:
        """Has it forget everything."""
        if self.kind == "etcd":
            etcd3gw.client(port=self.ports[0]).delete_prefix("/tooz")
            etcd3gw.client(port=self.ports[0]).delete_prefix("tooz")
        else:
            Redis(port=self.ports[0]).flushall()


@contextmanager
def etcd(nodes: int = 1) -> Iterator[Engine]:
    """An etcd cluster."""
    folder = Path(tempfile.mkdtemp(prefix="etcd-", dir=_in_memory()))
    clients = [free_port() for _ in range(nodes)]
    peers = [free_port() for _ in range(nodes)]
    cluster = ",".join(f"n{i}=http://127.0.0.1:{port}" for i, port in enumerate(peers))
    commands = [
        [
            "etcd", "--name", f"n{i}", "--data-dir", str(folder / f"n{i}"), "--initial-cluster", cluster,
            "--listen-client-urls", f"http://127.0.0.1:{clients[i]}",
            "--advertise-client-urls", f"http://127.0.0.1:{clients[i]}",
            "--listen-peer-urls", f"http://127.0.0.1:{peers[i]}",
            "--initial-advertise-peer-urls", f"http://127.0.0.1:{peers[i]}",
            "--heartbeat-interval", "50", "--election-timeout", "500", "--logger", "zap", "--log-level", "error",
        ]
        for i in range(nodes)
    ]  # fmt: skip
    with _running("etcd", tuple(clients), commands, folder) as engine:
        for port in clients:
            wait_for(lambda port=port: _is_healthy(port), what="an etcd that answers")
        yield engine


@contextmanager
def redis() -> Iterator[Engine]:
    """A Redis without persistence."""
    folder = Path(tempfile.mkdtemp(prefix="redis-"))
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with _running("redis", (port,), [command], folder) as engine:
        wait_for(lambda: _listens(port), what="a Redis that answers")
        yield engine


@contextmanager
def _running(kind: str, ports: tuple[int, ...], commands: Sequence[list[str]], folder: Path) -> Iterator[Engine]:
    environ: dict[str, Any] = {**os.environ, "ETCD_UNSUPPORTED_ARCH": "arm64"}

    def start(number: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            commands[number], cwd=folder, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    processes = [start(number) for number in range(len(commands))]
    try:
        yield Engine(kind, ports, processes, start)
    finally:
        for process in processes:
            _end(process)
        shutil.rmtree(folder, ignore_errors=True)


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGKILL)
    process.wait()


def _is_healthy(port: int) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1) as answer:
        return b"true" in answer.read()
    return False


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
