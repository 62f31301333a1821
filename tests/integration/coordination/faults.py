"""Faults of machines, engine and broker in a history, and changes of the cloud."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import suppress

import pika.exceptions
from clusters import Cluster
from machines import Line, Machine
from rabbit import wait_for
from sites import writes_by

from cos_update.fakes.openstack.records import Project, Server, Stack
from cos_update.model.events import Key
from cos_update.model.kinds import ResourceKind

Fault = Callable[[Cluster, Machine], None]

MANY = 60
"""Servers from which on the cloud does not grow any more."""
LONGER = (1.2, 2.0)
"""Leases for which a machine is out."""


def change(of: Cluster) -> None:
    """Something happens in the cloud."""
    cloud, rng = of.world.cloud, of.rng
    projects: list[Project] = [p for p in cloud.projects.values() if p.name.startswith("CM_")]
    servers: list[Server] = [s for s in cloud.servers.values() if s.name.startswith("node-")]
    stacks: list[Stack] = [s for s in cloud.stacks.values() if s.name.startswith("stack-")]
    what = rng.random()
    if (what < 0.35 and len(servers) < MANY) or len(servers) < 3:
        stack = cloud.create_stack(rng.choice(projects), f"stack-{rng.randrange(10**6)}")
        changed = [cloud.add_server(stack, f"node-{rng.randrange(10**6)}") for _ in range(rng.randint(1, 4))]
        of.untold += [_stack_key(stack), *map(_server_key, changed)]
    elif what < 0.8:
        server = rng.choice(servers)
        cloud.set_server_state(server, rng.choice(("active", "stopped", "suspended", "error")))
        of.untold.append(_server_key(server))
    elif what < 0.9 or not stacks:
        server = rng.choice(servers)
        of.untold.append(_server_key(server))
        cloud.delete_server(server)
    else:
        stack = rng.choice(stacks)
        of.untold.append(_stack_key(stack))
        cloud.delete_stack(stack)


def _server_key(server: Server) -> Key:
    return Key(ResourceKind.SERVER, server.id, server.project_id)


def _stack_key(stack: Stack) -> Key:
    return Key(ResourceKind.STACK, stack.id, stack.project_id)


def _some(of: Cluster, machine: Machine) -> tuple[str, ...]:
    """All of a machine's daemons, or one of them."""
    return machine.roles if of.rng.random() < 0.6 else (of.rng.choice(machine.roles),)


def _how(of: Cluster) -> str:
    return of.rng.choice(("refuse", "swallow"))


def kill(of: Cluster, machine: Machine) -> None:
    machine.end(signal.SIGKILL, *_some(of, machine))


def leave(of: Cluster, machine: Machine) -> None:
    machine.end(signal.SIGTERM, *_some(of, machine))


def stop(of: Cluster, machine: Machine) -> None:
    machine.signal(signal.SIGSTOP, *_some(of, machine))


def _busy_holder(of: Cluster, machine: Machine, changes: int, latency: float) -> Machine:
    """A machine that holds a shard (else this one), with much to post to a slow Concertim."""
    of.world.concertim.wire.latency = latency
    for _ in range(changes):
        change(of)
    of.tell()
    return of.last_taken() or machine


def stop_amid(of: Cluster, machine: Machine) -> None:
    """Stops a machine that holds a shard, while it posts, for longer than the lease."""
    machine = _busy_holder(of, machine, 8, 0.1)
    before = len(writes_by(of.world).get(machine.name, ()))
    with suppress(AssertionError):
        wait_for(lambda: len(writes_by(of.world).get(machine.name, ())) > before, 3.0)
    machine.signal(signal.SIGSTOP)
    time.sleep(of.lease * of.rng.choice(LONGER))


def lose_engine_amid(of: Cluster, machine: Machine) -> None:
    """The same with the line to the engine, which swallows all."""
    _busy_holder(of, machine, 12, 0.2).to_engine.break_off("swallow")
    time.sleep(of.lease * of.rng.choice(LONGER))


def go_on(of: Cluster, machine: Machine) -> None:
    machine.start()


def _break_off(of: Cluster, *lines: Line) -> None:
    how = _how(of)
    for line in lines:
        line.break_off(how)


def lose_engine(of: Cluster, machine: Machine) -> None:
    _break_off(of, machine.to_engine)


def lose_concertim(of: Cluster, machine: Machine) -> None:
    _break_off(of, machine.to_concertim)


def lose_broker(of: Cluster, machine: Machine) -> None:
    _break_off(of, *machine.to_brokers)


def lose_all(of: Cluster, machine: Machine) -> None:
    """As when its cable is pulled."""
    _break_off(of, *machine.lines)


def find_all(of: Cluster, machine: Machine) -> None:
    for line in machine.lines:
        line.restore()


def join(of: Cluster, machine: Machine) -> None:
    """A machine is added, or instead of a fifth one is removed."""
    if len(of.machines) < 4:
        of.add_machine(*of.draw_roles())
    else:
        of.remove_machine(machine)


def remove(of: Cluster, machine: Machine) -> None:
    """A machine is removed, or instead of the last one is added."""
    if len(of.machines) > 2:
        if of.rng.random() < 0.5:
            machine.end(signal.SIGTERM)
        of.remove_machine(machine)
    else:
        of.add_machine(*of.draw_roles())


def kill_leader(of: Cluster, machine: Machine) -> None:
    """The engine's leader is gone; if a node is gone already, it comes back instead."""
    if not of.engine.heal():
        with suppress(RuntimeError):  # nobody leads just now
            of.engine.kill(of.engine.leader())


def kill_broker(of: Cluster, machine: Machine) -> None:
    """One of the broker's nodes is gone; if one is gone already, it comes back instead."""
    if not heal_broker(of):
        of.rng.choice(of.brokers).kill()


def restart_broker(of: Cluster, machine: Machine) -> None:
    of.rng.choice(of.brokers).restart()


def heal_broker(of: Cluster) -> bool:
    """Starts the nodes that do not run; returns whether there were any."""
    dead = [node for node in of.brokers if not node.is_running]
    for node in dead:
        node.start()
    return bool(dead)


def lose_queue(of: Cluster, machine: Machine) -> None:
    """A queue is purged, or deleted."""
    for node in of.brokers:
        with suppress(pika.exceptions.AMQPError, OSError), node.channel() as channel:
            queue = of.rng.choice(of.queues())
            if of.rng.random() < 0.5:
                channel.queue_purge(queue)
            else:
                channel.queue_delete(queue)
            return


def faults(of: Cluster) -> list[Fault]:
    """The possible faults, each as often as it is to be drawn."""
    often: dict[Fault, int] = {
        kill: 2, leave: 1, stop: 3, stop_amid: 3, go_on: 5, lose_engine: 3, lose_engine_amid: 3, lose_concertim: 3,
        lose_all: 2, find_all: 4, join: 1, remove: 1,
    }  # fmt: skip
    if len(of.engine.processes) > 1:
        often |= {kill_leader: 5}
    if of.brokers:
        often |= {lose_broker: 4, lose_queue: 2, restart_broker: 1}
    if len(of.brokers) > 1:
        often |= {kill_broker: 2}
    return [fault for fault, count in often.items() for _ in range(count)]
