"""The delay before a retry, and what a Retry-After asks for."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from cos_update.retry import Backoff, retry_after

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("failures", "wait"), [(1, 0.5), (2, 1.0), (3, 2.0), (6, 16.0), (7, 30.0), (10_000, 30.0)], ids=str
)
def test_waits_double_up_to_the_longest(failures: int, wait: float) -> None:
    assert Backoff(0.5, 30.0).after(failures) == wait


def test_a_scattered_wait_is_between_its_half_and_itself() -> None:
    waits = [Backoff(1.0, 8.0).scattered(3) for _ in range(200)]
    assert all(2.0 <= wait <= 4.0 for wait in waits)
    assert len(set(waits)) > 100


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        pytest.param("7", 7.0, id="seconds"),
        pytest.param("1.5", 1.5, id="a part of a second"),
        pytest.param(formatdate(NOW + 25, usegmt=True), 25.0, id="a date"),
        pytest.param(formatdate(NOW + 25), 25.0, id="a date with another zone for GMT (-0000)"),
        pytest.param(formatdate(NOW + 25).removesuffix(" -0000"), 25.0, id="a date without a zone"),
        pytest.param(formatdate(NOW - 25, usegmt=True), 0.0, id="a date that has passed"),
        pytest.param("", 0.0, id="nothing"),
        pytest.param("soon", 0.0, id="a word"),
        pytest.param("-5", 0.0, id="less than nothing"),
        pytest.param("inf", 0.0, id="for ever"),
        pytest.param("nan", 0.0, id="no number"),
        pytest.param("Mon, 01 Jan 99999999999999 00:00:00 GMT", 0.0, id="a date beyond all dates"),
    ],
)
def test_what_retry_after_asks_for(header: str, seconds: float) -> None:
    assert retry_after(header, NOW) == seconds
