"""The engine on which sites agree, through tooz: the only place that knows it.

Every call has a deadline. What tooz leaves unsaid is not relied on: its etcd driver takes a lease that has ended for
one that was refreshed, and its Redis driver says only in the log that a lock is somebody else's. Whether a lease still
stands follows from when its refreshing was asked for and answered, and from the group that the site must still be in.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from cos_update.concurrency.calls import Calls, CallTimeoutError
from cos_update.coordination.holdings import Member
from cos_update.model.errors import ConfigError, CosUpdateError
from cos_update.model.settings import CoordinationSettings

GROUP = b"cos-update"
LOCK = "cos-update/"
MISSING = "coordination needs the extra ha"
INSTALL = "pip install 'cos-update[ha]'"
DEADLINE = 0.25
"""The part of a lease's life that a call may take."""

T = TypeVar("T")
log = logging.getLogger("cos_update.leases")


class BackendError(CosUpdateError):
    """The engine gave no usable answer."""


class UnknownSiteError(BackendError):
    """The engine does not know this site any more: what it held it holds no more."""


class Backend:
    """One connection to the engine, as a member of its own or (`joins` False) as nobody.

    Used by one thread. Every call raises BackendError. What was taken through it ends a lease's life after the last
    refresh, whatever became of this object.
    """

    def __init__(self, settings: CoordinationSettings, site: str) -> None:
        self._settings = settings
        self._site = site
        self._deadline = max(1.0, settings.lease * DEADLINE)
        self._calls = Calls("coordination", 1)
        self._member = f"{site}-{uuid.uuid4().hex}".encode()
        self._coordinator: Any = None
        self._joins = False
        self._doubtful: list[Any] = []
        """Locks of which it is not known whether they were taken, or given back: they must not be kept alive."""

    def open(self, *, joins: bool) -> bool:
        """Connects. Whether the engine knew of no site at all: it is new, or has forgotten what others hold.

        Raises ConfigError too: when tooz or its driver is not installed, or refuses the address.
        """
        self._coordinator = _coordinator(self._settings, self._member, self._deadline)
        self._call(self._coordinator.start)
        self._joins = joins
        if joins:
            member = _told(Member(self._site, self._settings.shards))
            return self._call(lambda: self._join(member))
        return False

    def refresh(self) -> None:
        """Has all that was taken stand for another lease's life, from now on."""
        for lock in tuple(self._doubtful):
            if lock.acquired:
                self._call(lock.release)
                self._doubtful.remove(lock)
        self._call(self._coordinator.heartbeat)

    def members(self) -> tuple[Member, ...]:
        """The sites that take part. Raises UnknownSiteError when this one is not among them any more."""
        found: Mapping[bytes, Any] = self._call(self._members)
        if self._member not in found:
            raise UnknownSiteError("the engine does not know this site any more")
        return tuple(sorted(map(_member, found.values()), key=lambda member: member.site))

    def others(self) -> tuple[Member, ...]:
        """The sites that take part, for one who does not."""
        found: Mapping[bytes, Any] = self._call(self._members)
        return tuple(sorted(map(_member, found.values()), key=lambda member: member.site))

    def tell(self, held: Mapping[int, float], *, is_fit: bool) -> None:
        """Has the others know what this site holds, and whether it is fit to hold more."""
        member = _told(Member(self._site, self._settings.shards, held, is_fit))
        self._call(lambda: self._coordinator.update_capabilities(GROUP, member).get())

    def take(self, name: str) -> Any | None:
        """The lock of that name; None when somebody has it."""
        lock = self._coordinator.get_lock(f"{LOCK}{name}".encode())
        with self._in_doubt(lock):
            return lock if self._call(lambda: lock.acquire(blocking=False)) else None

    def is_mine(self, lock: Any) -> bool:
        """Whether a lock is still this site's, as far as the driver can tell by asking; else True."""
        from tooz import NotImplemented as NotOffered

        try:
            return bool(self._call(lock.is_still_owner))
        except BackendError as error:
            if isinstance(error.__cause__, NotOffered):
                return True
            raise

    def release(self, lock: Any) -> None:
        """Gives a lock back."""
        with self._in_doubt(lock):
            self._call(lock.release)

    def close(self) -> None:
        """Leaves, as well as that can be done. Never fails."""
        coordinator, self._coordinator = self._coordinator, None
        if coordinator is not None and coordinator.is_started:
            try:
                if self._joins:
                    self._call(lambda: coordinator.leave_group(GROUP).get())
            except BackendError as error:
                log.debug("the engine was left without a word: %s", error)
            # tooz waits a second for threads of its own; nobody has to wait for that.
            threading.Thread(target=_end, args=(coordinator,), name="coordination-end", daemon=True).start()
        self._calls.close()

    def _join(self, member: Mapping[str, Any]) -> bool:
        """Joins the group; whether it had to be made. tooz's own way to do both sleeps a second in between."""
        from tooz.coordination import GroupAlreadyExist

        is_new = True
        try:
            self._coordinator.create_group(GROUP).get()
        except GroupAlreadyExist:
            is_new = False
        self._coordinator.join_group(GROUP, member).get()
        return is_new

    @contextmanager
    def _in_doubt(self, lock: Any) -> Iterator[None]:
        try:
            yield
        except BackendError:
            self._doubtful.append(lock)
            raise

    def _members(self) -> Mapping[bytes, Any]:
        from tooz.coordination import GroupNotCreated

        try:
            found: Mapping[bytes, Any] = self._coordinator.get_members_with_capabilities(GROUP).get()
        except GroupNotCreated:
            return {}
        return found

    def _call(self, function: Callable[[], T]) -> T:
        try:
            return self._calls(function, self._deadline)
        except CallTimeoutError as error:
            raise BackendError(f"it does not answer: {error}") from None
        except Exception as error:
            # Drivers let the errors of their own libraries through, which know no common base.
            text = (str(error).splitlines() or [""])[0][:300]
            raise BackendError(f"{type(error).__name__}: {text}" if text else type(error).__name__) from error


