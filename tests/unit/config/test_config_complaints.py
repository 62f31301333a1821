"""Errors in a config.yaml name file, line and key, and no secrets."""

from __future__ import annotations

import contextlib
from itertools import pairwise
from pathlib import Path

import pytest
from configfile import Config
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cos_update.config import load
from cos_update.model.errors import ConfigError

RMQ = "rmq:\n  rmq_username: u\n  rmq_password: p\n  rmq_address: h\n"
CONCERTIM = "concertim:\n  concertim_url: http://c\n  concertim_username: u\n  concertim_password: p\n"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (RMQ + "  rmq_port: amqp\n", "line 5: rmq.rmq_port: expected a whole number, found 'amqp'."),
        (RMQ + "  rmq_port: true\n", "line 5: rmq.rmq_port: expected a whole number, found true."),
        (RMQ + "  rmq_port: 5672.5\n", "line 5: rmq.rmq_port: expected a whole number, found 5672.5."),
        (RMQ + "  rmq_port: 0\n", "line 5: rmq.rmq_port: expected a whole number from 1 to 65535, found 0."),
        (RMQ + "  rmq_port: [1]\n", "line 5: rmq.rmq_port: expected a whole number, found a list."),
        (RMQ + "  tls: 1\n", "line 5: rmq.tls: expected true or false, found 1."),
        (RMQ + "  rmq_path: [7]\n", "line 5: rmq.rmq_path: expected a string, found a list."),
        (RMQ + "  rmq_port: 0x1F\n", "line 5: rmq.rmq_port: expected a whole number, found 0x1F."),
        (RMQ + "  rmq_port: 1e3\n", "line 5: rmq.rmq_port: expected a whole number, found '1e3'."),
        (RMQ + "  rmq_port: !!int five\n", "line 5: rmq.rmq_port: expected a whole number, found five."),
        (RMQ + "  rmq_port: 1%s\n" % ("0" * 5000),
         "line 5: rmq.rmq_port: expected a whole number from 1 to 65535, found 1%s…." % ("0" * 38)),
        (RMQ + "  queue_type: stream\n", "line 5: rmq.queue_type: expected one of classic, quorum, found 'stream'."),
        (RMQ + "  shard: {index: 1}\n",
         "line 5: rmq.shard.index: expected less than shard.count, which is 1, found 1."),
        (RMQ + "  shard: 3\n", "line 5: rmq.shard: expected keys and values, found a string."),
        (RMQ + "  client_key: /k\n", "line 5: rmq.client_key: client_cert and client_key are needed together."),
        (RMQ.replace(": h", ": a:b"), "line 4: rmq.rmq_address: expected a host name, or host:port, found 'a:b'."),
        (RMQ.replace(": h", ": 'h:99999'"),
         "line 4: rmq.rmq_address: expected a host name, or host:port, found 'h:99999'."),
        (RMQ.replace(": h", ": ','"), "line 4: rmq.rmq_address: expected one name or more, found ','."),
        (CONCERTIM + "  default_rack_height: 73\n",
         "line 5: concertim.default_rack_height: expected a whole number from 1 to 72, found 73."),
        (CONCERTIM + "  default_rack_height: 42 U\n",
         "line 5: concertim.default_rack_height: expected a whole number, found '42 U'."),
        (CONCERTIM + "  default_rack_height: '73'\n",
         "line 5: concertim.default_rack_height: expected a whole number from 1 to 72, found '73'."),
        (CONCERTIM + "  order_id: project\n",
         "line 5: concertim.order_id: expected stack_id, tag:NAME, killbill or killbill_bundle, found 'project'."),
        (CONCERTIM + "  timeout: .inf\n", "line 5: concertim.timeout: expected a number of seconds, found .inf."),
        (CONCERTIM.replace("http://c", "ftp://c"),
         "line 2: concertim.concertim_url: expected an address like https://host, found 'ftp://c'."),
        ("interval: 0\n", "line 1: interval: expected a number of seconds above 0, found 0."),
        ("interval: soon\n", "line 1: interval: expected a number of seconds, found 'soon'."),
        ("max_deletes: 101\n", "line 1: max_deletes: expected a percentage from 0 to 100, found 101."),
        ("data_dir: data\n", "line 1: data_dir: expected an absolute path, found 'data'."),
        ("log_level: loud\n",
         "line 1: log_level: expected one of DEBUG, INFO, WARN, WARNING, ERROR, CRITICAL, found 'loud'."),
        ("\n\nrmq: [a]\n", "line 3: rmq: expected keys and values, found a list."),
        (CONCERTIM.replace("  concertim_url: http://c\n", ""), "line 1: concertim.concertim_url: missing."),
        (CONCERTIM.replace("  concertim_password: p\n", ""), "line 1: concertim.concertim_password: missing."),
        (RMQ.replace("  rmq_address: h\n", ""), "line 1: rmq.rmq_address: missing."),
        ("openstack:\n  username: u\n  password: p\n", "line 1: openstack.auth_url: missing."),
        ("openstack:\n  auth_url: http://k\n  password: p\n", "line 1: openstack.username: missing."),
        ("openstack:\n  auth_url: http://k\n  username: u\n", "line 1: openstack.password: missing."),
        ("openstack:\n  auth_url: http://k\n  application_credential_id: u\n",
         "line 1: openstack.application_credential_secret: missing."),
        ("openstack:\n  cloud: c\n  username: u\n",
         "line 3: openstack.username: given together with openstack.cloud, which names a cloud of clouds.yaml."),
        ("openstack:\n  cloud: c\n  password: p\n",
         "line 3: openstack.password: given together with openstack.cloud, which names a cloud of clouds.yaml."),
        ("openstack:\n  auth_url: http://k\n  token: t\n  username: u\n",
         "line 4: openstack.username: given together with a token, which needs no user."),
        ("openstack:\n  cloud: c\n  verify: true\n  insecure: true\n",
         "line 4: openstack.insecure: given together with verify, but both configure TLS verification."),
        (RMQ + "  verify: {strict: maybe}\n", "line 5: rmq.verify.strict: expected true or false, found 'maybe'."),
        ("interval: 5\nlog_level: INFO\ninterval: 6\n", "line 3: interval: given twice, first in line 1."),
        (RMQ + "  rmq_address: i\n", "line 5: rmq.rmq_address: given twice, first in line 4."),
        ("interval: 2026-99-99\n", "line 1: interval: expected a number of seconds, found 2026-99-99."),
        ("interval: 2:30\n", "line 1: interval: expected a number of seconds, found 2:30."),
    ],
)  # fmt: skip
def test_wrong_values(config: Config, text: str, complaint: str) -> None:
    assert config.complaint(text) == f"config.yaml, {complaint}"


