"""The listener's knowledge between events: the watched projects, and the state of Concertim."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping

from cos_update.listener.index import StateIndex
from cos_update.model.events import Key
from cos_update.model.kinds import ResourceKind
from cos_update.model.openstack import Project
from cos_update.openstack.single_objects import ObjectReader
from cos_update.store import View
from cos_update.sync.services import Services

log = logging.getLogger("cos_update.listen")

OLD = 4
"""The age in intervals from which a view is discarded in favour of reading Concertim."""
_MOST_NESTED = 10_000


class StateCache:
    """The cached state. Thread-safe. Call `load` first. `mine` tells which projects belong to this listener's shard."""

    def __init__(self, services: Services, objects: ObjectReader, mine: Callable[[str], bool]) -> None:
        self._services = services
        self._objects = objects
        self._mine = mine
        self._lock = threading.Lock()
        self._index: StateIndex | None = None
        self._stamp: tuple[int, int, int] | None = None
        self._projects: Mapping[str, Project] = {}
        self._all_known = False
        self._tops: OrderedDict[str, str] = OrderedDict()

    def load(self) -> None:
        """Loads everything: from the view, or from Concertim itself if there is no recent view.

        Raises CosUpdateError.
        """
        self.learn_projects()
        stamp = self._services.store.stamp()
        view = self._services.store.load()
        if view is None or time.time() - view.saved_at > OLD * self._services.settings.interval:
            log.info("no fresh view: reading Concertim")
            seq = self._services.store.seq()
            self._index = StateIndex(self._services.concertim.read_all(), seq, view.stacks if view else None)
        else:
            self._take(view)
        self._stamp = stamp

    def reload_if_changed(self) -> None:
        """Loads the view if another process has saved it since. Raises ViewError."""
        stamp = self._services.store.stamp()
        if stamp is None or stamp == self._stamp:
            return
        view = self._services.store.load()
        if view is not None:
            self._take(view)
        self._stamp = stamp

    def written(self) -> None:
        """Records that this process has written the view itself."""
        self._stamp = self._services.store.stamp()

    def learn_projects(self) -> frozenset[str]:
        """Reads the watched projects; returns those that have been added or removed. Raises CloudError."""
        watched = self._objects.watched()
        with self._lock:
            changed = watched.projects.keys() ^ self._projects.keys()
            self._projects, self._all_known = watched.projects, not watched.undetermined
        return frozenset(changed)

    def index(self) -> StateIndex:
        """The last known state of Concertim."""
        if self._index is None:
            raise RuntimeError("nothing is known yet")
        return self._index

    def synced(self) -> StateIndex:
        """The state of Concertim with everything that any process has posted up to now. Raises ViewError."""
        index = self.index()
        index.take(self._services.store.entries_since(index.seq))
        return index

    def project(self, project_id: str) -> Project | None:
        """A watched project; None if it is not watched."""
        return self._projects.get(project_id)

    def projects(self) -> Mapping[str, Project]:
        """The watched projects, by id."""
        return self._projects

    def concerns(self, key: Key) -> bool:
        """Whether a key may concern an object that is shown, and that belongs to this listener's shard."""
        if key.kind in (ResourceKind.PROJECT, ResourceKind.FLAVOR):
            return key.kind is ResourceKind.PROJECT or self._mine(key.id)
        project_id = key.project_id or self.index().project_of(self.index().home(key.id))
        return (project_id in self._projects or not self._all_known) and self._mine(project_id)

    def remember_top(self, nested: str, top: str) -> None:
        """Remembers which top-level stack a nested one belongs to."""
        with self._lock:
            self._tops[nested] = top
            if len(self._tops) > _MOST_NESTED:
                self._tops.popitem(last=False)

    def unit(self, key: Key) -> Key:
        """The unit of work for a dirty key: the stack that it belongs to, or itself if that is unknown."""
        if key.kind is ResourceKind.PROJECT:
            return Key(ResourceKind.PROJECT, "")
        index = self.index()
        stack_id = index.home(key.id) or index.last_home(key.id)
        if key.kind is ResourceKind.STACK:
            stack_id = key.id if index.has_rack(key.id) else self._tops.get(key.id, "")
        if not stack_id:
            return key
        return Key(ResourceKind.STACK, stack_id, index.project_of(stack_id) or key.project_id)

    def _take(self, view: View) -> None:
        self._index = StateIndex.of_view(view)
        if view.projects:
            with self._lock:
                self._projects = view.projects
