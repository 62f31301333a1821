"""Responses of the real app, from a recorded conversation."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from cos_update.concertim.transport import Answer

FIXTURES = Path(__file__).parents[2] / "fixtures"


@cache
def _exchanges() -> tuple[dict[str, Any], ...]:
    lines = (FIXTURES / "concertim_transcript.jsonl").read_text().splitlines()
    return tuple(json.loads(line) for line in lines)


def body(case: str) -> Any:
    """The decoded body of the answer in the case of this name."""
    return next(exchange["answer"] for exchange in _exchanges() if exchange["case"] == case)


def refused(case: str) -> Answer:
    """The answer in the case of this name, undecoded."""
    found = next(exchange for exchange in _exchanges() if exchange["case"] == case)
    return answer(found["status"], found["answer"])


def all_refusals() -> list[Answer]:
    """Every recorded answer of 4xx and 5xx."""
    return [answer(item["status"], item["answer"]) for item in _exchanges() if (item["status"] or 0) >= 400]


def answer(status: int, content: object) -> Answer:
    """An answer with this content as JSON."""
    return Answer(status, {}, json.dumps(content).encode())