def _end(coordinator: Any) -> None:
    try:
        coordinator.stop()
    except Exception as error:
        log.debug("the engine was left without a word: %s", error)


def require_installed(settings: CoordinationSettings) -> None:
    """Raises ConfigError when what it takes is not installed, or the engine's address can't be used."""
    _coordinator(settings, b"", 1.0)


def _coordinator(settings: CoordinationSettings, member: bytes, deadline: float) -> Any:
    try:
        from tooz import coordination
    except ImportError:
        raise ConfigError(f"{MISSING}.", f"Install it: {INSTALL}") from None
    # tooz logs tracebacks of what is reported here in words.
    logging.getLogger("tooz").setLevel(logging.CRITICAL)
    url = settings.backend_url
    seconds: dict[str, Any] = {"lock_timeout": settings.lease, "membership_timeout": settings.lease}
    if url.startswith("rediss:"):
        url, seconds["ssl"] = url.replace("rediss:", "redis:", 1), "true"
    if url.startswith("redis:"):
        seconds |= {"socket_timeout": deadline, "socket_connect_timeout": deadline}
    else:
        seconds["timeout"] = max(1, int(deadline))
    try:
        return coordination.get_coordinator(url, member, **seconds)
    except Exception as error:
        # Of stevedore when there is no such driver, of the driver itself, or of a library that it needs.
        text = f"coordination.backend_url can't be used: {type(error).__name__}"
        raise ConfigError(f"{text}.", f"The drivers for etcd and Redis come with the extra ha: {INSTALL}") from None


def _told(member: Member) -> dict[str, Any]:
    held = {str(shard): since for shard, since in member.held.items()}
    return {"site": member.site, "shards": member.shards, "held": held, "fit": member.is_fit}


def _member(told: Any) -> Member:
    try:
        held = {int(shard): float(since) for shard, since in told["held"].items()}
        return Member(str(told["site"]), int(told["shards"]), held, bool(told["fit"]))
    except (TypeError, KeyError, ValueError, AttributeError):
        return Member("?", 0)
