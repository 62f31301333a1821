"""The engine through which sites agree, by means of tooz; the only module that uses tooz.

Every call has a deadline. Heartbeats of tooz are not trusted to report a lost lock: the etcd driver ignores that a
lease has expired, and the Redis driver only logs that a lock has another owner. Whether a lease still stands is
concluded from when its refresh was sent and answered, and from the site still being a member of the group.
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
"""The part of a lease's duration that a call may take."""

T = TypeVar("T")
log = logging.getLogger("cos_update.leases")


class BackendError(CosUpdateError):
    """The engine gave no usable answer."""


class UnknownSiteError(BackendError):
    """The engine no longer knows this site: everything it held is lost."""


class Backend:
    """One connection to the engine, as a member of the group or (`joins` False) without joining.

    For one thread. Every call raises BackendError. Locks taken through it expire one lease duration after the last
    refresh, whatever happens to this object.
    """

    def __init__(self, settings: CoordinationSettings, site: str) -> None:
        self._settings = settings
        self._site = site
        self._deadline = max(1.0, settings.lease * DEADLINE)
        self._calls = Calls("coordination", 1)
        self._member = f"{site}-{uuid.uuid4().hex}".encode()
        self._coordinator: Any = None
        self._joins = False
        self.may_have_created = False
        """Whether this site has created the group, or may have: the engine is new, or has lost its data."""
        self._doubtful: list[Any] = []
        """Locks that may or may not have been taken or released: they must not be kept alive."""

    def open(self, *, joins: bool) -> None:
        """Connects; see `may_have_created` afterwards, also after a failure.

        Raises ConfigError if tooz or its driver is not installed or rejects the address.
        """
        self._coordinator = _coordinator(self._settings, self._member, self._deadline)
        self._call(self._coordinator.start)
        self._joins = joins
        if joins:
            member = _capabilities(Member(self._site, self._settings.shards))
            self._call(lambda: self._join(member))

    def refresh(self) -> None:
        """Extends everything that was taken by another lease duration from now."""
        for lock in tuple(self._doubtful):
            if lock.acquired:
                self._call(lock.release)
                self._doubtful.remove(lock)
        self._call(self._coordinator.heartbeat)

    def members(self) -> tuple[Member, ...]:
        """The sites that take part. Raises UnknownSiteError if this one is no longer among them."""
        found: Mapping[bytes, Any] = self._call(self._members)
        if self._member not in found:
            raise UnknownSiteError("the engine does not know this site any more")
        return tuple(sorted(map(_member, found.values()), key=lambda member: member.site))

    def others(self) -> tuple[Member, ...]:
        """The sites that take part, for a connection that has not joined."""
        found: Mapping[bytes, Any] = self._call(self._members)
        return tuple(sorted(map(_member, found.values()), key=lambda member: member.site))

    def announce(self, held: Mapping[int, float], *, is_fit: bool) -> None:
        """Tells the other sites what this one holds, and whether it is fit to hold more."""
        member = _capabilities(Member(self._site, self._settings.shards, held, is_fit))
        self._call(lambda: self._coordinator.update_capabilities(GROUP, member).get())

    def take(self, name: str) -> Any | None:
        """Takes the lock of that name; None if it is taken."""
        lock = self._coordinator.get_lock(f"{LOCK}{name}".encode())
        with self._in_doubt(lock):
            return lock if self._call(lambda: lock.acquire(blocking=False)) else None

    def is_mine(self, lock: Any) -> bool:
        """Whether this site still owns a lock; True if the driver cannot tell."""
        from tooz import NotImplemented as NotOffered

        try:
            return bool(self._call(lock.is_still_owner))
        except BackendError as error:
            if isinstance(error.__cause__, NotOffered):
                return True
            raise

    def release(self, lock: Any) -> None:
        """Releases a lock."""
        with self._in_doubt(lock):
            self._call(lock.release)

    def close(self) -> None:
        """Leaves the group, if possible. Never fails."""
        coordinator, self._coordinator = self._coordinator, None
        if coordinator is not None and coordinator.is_started:
            try:
                if self._joins:
                    self._call(lambda: coordinator.leave_group(GROUP).get())
            except BackendError as error:
                log.debug("the group was not left in order: %s", error)
            # tooz waits up to a second for its own threads.
            threading.Thread(target=_end, args=(coordinator,), name="coordination-end", daemon=True).start()
        self._calls.close()

    def _join(self, member: Mapping[str, Any]) -> None:
        """Joins the group, which is created if there is none. tooz's own helper sleeps a second in between."""
        from tooz.coordination import GroupAlreadyExist

        self.may_have_created = True
        try:
            self._coordinator.create_group(GROUP).get()
        except GroupAlreadyExist:
            self.may_have_created = False
        self._coordinator.join_group(GROUP, member).get()

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
            # Drivers also raise errors of their own libraries, without a common base class.
            text = (str(error).splitlines() or [""])[0][:300]
            raise BackendError(f"{type(error).__name__}: {text}" if text else type(error).__name__) from error


def _end(coordinator: Any) -> None:
    try:
        coordinator.stop()
    except Exception as error:
        log.debug("the group was not left in order: %s", error)


def require_installed(settings: CoordinationSettings) -> None:
    """Raises ConfigError if what coordination needs is not installed, or the engine's address is unusable."""
    _coordinator(settings, b"", 1.0)


def _coordinator(settings: CoordinationSettings, member: bytes, deadline: float) -> Any:
    try:
        from tooz import coordination
    except ImportError:
        raise ConfigError(f"{MISSING}.", f"Install it: {INSTALL}") from None
    # tooz logs tracebacks for errors that are reported here.
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
        # From stevedore if there is no such driver, from the driver, or from a library that it needs.
        text = f"coordination.backend_url can't be used: {type(error).__name__}"
        raise ConfigError(f"{text}.", f"The drivers for etcd and Redis come with the extra ha: {INSTALL}") from None


def _capabilities(member: Member) -> dict[str, Any]:
    held = {str(shard): since for shard, since in member.held.items()}
    return {"site": member.site, "shards": member.shards, "held": held, "fit": member.is_fit}


def _member(capabilities: Any) -> Member:
    try:
        held = {int(shard): float(since) for shard, since in capabilities["held"].items()}
        return Member(str(capabilities["site"]), int(capabilities["shards"]), held, bool(capabilities["fit"]))
    except (TypeError, KeyError, ValueError, AttributeError):
        return Member("?", 0)
