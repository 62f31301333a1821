"""Listings page by page, to their end or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from cos_update.model.errors import CloudError
from cos_update.openstack.session import ProjectSession

RESTARTS = 3
"""How often a listing begins again because its page marker has vanished."""


def listing(
    session: ProjectSession,
    service: str,
    path: str,
    key: str,
    params: Mapping[str, str],
    *,
    microversion: str | None = None,
) -> list[Mapping[str, Any]]:
    """All records of a listing that links its pages (`<key>_links`, rel next).

    The link decides whether there is more, never the count: Nova may answer fewer than asked. Only the link's query
    is used, since its host may be one that only the service knows. Raises CloudError when the end is not reached.
    """

    def following(body: Mapping[str, Any], _: Mapping[str, str]) -> dict[str, str] | None:
        links = body.get(f"{key}_links") or []
        found = next((link.get("href") for link in links if link.get("rel") == "next"), None)
        return dict(parse_qsl(urlsplit(found).query)) if found else None

    return _restarting(session, service, path, key, params, following, microversion)


def marked_listing(
    session: ProjectSession, service: str, path: str, key: str, params: Mapping[str, str]
) -> list[Mapping[str, Any]]:
    """All records of a listing without links (Heat's): the last id marks the next page, an empty page is the end."""

    def following(body: Mapping[str, Any], asked: Mapping[str, str]) -> dict[str, str] | None:
        page = body[key]
        return {**asked, "marker": str(page[-1].get("id"))} if page else None

    return _restarting(session, service, path, key, params, following, None)


_Following = Callable[[Mapping[str, Any], Mapping[str, str]], dict[str, str] | None]


def _restarting(
    session: ProjectSession,
    service: str,
    path: str,
    key: str,
    params: Mapping[str, str],
    following: _Following,
    microversion: str | None,
) -> list[Mapping[str, Any]]:
    for _ in range(RESTARTS):
        try:
            found = list(_records(session, service, path, key, params, following, microversion))
        except _MarkerGoneError:
            continue
        return found
    raise CloudError(f"its page marker vanished {RESTARTS} times")


class _MarkerGoneError(Exception):
    pass


def _records(
    session: ProjectSession,
    service: str,
    path: str,
    key: str,
    params: Mapping[str, str],
    following: _Following,
    microversion: str | None,
) -> Iterator[Mapping[str, Any]]:
    asked: Mapping[str, str] | None = params
    seen: set[str] = set()
    visited: set[frozenset[tuple[str, str]]] = set()
    while asked is not None:
        question = frozenset(asked.items())
        if question in visited:
            raise CloudError("its pages go round in a circle")
        visited.add(question)
        try:
            body = session.get(service, path, asked, key=key, microversion=microversion)
        except CloudError as error:
            if "marker" in asked and error.status in (400, 404):
                raise _MarkerGoneError from None
            raise
        page = body[key]
        if not isinstance(page, list) or not all(isinstance(item, Mapping) and item.get("id") for item in page):
            raise CloudError("an answer of another shape")
        fresh = [item for item in page if item["id"] not in seen]
        seen.update(item["id"] for item in fresh)
        yield from fresh
        asked = following(body, asked)
        if page and not fresh and asked is not None:
            # Heat begins again from the start when its marker has vanished.
            raise _MarkerGoneError
