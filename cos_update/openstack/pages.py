"""Paginated listings, read completely or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

from cos_update.model.errors import CloudError
from cos_update.openstack.session import MISSHAPEN, ProjectSession

T = TypeVar("T")
Record = Mapping[str, Any]

Query = Mapping[str, str | tuple[str, ...]]
"""Query parameters; those with several values are repeated."""
RESTARTS = 3
"""How often a listing restarts because its page marker was deleted."""


def listing(
    session: ProjectSession,
    service: str,
    path: str,
    key: str,
    params: Query,
    *,
    microversion: str | None = None,
) -> list[Record]:
    """All records of a listing with page links. Raises CloudError if it cannot be read completely."""
    return linked(session, service, path, key, microversion).read(params, _as_it_is)


def marked_listing(session: ProjectSession, service: str, path: str, key: str, params: Query) -> list[Record]:
    """All records of a listing without page links. Raises CloudError if it cannot be read completely."""
    return marked(session, service, path, key).read(params, _as_it_is)


@dataclass(frozen=True, slots=True)
class Pages:
    """How to request the pages of one listing; `following` derives the next query from a response and its own query."""

    session: ProjectSession
    service: str
    path: str
    key: str
    following: Callable[[Record, Query], Query | None]
    microversion: str | None = None

    def read(self, params: Query, take: Callable[[Record], T]) -> list[T]:
        """The result of `take` for each record of the whole listing.

        Each page is freed before the next one arrives: its JSON is far larger than what is kept of it. Raises
        CloudError if the listing cannot be read completely.
        """
        for _ in range(RESTARTS):
            try:
                return list(self._taken(params, take))
            except _MarkerGoneError:
                continue
        raise CloudError(f"its page marker vanished {RESTARTS} times")

    def _taken(self, params: Query, take: Callable[[Record], T]) -> Iterator[T]:
        seen: set[str] = set()
        visited = {frozenset(params.items())}
        with ThreadPoolExecutor(1, thread_name_prefix="page") as ahead:
            fresh, asked = self._page(params, seen)
            while True:
                coming = None
                if asked is not None:
                    if (question := frozenset(asked.items())) in visited:
                        raise CloudError("its page links form a cycle")
                    visited.add(question)
                    # The next page is fetched while this one is processed.
                    coming = ahead.submit(self._page, asked, seen)
                try:
                    yield from map(take, fresh)
                except MISSHAPEN:
                    raise CloudError("a response in an unexpected format") from None
                if coming is None:
                    return
                del fresh
                fresh, asked = coming.result()

    def _page(self, asked: Query, seen: set[str]) -> tuple[list[Record], Query | None]:
        """The records of a page that are not in `seen`, and the query of the next page."""
        try:
            body = self.session.get(self.service, self.path, asked, key=self.key, microversion=self.microversion)
        except CloudError as error:
            if "marker" in asked and error.status in (400, 404):
                raise _MarkerGoneError from None
            raise
        page = body[self.key]
        if not isinstance(page, list) or not all(isinstance(item, Mapping) and _has_id(item) for item in page):
            raise CloudError("a response in an unexpected format")
        fresh = [item for item in page if item["id"] not in seen]
        seen.update(item["id"] for item in fresh)
        following = self.following(body, asked)
        if page and not fresh and following is not None:
            # Heat starts over from the first page if the marker was deleted.
            raise _MarkerGoneError
        return fresh, following


def linked(session: ProjectSession, service: str, path: str, key: str, microversion: str | None = None) -> Pages:
    """A listing with page links (`<key>_links`, rel next).

    The link decides whether there is another page, not the count: Nova may return fewer records than the limit. Only
    the link's query is used, since its host may be internal to the service.
    """

    def following(body: Record, _: Query) -> Query | None:
        links = body.get(f"{key}_links") or []
        found = next((link.get("href") for link in links if link.get("rel") == "next"), None)
        if not found:
            return None
        asked = parse_qs(urlsplit(found).query)
        return {name: values[0] if len(values) == 1 else tuple(values) for name, values in asked.items()}

    return Pages(session, service, path, key, following, microversion)


def marked(session: ProjectSession, service: str, path: str, key: str) -> Pages:
    """A listing without reliable page links (Heat): the last id is the next page's marker.

    Heat leaves out stacks that are deleted while it lists them, so only an empty page proves the end. But a first page
    is also the last if it has as many stacks as Heat counts (`with_count`).
    """

    def following(body: Record, asked: Query) -> Query | None:
        page = body[key]
        if not page or ("marker" not in asked and body.get("count") == len(page)):
            return None
        return {**asked, "marker": str(page[-1].get("id"))}

    return Pages(session, service, path, key, following)


class _MarkerGoneError(Exception):
    pass


def _has_id(record: Record) -> bool:
    return isinstance(record.get("id"), str) and record["id"] != ""


def _as_it_is(record: Record) -> Record:
    return record
