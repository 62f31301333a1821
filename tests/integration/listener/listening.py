"""`cos-update listen` as an operator runs it: configuration, start and inspection."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pika.exceptions
from rabbit import RabbitNode, wait_for
from world import World, shown, wanted

from cos_update.fakes.openstack.records import Project, Server

QUEUE = "cos-update-test"


def rmq(broker: RabbitNode, **more: object) -> dict[str, object]:
    """The section of the configuration."""
    return {
        "rmq_username": "guest",
        "rmq_password": "guest",
        "rmq_address": "127.0.0.1",
        "rmq_port": broker.port,
        "queue": QUEUE,
        **more,
    }


@contextmanager
def queues(broker: RabbitNode, *names: str) -> Iterator[None]:
    """Sees that queues of these names, and the services' exchanges, are gone afterwards."""
    yield
    broker.reset()
    with broker.channel() as channel:
        for name in names:
            channel.queue_delete(name)


class Listener:
    """A listener in a separate process; its output goes to `listener.err` next to its configuration."""

    def __init__(self, world: World, *arguments: str, program: tuple[str, ...] = ("-m", "cos_update")) -> None:
        command = [sys.executable, *program, "--config", str(world.folder / "config.yaml"), "listen", *arguments]
        self._output = world.folder / "listener.err"
        with self._output.open("ab") as stderr:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=stderr)

    def consuming(self, broker: RabbitNode, queue: str = QUEUE) -> Listener:
        """Waits until somebody consumes the queue."""
        wait_for(lambda: consumers(broker, queue) > 0, timeout=60, what=f"a consumer of {queue} ({self.output()})")
        return self

    def end(self, how: signal.Signals = signal.SIGTERM, timeout: float = 60) -> int:
        """Ends the process if it runs; returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(timeout)

    def kill(self) -> None:
        """Ends the process as a power cut would."""
        self.end(signal.SIGKILL)

    def resident(self) -> int:
        """Bytes of memory in use."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE")

    def output(self) -> str:
        """What listeners of this configuration have written to stderr."""
        return self._output.read_text()


def consumers(broker: RabbitNode, queue: str = QUEUE) -> int:
    """How many consumers a queue has; 0 when there is no such queue."""
    with broker.channel() as channel:
        try:
            return int(channel.queue_declare(queue, passive=True).method.consumer_count)
        except pika.exceptions.ChannelClosedByBroker:
            return 0


def messages(broker: RabbitNode, queue: str = QUEUE) -> int:
    """How many messages the broker holds in a queue, acknowledged by nobody yet."""
    listed = broker.ctl("list_queues", "-q", "name", "messages")
    return sum(int(line.split("\t")[1]) for line in listed.splitlines() if line.split("\t")[0] == queue)


def drain(world: World, *arguments: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
    return world.run("listen", "--drain", *arguments, expect=expect)


def in_step(world: World) -> None:
    """Concertim shows the cloud, a pass finds nothing left to do, and nothing had to be refused."""
    assert shown(world.actual()) == wanted(world.desired())
    world.concertim.wire.reset()
    world.bulk()
    assert world.writes() == []
    assert world.concertim.refusals == []


def team(world: World) -> Project:
    return next(p for p in world.cloud.projects.values() if p.name == "CM_team_a")


def node(world: World, name: str = "alpha-node0") -> Server:
    return next(s for s in world.cloud.servers.values() if s.name == name)


def status(world: World, server: Server) -> str | None:
    """The status that Concertim shows of a server; None when it shows none of it."""
    devices = (
        d for d in world.concertim.state.devices.values() if d.metadata.get("openstack_instance_id") == server.id
    )
    return next((device.status for device in devices), None)
