"""Replays a recorded conversation with the real Concertim against the fake, and reports differences."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from cos_update.fakes.concertim import ConcertimApp

FIXTURE = Path(__file__).parents[2] / "fixtures" / "concertim_transcript.jsonl"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
INDEX = re.compile(r"^/api/v1/(racks|devices|templates|users|teams)/?(\?.*)?$")
DETAIL = re.compile(r"\n(DETAIL|CONTEXT):.*", re.DOTALL)
"""The part of a database's error that shows row contents."""

Exchange = dict[str, Any]


def recorded(run: str) -> list[Exchange]:
    """The exchanges of one run of the recording, which began from a seeded database."""
    exchanges = [json.loads(line) for line in FIXTURE.read_text().splitlines()]
    return [exchange for exchange in exchanges if exchange["run"] == run]


@dataclass
class Replay:
    """One replay; `ids` maps the recording's ids to the fake's, learnt from the answers."""

    app: ConcertimApp
    tokens: Mapping[str, str]
    """The Authorization header for each of the recording's placeholders."""
    ids: dict[str, str] = field(default_factory=dict)

    def run(
        self,
        exchanges: list[Exchange],
        before: Mapping[str, Callable[[], object]],
        left_out: Mapping[str, str],
    ) -> list[str]:
        """Replay all but the cases left out; returns one line per difference."""
        differences = []
        for exchange in exchanges:
            case = exchange["case"]
            before.get(case, lambda: None)()
            if case in left_out:
                continue
            answer = self._send(exchange)
            difference = self._difference(exchange, answer)
            if difference:
                differences.append(f"{case}: {difference}")
        return differences

    def _send(self, exchange: Exchange) -> requests.Response:
        headers: dict[str, str | None] = {"Accept": "application/json", **exchange["headers"]}
        authorization = headers.get("Authorization")
        if authorization in self.tokens:
            headers["Authorization"] = self.tokens[str(authorization)]
        data = self._body(exchange["body"])
        if data is not None:
            headers.setdefault("Content-Type", "application/json")
        with requests.Session() as session:
            session.headers.clear()
            request = requests.Request(exchange["method"], self.app.url + self._mapped(exchange["path"]), data=data)
            prepared = session.prepare_request(request)
            for name, value in headers.items():
                prepared.headers.pop(name, None)
                if value is not None:
                    prepared.headers[name] = value
            return session.send(prepared, allow_redirects=False, timeout=30)

    def _body(self, body: Any) -> bytes | None:
        if body is None:
            return None
        if isinstance(body, dict) and "_raw" in body:
            return self._mapped(body["_raw"]).encode()
        return self._mapped(json.dumps(_repeats(body))).encode()

    def _mapped(self, text: str) -> str:
        return UUID.sub(lambda match: self.ids.get(match[0], match[0]), text)

    def _difference(self, exchange: Exchange, answer: requests.Response) -> str:
        if answer.status_code != exchange["status"]:
            return f"status {answer.status_code} for {exchange['status']}: {answer.text[:300]}"
        location = exchange.get("location")
        if location and answer.headers.get("Location", "").removeprefix(self.app.url) != location:
            return f"location {answer.headers.get('Location')} for {location}"
        expected = exchange["answer"]
        if isinstance(expected, dict) and "_bytes" in expected:
            size = len(answer.content)
            return "" if size == expected["_bytes"] else f"{size} bytes for {expected['_bytes']}"
        if isinstance(expected, dict) and "_html_page" in expected:
            return "" if answer.headers["Content-Type"].startswith("text/html") else "no HTML page"
        actual = answer.json() if answer.content else None
        if INDEX.match(exchange["path"]) and isinstance(actual, list):
            expected, actual = self._by_id(expected, actual)
        return self._compare(expected, actual, "")

    def _by_id(self, expected: list[Any], actual: list[Any]) -> tuple[list[Any], list[Any]]:
        """Both lists in one order, as that of an index is undefined; records not yet known come last."""
        known = set(self.ids.values())
        return (
            sorted(expected, key=lambda row: self.ids.get(row["id"], "~")),
            sorted(actual, key=lambda row: row["id"] if row["id"] in known else "~"),
        )

    def _compare(self, expected: Any, actual: Any, place: str) -> str:
        if isinstance(expected, dict) and isinstance(actual, dict):
            if expected.keys() != actual.keys():
                return f"{place} has {sorted(actual)} for {sorted(expected)}"
            parts = (self._compare(expected[key], actual[key], f"{place}.{key}") for key in expected)
            return next(filter(None, parts), "")
        if isinstance(expected, list) and isinstance(actual, list):
            if len(expected) != len(actual):
                return f"{place} is {actual} for {expected}"
            pairs = enumerate(zip(expected, actual, strict=True))
            return next(filter(None, (self._compare(a, b, f"{place}[{i}]") for i, (a, b) in pairs)), "")
        if isinstance(expected, str) and isinstance(actual, str):
            return self._compare_text(expected, actual, place)
        same = type(expected) is type(actual) and expected == actual
        return "" if same else f"{place} is {actual!r} for {expected!r}"

    def _compare_text(self, expected: str, actual: str, place: str) -> str:
        if UUID.fullmatch(expected) and UUID.fullmatch(actual):
            known = self.ids.setdefault(expected, actual)
            return "" if known == actual else f"{place} is another record"
        if TIMESTAMP.fullmatch(expected) and TIMESTAMP.fullmatch(actual):
            return ""
        same = DETAIL.sub("", expected).strip() == DETAIL.sub("", actual).strip()
        return "" if same else f"{place} is {actual!r} for {expected!r}"


def _repeats(body: Any) -> Any:
    """The body with `{"_repeat": ["x", 3]}` written out."""
    if isinstance(body, dict):
        if "_repeat" in body:
            character, times = body["_repeat"]
            return character * times
        return {key: _repeats(value) for key, value in body.items()}
    return [_repeats(item) for item in body] if isinstance(body, list) else body
