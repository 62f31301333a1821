"""A simulated engine of coordination, and a coordinator as tooz gives it, on a line that can fail in every way."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tooz.coordination import GroupAlreadyExist, GroupNotCreated

from cos_update.concurrency.calls import CallTimeoutError

from .times import Times

T = TypeVar("T")


class Line:
    """The way from one machine to the engine: `ok`, or it refuses, swallows, loses answers, delivers late, is slow."""

    WAYS = ("refuse", "swallow", "lose", "late", "slow")

    def __init__(self, times: Times, rng: random.Random) -> None:
        self.way = "ok"
        self._times = times
        self._rng = rng

    def call(self, effect: Callable[[], T], deadline: float) -> T:
        """A request with an effect in the engine, and its answer. Raises as tooz and the deadline do."""
        times, rng = self._times, self._rng
        way = self.way if self.way in ("ok", "refuse", "swallow") or rng.random() < 0.5 else "ok"
        if way == "refuse":
            raise ConnectionError("refused")
        if way == "swallow":
            times.sleep(deadline)
        elif way == "lose":
            times.sleep(0.01)
            effect()
            times.sleep(deadline)
        elif way == "late":
            times.at(times.now + deadline * rng.uniform(0.5, 3), lambda: _quietly(effect))
            times.sleep(deadline)
        else:
            longest = 0.4 * deadline if way == "slow" else 0.01
            times.sleep(rng.uniform(0, longest))
            found = effect()
            times.sleep(rng.uniform(0, longest))
            return found
        raise CallTimeoutError(f"no result within {deadline:g} s")


def _quietly(effect: Callable[[], object]) -> None:
    with suppress(Exception):  # nobody gets the answer
        effect()


@dataclass
class Engine:
    """What it knows: members and locks, each until its lease ends unless it is refreshed."""

    times: Times
    lease: float
    has_group: bool = True
    members: dict[bytes, tuple[float, Any]] = field(default_factory=dict)
    locks: dict[bytes, tuple[float, bytes]] = field(default_factory=dict)
    taken_by: dict[bytes, str] = field(default_factory=dict)
    """Which site has taken a lock last; nobody after it was released."""
    takings: int = 0

    def forget(self) -> None:
        """Loses its data; the world still knows who has taken what last."""
        self.has_group = False
        self.members.clear()
        self.locks.clear()

    def expires(self) -> float:
        """When what is refreshed now ends."""
        return self.times.now + self.lease

    def owner(self, name: bytes) -> bytes | None:
        """Who holds a lock now."""
        expires, owner = self.locks.get(name, (0.0, b""))
        return owner if expires > self.times.now else None


class _Answer:
    def __init__(self, get: Callable[[], Any]) -> None:
        self.get = get


class Lock:
    """A lock of one coordinator."""

    def __init__(self, coordinator: Coordinator, name: bytes) -> None:
        self._coordinator = coordinator
        self.name = name
        self.acquired = False

    def acquire(self, blocking: bool = True) -> bool:
        """Takes it if nobody has it."""
        assert not blocking
        engine, own = self._coordinator.engine, self._coordinator

        def effect() -> bool:
            if engine.owner(self.name) is not None:
                return False
            engine.locks[self.name] = (engine.expires(), own.member)
            engine.taken_by[self.name] = own.site
            engine.takings += 1
            self.acquired = True
            own.locks.append(self)
            return True

        return own.request(effect)

    def release(self) -> bool:
        """Gives it back if it is still its own."""
        engine, own = self._coordinator.engine, self._coordinator

        def effect() -> bool:
            self.acquired = False
            if self in own.locks:
                own.locks.remove(self)
            if engine.owner(self.name) != own.member:
                return False
            del engine.locks[self.name]
            engine.taken_by.pop(self.name, None)
            return True

        return own.request(effect)

    def is_still_owner(self) -> bool:
        """Whether it is still its own."""
        own = self._coordinator
        return own.request(lambda: own.engine.owner(self.name) == own.member)


class Coordinator:
    """As tooz's coordinators, as far as the product uses them."""

    def __init__(self, engine: Engine, line: Line, site: str, member: bytes, deadline: float) -> None:
        self.engine, self.site, self.member = engine, site, member
        self.is_started = False
        self.locks: list[Lock] = []
        self._line = line
        self._deadline = deadline

    def request(self, effect: Callable[[], T]) -> T:
        """One request to the engine."""
        return self._line.call(effect, self._deadline)

    def start(self) -> None:
        self.request(lambda: None)
        self.is_started = True

    def stop(self) -> None:
        """It is forgotten in its time."""

    def heartbeat(self) -> None:
        """Refreshes what has not ended, and does not tell what has, as tooz's."""

        engine = self.engine

        def member() -> None:
            expires, capabilities = engine.members.get(self.member, (0.0, None))
            if expires > engine.times.now:
                engine.members[self.member] = (engine.expires(), capabilities)

        self.request(member)
        for lock in tuple(self.locks):
            self.request(lambda lock=lock: self._refresh(lock))

    def _refresh(self, lock: Lock) -> None:
        if self.engine.owner(lock.name) == self.member:
            self.engine.locks[lock.name] = (self.engine.expires(), self.member)

    def create_group(self, group: bytes) -> _Answer:
        def effect() -> None:
            if self.engine.has_group:
                raise GroupAlreadyExist(group)
            self.engine.has_group = True

        return _Answer(lambda: self.request(effect))

    def join_group(self, group: bytes, capabilities: Any) -> _Answer:
        return self.update_capabilities(group, capabilities)

    def update_capabilities(self, group: bytes, capabilities: Any) -> _Answer:
        def effect() -> None:
            if not self.engine.has_group:
                raise GroupNotCreated(group)
            self.engine.members[self.member] = (self.engine.expires(), capabilities)

        return _Answer(lambda: self.request(effect))

    def leave_group(self, group: bytes) -> _Answer:
        return _Answer(lambda: self.request(lambda: self.engine.members.pop(self.member, None)))

    def get_members_with_capabilities(self, group: bytes) -> _Answer:
        def effect() -> dict[bytes, Any]:
            if not self.engine.has_group:
                raise GroupNotCreated(group)
            now = self.engine.times.now
            return {member: each for member, (expires, each) in self.engine.members.items() if expires > now}

        return _Answer(lambda: self.request(effect))

    def get_lock(self, name: bytes) -> Lock:
        return Lock(self, name)