@pytest.mark.parametrize("value", ["[hunter2]", "{hunter2: 1}", "''", "!hunter2", "*hunter2", "!hunter2!x"])
def test_a_wrong_secret_is_not_quoted(config: Config, value: str) -> None:
    complaint = config.complaint(CONCERTIM.replace("password: p", f"password: {value}"))
    assert complaint.startswith("config.yaml, line 4: ")
    assert "hunter2" not in complaint


@pytest.mark.parametrize(
    "text",
    [
        "openstack:\n  password:hunter2\n",
        "openstack: hunter2\n",
        "password:hunter2\n",
        CONCERTIM.replace("password: p", "password: hunter2") + "  timeout: my-hunter2\n",
        CONCERTIM.replace("password: p", "password: hunter2") + "  concertim_password: hunter3\n",
    ],
)
def test_a_secret_in_a_wrong_place_is_not_quoted(config: Config, text: str) -> None:
    complaint = config.complaint(text)
    assert "line " in complaint
    assert "hunter" not in complaint


def test_credentials_in_an_address_are_refused_and_not_quoted(config: Config) -> None:
    complaint = config.complaint(CONCERTIM.replace("http://c", "http://admin:hunter2@c"))
    assert complaint == "config.yaml, line 2: concertim.concertim_url: contains a user name or a password."


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "secret cannot be read: No such file or directory."),
        (b"", "secret is empty."),
        (b"\n", "secret is empty."),
        (b"\xff\xfe", "secret is not UTF-8 text."),
    ],
)
def test_secret_files_that_say_nothing(config: Config, tmp_path: Path, content: bytes | None, reason: str) -> None:
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    text = CONCERTIM.replace("password: p", "password_file: secret")
    assert config.complaint(text) == f"config.yaml, line 4: concertim.concertim_password_file: {tmp_path}/{reason}"
    environ = {"COS_UPDATE_CONCERTIM_PASSWORD_FILE": str(tmp_path / "secret")}
    assert config.complaint(text, environ) == f"COS_UPDATE_CONCERTIM_PASSWORD_FILE: {tmp_path}/{reason}"


