"""Concertim's reasons for rejecting a request, as people read them."""

from __future__ import annotations

import pytest
from captures import all_refusals, answer, refused
from hypothesis import given
from hypothesis import strategies as st

from cos_update.concertim.errors import LONGEST_REASON, reason
from cos_update.concertim.transport import Answer

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["errors", "error", "title", "status", "name", "base"]), inner, max_size=3)
    ),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("nodes.create start_u occupied", "start_u is occupied"),
        ("nodes.create name duplicate in rack", "name is already taken"),
        ("nodes.create name empty", "name is blank"),
        ("nodes.create name 151", "name is too long (at most 150 characters)"),
        ("nodes.create name underscore", "name is not valid ('a_b')"),
        ("nodes.create facing x", "facing must be one of b, f ('x')"),
        ("nodes.create start_u float", "start_u is not a whole number (6.5)"),
        ("nodes.create start_u 21 of 20", "start_u is invalid; end_u is invalid"),
        ("nodes.create cost negative", "cost must be at least 0"),
        ("nodes.create over the licence limit", "The device limit of 55 has been exceeded"),
        ("nodes.create template missing", "param is missing or the value is empty: template_id"),
        ("racks.create over the licence limit", "The rack limit of 62 has been exceeded"),
        ("racks.update order_id taken", "order_id has already been taken"),
        ("racks.delete non-empty", "rack is not empty"),
        ("templates.delete with devices", "devices have been created from this template"),
        ("devices.update name taken in rack", "name has already been taken"),
        ("devices.show unknown", "record Not found"),
        ("login.bad password", "Invalid Login or password."),
        ("templates.update non-root", "Not Authorized: You are not authorized to access this page."),
    ],
)
def test_every_shape_of_refusal_is_read(case: str, words: str) -> None:
    assert reason(refused(case)) == words


def test_no_recorded_refusal_stays_without_words() -> None:
    explained = [item for item in all_refusals() if item.body not in (b'""', b"{}", b"null", b'{"_html_page": true}')]
    assert len(explained) > 150
    assert [item.body for item in explained if "without a reason" in reason(item)] == []


def test_a_fault_names_its_class_and_no_row_of_the_database() -> None:
    explained = reason(refused("racks.update cost null"))
    assert explained.startswith("Concertim failed (500 ActiveRecord::NotNullViolation): PG::NotNullViolation: ERROR:")
    assert "Failing row" not in explained
    assert "357a767b" not in explained


@pytest.mark.parametrize(
    "quoted",
    [
        "\nFailing row contains (secret).",
        " DETAIL: Failing row contains (secret).",
        " (order_id)=(secret) already exists.",
        " #<Device name: secret>",
    ],
)
def test_what_a_fault_quotes_of_the_database_is_not_told(quoted: str) -> None:
    body = {"errors": [{"title": "ActiveRecord::RecordNotUnique", "description": f"duplicate key{quoted}"}]}
    assert reason(answer(500, body)) == "Concertim failed (500 ActiveRecord::RecordNotUnique): duplicate key"


def test_a_refused_value_that_is_a_whole_record_is_not_repeated() -> None:
    assert reason(refused("nodes.create instance, details type of another class")) == (
        "details is not valid; details_type must have compute details"
    )


@pytest.mark.parametrize("body", [b"", b"<html>Forbidden</html>", b"{}", b"[]"])
def test_a_refusal_without_words_gives_its_status(body: bytes) -> None:
    assert reason(Answer(403, {}, body)) == "refused without a reason (403)"
    assert reason(Answer(500, {}, body)) == "Concertim failed (500)"


@given(st.sampled_from([400, 403, 422, 500]), ANY_JSON)
def test_any_body_gives_one_short_printable_line(status: int, content: object) -> None:
    explained = reason(answer(status, content))
    assert 0 < len(explained) <= LONGEST_REASON
    assert explained.isprintable()
