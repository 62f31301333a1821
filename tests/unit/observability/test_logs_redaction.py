"""No secret gets into a log line, wherever it comes from."""

from __future__ import annotations

import base64
import json
import logging
import time
from urllib.parse import quote

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from cos_update.observability.log_lines import JsonFormatter, TextFormatter
from cos_update.observability.redaction import Redactor, hidden


def redacted(text: str, *secrets: str) -> str:
    redactor = Redactor()
    redactor.add(*secrets)
    return redactor(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("amqp://openstack:hunter2@rabbit:5672/", "amqp://openstack:***@rabbit:5672/"),
        ("http://u:p@ss@host/x", "http://u:***@host/x"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("{'Authorization': 'Basic dTpw'}", "{'Authorization': 'Basic ***'}"),
        ("headers: {b'Authorization': b'Bearer abc'}", "headers: {b'Authorization': b'Bearer ***'}"),
        ('-H "X-Auth-Token: gAAAA1"', '-H "X-Auth-Token: ***"'),
        ('-H "X-Auth-Token: {SHA256}9f86d0"', '-H "X-Auth-Token: {SHA256}9f86d0"'),
        ("{'X-Subject-Token': 'abc', 'Date': 'x'}", "{'X-Subject-Token': '***', 'Date': 'x'}"),
        (r'{"user": {"password": "a \"b\" c", "name": "x"}}', '{"user": {"password": "***", "name": "x"}}'),
        ('{"adminPass": "x"}', '{"adminPass": "***"}'),
        ('{"application_credential_secret":"x"}', '{"application_credential_secret":"***"}'),
        ("concertim_password: hunter2", "concertim_password: ***"),
        ("login?password=hunter2&user=x", "login?password=***&user=x"),
        ("Set-Cookie: _session=abc; path=/", "Set-Cookie: ***; path=/"),
        ("got gAAAAABlZ0-Zk3yU8v_h1Qq2W3e4R5t6Y7u8I9o0 today", "got *** today"),
        ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.s5-ig_x", "jwt ***"),
    ],
)
def test_what_looks_like_a_secret(text: str, expected: str) -> None:
    assert redacted(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "updated node-0 in cluster-1 status=IN_PROGRESS->ACTIVE openstack=a697f282-1 concertim=9f2c",
        "Keystone refused the token: it has expired",
        "https://host:5000/v3 answered 503 at user@example.com",
        "the password was refused; basic permissions are missing",
        '{"token": {"expires_at": "2026-11-23"}}',
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redacted(text) == text


def test_a_short_secret_is_hidden_where_it_stands_alone() -> None:
    assert redacted("user ab with ab: table", "ab") == "user *** with ***: table"


@example("two/more words")
@given(secret=st.text(min_size=6, max_size=30))
def test_a_known_secret_is_hidden_in_every_form(secret: str) -> None:
    assume(secret not in "***" and "*" not in secret and not secret.isspace())
    raw = secret.encode()
    for form in (secret, quote(raw, safe=""), json.dumps(secret), repr(secret), base64.b64encode(raw).decode()):
        assert secret not in redacted(f"<{form}>", secret)
        assert quote(raw, safe="") not in redacted(f"<{form}>", secret)
    assert base64.b64encode(raw).decode() not in redacted(f"<{base64.b64encode(raw).decode()}>", secret)


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
@pytest.mark.parametrize(
    "logger", ["cos_update.bulk", "urllib3.connectionpool", "pika.adapters", "keystoneauth.session"]
)
def test_messages_arguments_and_exceptions(formatter: logging.Formatter, logger: str) -> None:
    hidden.add('hun"ter2')
    try:
        raise ValueError('no login with hun"ter2 at http://u:other@host/')
    except ValueError as error:
        record = logging.LogRecord(
            logger, logging.ERROR, __file__, 1, "refused %s of %r", ('hun"ter2', {"password": "third"}),
            (type(error), error, error.__traceback__),
        )  # fmt: skip
    line = formatter.format(record)
    hidden.clear()
    assert "ter2" not in line
    assert "other" not in line
    assert "third" not in line
    assert "ValueError" in line


def test_a_line_with_a_wrong_format_is_kept_and_redacted() -> None:
    record = logging.LogRecord("x", logging.INFO, __file__, 1, "%d apples", ({"password": "third"},), None)
    line = TextFormatter().format(record)
    assert "%d apples" in line
    assert "third" not in line


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text",
    ["token" * 20_000, "://" + "a:" * 50_000, '"password": "' + "\\" * 100_000, "x-" * 50_000, "-eyJabc" * 15_000],
)
def test_long_lines_cost_little(text: str) -> None:
    began = time.process_time()
    redacted(text)
    assert time.process_time() - began < 2


def test_a_password_that_is_a_word_of_our_own_lines_hides_only_what_they_tell_of() -> None:
    hidden.add("concertim")
    try:
        arguments = ("node-0", "login as concertim", "a697", "9f2c")
        message = "changed %s: %s openstack=%s concertim=%s"
        record = logging.LogRecord("cos_update.device", logging.INFO, __file__, 1, message, arguments, None)
        assert TextFormatter().format(record).endswith("changed node-0: login as *** openstack=a697 concertim=9f2c")
    finally:
        hidden.clear()