def test_a_secret_is_given_once(config: Config) -> None:
    complaint = config.complaint(CONCERTIM + "  concertim_password_file: f\n")
    assert (
        complaint == "config.yaml, line 5: concertim.concertim_password_file: given together with concertim_password."
    )


def test_unknown_keys_are_warnings_with_a_guess(config: Config) -> None:
    warnings = config.load(RMQ + "  rmq_prot: 5\n  shard: {indx: 1}\nfoo: 1\n").warnings
    assert [warning.replace(str(config.path), "config.yaml") for warning in warnings] == [
        "config.yaml, line 7: unknown key foo is ignored.",
        "config.yaml, line 5: unknown key rmq.rmq_prot is ignored; did you mean rmq_port?",
        "config.yaml, line 6: unknown key rmq.shard.indx is ignored; did you mean index?",
    ]


@pytest.mark.parametrize("section", ["billing_platform", "killbill", "cloudkitty", "billing_app", "payment"])
def test_sections_of_other_services_are_left_to_them(config: Config, section: str) -> None:
    assert config.load(f"{section}: {{a: [1, 2]}}\n").warnings == ()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"- a\n- b\n", "line 1: expected keys and values, found a list."),
        (b"just words", "line 1: expected keys and values, found a string."),
        (b"interval: 5\nlog_dir: \xff\n", "line 2: not UTF-8 text."),
        (b"interval: 5\nlog_dir: \x00\n", "line 2: a character that YAML does not allow (#0000)."),
        (b"rmq: {a: 1\n", "line 2: not YAML: expected ',' or '}', but got '<stream end>'."),
        (b"a: b: c\n", "line 1: not YAML: mapping values are not allowed here."),
        (b"a: *x\n", "line 1: not YAML: a value begins with *, but no anchor has that name."),
        (b"interval: 1\n---\ninterval: 2\n", "line 2: not YAML: but found another document."),
        (b"interval: !!python/object/apply:os.system [id]\n",
         "line 1: interval: expected a number of seconds, found a list."),
        (b"log_dir: !!python/name:os.system x\n",
         "line 1: log_dir: unknown YAML tag: the value begins with !."),
    ],
)  # fmt: skip
def test_files_that_are_no_configuration(config: Config, content: bytes, complaint: str) -> None:
    assert config.complaint(content) == f"config.yaml, {complaint}"


def test_files_that_are_not_there_or_not_ours(config: Config) -> None:
    with pytest.raises(ConfigError, match="no such file") as error:
        load(config.path, {})
    assert "cos-update config sample" in error.value.hint
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(config.path.parent, {})


def bomb(first: str, rest: str) -> str:
    """Anchors a to i, where each of the later ones holds nine of the one before."""
    lines = [rest.format(anchor, ",".join([f"*{before}"] * 9)) for before, anchor in pairwise("abcdefghi")]
    return "\n".join([first, *lines, ""])


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "content",
    [
        bomb("a: &a [x]", "_{0}: &{0} [{1}]") + "rmq: {rmq_address: *i}",
        bomb("a: &a {x: 1, y: 2}", "_{0}: &{0} {{<<: [{1}]}}") + "rmq: *i",
        "rmq: " + "[" * 100_000,
        "rmq: &r {rmq_address: *r}",
        "# " + "x" * 2_000_000,
        "interval: " + "9" * 100_000,
    ],
    ids=["lists", "merges", "depth", "itself", "size", "digits"],
)  # fmt: skip
def test_files_that_mean_harm_end_in_a_complaint(config: Config, content: str) -> None:
    assert config.complaint(content).startswith("config.yaml")


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(content=st.binary(max_size=60) | st.text(alphabet="rmqa: \n-[]{}&*!<'\"#1", max_size=60).map(str.encode))
def test_no_file_ends_in_a_traceback(config: Config, content: bytes) -> None:
    with contextlib.suppress(ConfigError):
        config.load(content)
