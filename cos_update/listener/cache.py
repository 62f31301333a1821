"""What the listener knows between two events: which projects are watched, and what Concertim shows."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping

from cos_update.listener.index import Shown
from cos_update.model.events import Key, Kind
from cos_update.model.openstack import Project
from cos_update.openstack.single_objects import ObjectReader
from cos_update.store import View
from cos_update.sync.reconciler import Tools

log = logging.getLogger("cos_update.listen")

OLD = 4
"""So many intervals old a view is not worth more than a reading of Concertim."""
_MOST_NESTED = 10_000


class Knowledge:
    """Thread-safe. `load` comes first. `mine` tells which projects are this listener's among several."""

    def __init__(self, tools: Tools, objects: ObjectReader, mine: Callable[[str], bool]) -> None:
        self._tools = tools
        self._objects = objects
        self._mine = mine
        self._lock = threading.Lock()
        self._shown: Shown | None = None
        self._stamp: tuple[int, int, int] | None = None
        self._projects: Mapping[str, Project] = {}
        self._all_told = False
        self._tops: OrderedDict[str, str] = OrderedDict()

    def load(self) -> None:
        """Learns everything: from the view, or from Concertim itself when bulk keeps no fresh one.

        Raises CosUpdateError.
        """
        self.learn_projects()
        stamp = self._tools.store.stamp()
        view = self._tools.store.load()
        if view is None or time.time() - view.saved_at > OLD * self._tools.settings.interval:
            log.info("no fresh view: reading Concertim")
            seq = self._tools.store.seq()
            self._shown = Shown(self._tools.concertim.read_all(), seq, view.stacks if view else None)
        else:
            self._take(view)
        self._stamp = stamp

    def reload_if_changed(self) -> None:
        """Takes the view that another process has saved since. Raises ViewError."""
        stamp = self._tools.store.stamp()
        if stamp is None or stamp == self._stamp:
            return
        view = self._tools.store.load()
        if view is not None:
            self._take(view)
        self._stamp = stamp

    def written(self) -> None:
        """Notes that this process has written the view itself."""
        self._stamp = self._tools.store.stamp()

    def learn_projects(self) -> frozenset[str]:
        """Asks which projects are watched, and gives those that have become so or ceased to be. Raises CloudError."""
        projects, untold = self._objects.watched()
        with self._lock:
            changed = projects.keys() ^ self._projects.keys()
            self._projects, self._all_told = projects, not untold
        return frozenset(changed)

    def shown(self) -> Shown:
        """What Concertim shows, as last heard."""
        if self._shown is None:
            raise RuntimeError("nothing is known yet")
        return self._shown

    def synced(self) -> Shown:
        """What Concertim shows, with all that either process has posted up to now. Raises ViewError."""
        shown = self.shown()
        shown.take(self._tools.store.postings_since(shown.seq))
        return shown

    def project(self, project_id: str) -> Project | None:
        """A watched project; None when it is not watched."""
        return self._projects.get(project_id)

    def projects(self) -> Mapping[str, Project]:
        """The watched projects, by id."""
        return self._projects

    def concerns(self, key: Key) -> bool:
        """Whether a key may be about something that is shown, and this listener's to see to."""
        if key.kind in (Kind.PROJECT, Kind.FLAVOR):
            return key.kind is Kind.PROJECT or self._mine(key.id)
        project_id = key.project_id or self.shown().project_of(self.shown().home(key.id))
        return (project_id in self._projects or not self._all_told) and self._mine(project_id)

    def remember_top(self, nested: str, top: str) -> None:
        """Remembers which top-level stack a nested one belongs to."""
        with self._lock:
            self._tops[nested] = top
            if len(self._tops) > _MOST_NESTED:
                self._tops.popitem(last=False)

    def unit(self, key: Key) -> Key:
        """What a dirty key is worked off as: the stack that it belongs to, or itself while that is not known."""
        if key.kind is Kind.PROJECT:
            return Key(Kind.PROJECT, "")
        shown = self.shown()
        stack_id = shown.home(key.id) or shown.last_home(key.id)
        if key.kind is Kind.STACK:
            stack_id = key.id if shown.has_rack(key.id) else self._tops.get(key.id, "")
        if not stack_id:
            return key
        return Key(Kind.STACK, stack_id, shown.project_of(stack_id) or key.project_id)

    def _take(self, view: View) -> None:
        self._shown = Shown.of_view(view)
        if view.projects:
            with self._lock:
                self._projects = view.projects
