"""One authenticated request, as the endpoints see it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from cos_update.fakes.concertim.params import Params
from cos_update.fakes.concertim.problems import forbidden
from cos_update.fakes.concertim.records import User
from cos_update.fakes.concertim.state import State


@dataclass(frozen=True, slots=True)
class Call:
    """The input of an endpoint. `id` is the one in the path, or ""."""

    state: State
    user: User
    params: Params
    id: str
    between: Callable[[], Awaitable[None]]
    """Awaited between reading and writing: concurrent calls read here too, as in the app."""

    def root_only(self) -> None:
        """Raises the 403 for everybody but root."""
        if not self.user.root:
            raise forbidden()


Endpoint = Callable[[Call], Awaitable[object]]
