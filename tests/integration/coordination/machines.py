"""A machine of a history: its daemons, its lines to everything else, and what its logs tell."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rabbit import Proxy
from sites import SiteOf

from cos_update.coordination.clock import boottime

LOGS = {"bulk": "bulk", "listen": "mq"}
"""The daemons of a machine, and what their logs are called by."""
_LEASE = re.compile(r"^(\S+) INFO +leases .*?shard (\d+) of \d+ is (held by this site|handed over)")
_PASS = "pass ends"


class Line(Proxy):
    """A connection to the first of several ports that answers, as through a load balancer.

    It can be cut, closed for new connections, or swallow whatever is sent (as after a power cut).
    """

    def __init__(self, *targets: int) -> None:
        self.swallows = False
        self._targets = targets
        super().__init__(targets[0])

    def _connect(self) -> socket.socket:
        for port in self._targets[:-1]:
            with suppress(OSError):
                return socket.create_connection(("127.0.0.1", port))
        return socket.create_connection(("127.0.0.1", self._targets[-1]))

    def _pump(self, source: socket.socket, sink: socket.socket, from_broker: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if not self.swallows:
                    sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def break_off(self, how: str) -> None:
        """Cuts it: `refuse` answers with a reset, `swallow` not at all."""
        if how == "refuse":
            self.accepting = False
            self.cut()
        else:
            self.swallows = True

    def restore(self) -> None:
        """Works again; what was lost stays lost."""
        if self.swallows:
            self.swallows = False
            self.cut()
        self.accepting = True


@dataclass(frozen=True, order=True, slots=True)
class Holding:
    """A line of a log about a lease: when (Unix time) a shard was taken, or else handed over, and by whom."""

    at: float
    shard: int
    site: str
    is_taken: bool


@dataclass
class _Tail:
    """What a log said so far, read once."""

    holdings: list[Holding] = field(default_factory=list)
    passes: int = 0
    offset: int = 0


@dataclass
class Machine:
    """A site with one daemon or two, and its lines."""

    site: SiteOf
    roles: tuple[str, ...]
    to_engine: Line
    to_concertim: Line
    to_brokers: tuple[Line, ...] = ()
    interval: float = 1
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _tails: dict[str, _Tail] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.site.name

    @property
    def lines(self) -> tuple[Line, ...]:
        return (self.to_engine, self.to_concertim, *self.to_brokers)

    def running(self) -> list[str]:
        """The daemons that run (or are stopped)."""
        return [role for role, process in self.processes.items() if process.poll() is None]

    def start(self) -> None:
        """Starts what does not run, and has what is stopped go on."""
        for role in self.roles:
            if role in self.running():
                self.processes[role].send_signal(signal.SIGCONT)
            else:
                options = ("--interval", str(self.interval)) if role == "bulk" else ()
                self.processes[role] = self.site.start(role, *options)

    def signal(self, number: signal.Signals, *roles: str) -> None:
        """Sends a signal to these daemons, or to all."""
        for role in roles or self.roles:
            if role in self.running():
                self.processes[role].send_signal(number)

    def end(self, number: signal.Signals, *roles: str) -> None:
        """Ends these daemons, or all."""
        self.signal(signal.SIGCONT, *roles)
        self.signal(number, *roles)
        for role in roles or self.roles:
            if role in self.processes:
                self.processes[role].wait(60)

    def close(self) -> None:
        """Kills its daemons, and removes its lines."""
        self.end(signal.SIGKILL)
        for line in self.lines:
            line.__exit__()

    def held(self) -> set[int]:
        """The shards that it is sure to hold now."""
        leases = self._leases().get("leases", {})
        return {int(shard) for shard, lease in leases.items() if lease["good_until"] > boottime()}

    def takes_part(self) -> bool:
        """Whether the daemons that run now are known to the engine."""
        document = self._leases()
        pids = {process.pid for process in self.processes.values()}
        return document.get("pid") in pids and any(member["site"] == self.name for member in document["members"])

    def _leases(self) -> dict[str, Any]:
        with suppress(OSError, ValueError):  # it has published nothing yet
            return dict(json.loads((self.site.data_dir / "leases.json").read_bytes()))
        return {}

    def passes(self) -> int:
        """How many passes bulk has ended."""
        return self._tail("bulk").passes

    def holdings(self) -> list[Holding]:
        """All that it has said of leases."""
        return [holding for role in self.roles for holding in self._tail(role).holdings]

    def _tail(self, role: str) -> _Tail:
        tail = self._tails.setdefault(role, _Tail())
        with suppress(OSError), (self.site.folder / "log" / f"updates_{LOGS[role]}.log").open("rb") as file:
            file.seek(tail.offset)
            whole, ended, _ = file.read().rpartition(b"\n")
            tail.offset += len(whole) + len(ended)
            for line in whole.decode(errors="replace").splitlines():
                tail.passes += _PASS in line
                if match := _LEASE.match(line):
                    at = datetime.fromisoformat(match[1]).timestamp()
                    tail.holdings.append(Holding(at, int(match[2]), self.name, match[3] != "handed over"))
        return tail
