"""The files of existing deployments: every format, and every way in which people write values."""

from __future__ import annotations

from pathlib import Path

import pytest
from configfile import CONCERTIM, OPENSTACK, RMQ, Config

from cos_update.config import Loaded, require, shown
from cos_update.config.keys import SECTIONS
from cos_update.model.errors import ConfigError, ConfigErrors

FORMS = Path(__file__).parents[2] / "fixtures" / "config"
YAMLS_GUESSES = [
    "0123456", "1_000", "12:30:45", "2024-01-01", "yes", "no", "null", "~", "1e5", "0x1F", "0o17", "1.5", ".inf",
    "true", "'5672'", "0b1", "-1", "<<", "=",
]  # fmt: skip


def form(config: Config, name: str) -> Loaded:
    return config.load((FORMS / f"{name}.yaml").read_bytes())


@pytest.mark.parametrize(
    ("name", "auth"),
    [
        ("first_generation",
         {"auth_url": "http://10.50.0.5:35357/v3", "username": "concertim", "password": "0123456",
          "project_name": "admin", "user_domain_name": "Default", "project_domain_name": "Default"}),
        ("first_generation_by_ids",
         {"auth_url": "http://10.50.0.5:5000/v3", "user_id": "123456789012", "password": "2024-01-01",
          "project_id": "0123456789"}),
        ("second_generation",
         {"auth_url": "http://10.50.0.5:5000/v3", "username": "concertim", "password": "yes",
          "project_id": "123456789abcdf", "user_domain_name": "Default", "project_domain_name": "Default"}),
        ("services",
         {"auth_url": "http://10.50.0.5:5000", "username": "concertim", "password": "1e5", "project_name": "admin",
          "user_domain_name": "Default", "project_domain_name": "Default"}),
        ("broker_left_open",
         {"auth_url": "http://10.50.0.5:5000/v3", "username": "concertim", "password": "p: #1", "project_name": "admin",
          "user_domain_name": "Default", "project_domain_name": "Default"}),
    ],
)  # fmt: skip
def test_the_login_to_openstack_of_each_form(config: Config, name: str, auth: dict[str, str]) -> None:
    loaded = form(config, name)
    assert require(loaded.settings, "openstack").auth == auth
    assert loaded.warnings == ()


@pytest.mark.parametrize(
    ("name", "password", "height"),
    [
        ("first_generation", "12:30:45", 42),
        ("first_generation_by_ids", "2024-01-01", 42),
        ("second_generation", "null", 42),
        ("services", "it's", 42),
        ("broker_left_open", " with spaces ", 42),
    ],
)
def test_the_login_to_concertim_of_each_form(config: Config, name: str, password: str, height: int) -> None:
    found = require(form(config, name).settings, "concertim")
    assert (found.url, found.username, found.password) == ("https://proxy:7443", "admin", password)
    assert found.default_rack_height == height


@pytest.mark.parametrize(
    ("name", "password"),
    [("first_generation", "1_000"), ("first_generation_by_ids", "yes"), ("second_generation", "0x1F")],
)
def test_the_login_to_the_broker_of_each_form(config: Config, name: str, password: str) -> None:
    loaded = form(config, name)
    loaded.need(*SECTIONS)
    found = require(loaded.settings, "rmq")
    assert (found.hosts, found.port, found.virtual_host) == (("10.50.0.5",), 5672, "/")
    assert (found.username, found.password) == ("openstack", password)


def test_an_unconfigured_broker_stops_only_the_listener(config: Config) -> None:
    loaded = form(config, "broker_left_open")
    loaded.need("openstack", "concertim")
    with pytest.raises(ConfigError, match=r"line 12: rmq\.rmq_address: expected one name or more, found ''"):
        loaded.need("rmq")
    with pytest.raises(ConfigError, match="the section rmq is missing"):
        form(config, "services").need("rmq")


@pytest.mark.parametrize("written", YAMLS_GUESSES)
def test_a_text_is_what_is_written(config: Config, written: str) -> None:
    text = written.strip("'")
    for section, key, name in ((OPENSTACK, "password", "openstack"), (CONCERTIM, "concertim_password", "concertim"),
                               (RMQ, "rmq_password", "rmq")):  # fmt: skip
        loaded = config.load(section.replace(f"{key}: s3cret", f"{key}: {written}"))
        found = getattr(loaded.settings, name)
        assert (found.auth["password"] if name == "openstack" else found.password) == text
    for section, key, name in ((CONCERTIM, "concertim_username: admin", "concertim"),
                               (RMQ, "rmq_username: openstack", "rmq")):  # fmt: skip
        loaded = config.load(section.replace(key, f"{key.partition(':')[0]}: {written}"))
        assert getattr(loaded.settings, name).username == text


@pytest.mark.parametrize("written", ["0123456", "1_000", "12345678901234567890", "1e5", "2024-01-01", "12:30"])
@pytest.mark.parametrize("key", ["project_name", "project_id", "user_domain_name", "admin_project_id"])
def test_an_id_is_what_is_written(config: Config, key: str, written: str) -> None:
    text = OPENSTACK.replace("  project_name: admin\n", "").replace("  user_domain_name: Default\n", "")
    auth = require(config.load(text + f"  {key}: {written}\n").settings, "openstack").auth
    assert auth[key.removeprefix("admin_")] == written


@pytest.mark.parametrize(
    ("written", "port"),
    [("5672", 5672), ('"5672"', 5672), ("05672", 5672), ("' 5672 '", 5672), ("5_672", 5672), ("+5672", 5672),
     ("!!str 5672", 5672), ("null", 5672), ("~", 5672), ("", 5672), ("0005671", 5671)],
)  # fmt: skip
def test_a_number_is_read_in_tens(config: Config, written: str, port: int) -> None:
    assert require(config.load(RMQ + f"  rmq_port : {written}\n").settings, "rmq").port == port


@pytest.mark.parametrize(
    ("written", "truth"),
    [("true", True), ('"true"', True), ("True", True), ("'yes'", True), ("on", True), (" 'false ' ", False),
     ('"No"', False), ("OFF", False)],
)  # fmt: skip
def test_a_truth_may_be_in_quotes(config: Config, written: str, truth: bool) -> None:
    assert require(config.load(RMQ + f"  tls: {written}\n").settings, "rmq").tls is truth
    assert require(config.load(RMQ + f"  verify: {written}\n").settings, "rmq").verify is truth


@pytest.mark.parametrize("written", ["'300'", "300", "0300", "3e2", "300.0", '" 300 "'])
def test_seconds_may_be_in_quotes(config: Config, written: str) -> None:
    assert config.load(f"interval: {written}\n").settings.interval == 300


def test_white_space_around_a_value_is_left_out_but_for_secrets(config: Config) -> None:
    text = CONCERTIM.replace("https://concertim/", "' https://concertim// '").replace(": admin", ': "\tadmin "')
    found = require(config.load(text.replace("s3cret", "' s3cret '")).settings, "concertim")
    assert (found.url, found.username, found.password) == ("https://concertim", "admin", " s3cret ")
    assert config.load("log_level: ' info '\ndata_dir: '/data '\n").settings.data_dir == Path("/data")


def test_a_secret_of_several_lines_ends_with_its_text(config: Config) -> None:
    found = require(config.load(CONCERTIM.replace("s3cret", "|\n    s3 cret\n")).settings, "concertim")
    assert found.password == "s3 cret"


@pytest.mark.parametrize("line", ["admin_user_id: u", "admin_user_password: p", "admin_project_id: i\n  project_id: j"])
def test_a_key_is_given_by_one_name(config: Config, line: str) -> None:
    assert "given together with" in config.complaint(
        OPENSTACK.replace("username: concertim", "user_id: u") + f"  {line}\n"
    )


def test_sections_of_others_may_hold_anything(config: Config) -> None:
    loaded = config.load("gnocchi: {a: !x 1, a: 2}\ngnocchi: [1]\nmetrics: *x\n".replace("*x", "1") + RMQ)
    assert (loaded.warnings, loaded.faults) == ((), ())


def test_all_faults_are_reported_at_once_in_the_order_of_the_file(config: Config) -> None:
    text = (
        "log_level: loud\nrmq:\n  rmq_port: amqp\n  rmq_port: 1\n  rmq_adress: h\n  tls: maybe\n"
        "concertim:\n  url: http://c\n  concertim_username: u\n  concertim_password: !p\n  timeout: -1\n"
        "openstack:\n  auth_url: keystone\n  cacert: a\n  insecure: true\n"
    )
    loaded = config.load(text)
    with pytest.raises(ConfigErrors) as error:
        loaded.need_all()
    texts = [str(fault).replace(f"{config.path}, ", "") for fault in error.value.faults]
    assert texts == [
        "line 1: log_level: expected one of DEBUG, INFO, WARN, WARNING, ERROR, CRITICAL, found 'loud'.",
        "line 2: rmq.rmq_address: missing.",
        "line 2: rmq.rmq_username: missing.",
        "line 2: rmq.rmq_password: missing.",
        "line 4: rmq.rmq_port: given twice, first in line 3.",
        "line 6: rmq.tls: expected true or false, found 'maybe'.",
        "line 7: concertim.concertim_url: missing.",
        "line 10: concertim.concertim_password: unknown YAML tag: the value begins with !.",
        "line 11: concertim.timeout: expected a number of seconds above 0, found -1.",
        "line 12: openstack.username: missing.",
        "line 12: openstack.password: missing.",
        "line 13: openstack.auth_url: expected an address like https://host, found 'keystone'.",
        "line 15: openstack.insecure: given together with cacert, but both configure TLS verification.",
    ]
    assert error.value.faults[1].hint == "Did you misspell it as rmq_adress in line 5?"
    assert error.value.faults[6].hint == "Did you misspell it as url in line 8?"


def test_a_missing_section_is_looked_for_among_the_unknown_keys(config: Config) -> None:
    with pytest.raises(ConfigError) as error:
        config.load(CONCERTIM.replace("concertim:", "concertm:")).need("concertim")
    assert error.value.hint == "Did you misspell it as concertm in line 2?"


@pytest.mark.parametrize(
    ("broken", "needed"),
    [("rmq", ("openstack", "concertim")), ("concertim", ("openstack", "rmq")), ("openstack", ("concertim",))],
)
def test_a_section_that_is_not_needed_stops_no_command(config: Config, broken: str, needed: tuple[str, ...]) -> None:
    whole = {"openstack": OPENSTACK, "concertim": CONCERTIM, "rmq": RMQ}
    for text in (f"{broken}: 7\n", f"{broken}:\n  timeout: never\n", f"{broken}:\n  password: !x\n", ""):
        loaded = config.load("".join(whole[name] for name in needed) + text)
        loaded.need(*needed)
        assert all(getattr(loaded.settings, name) is not None for name in needed)
        assert getattr(loaded.settings, broken) is None
        assert bool(loaded.warnings_for(*needed)) is bool(text)
        with pytest.raises(ConfigError, match=broken):
            loaded.need(broken)


@pytest.mark.parametrize(
    "key", ["cloud_type", "message_queue", "sleep_timer", "credit_threshold", "gnocchi", "hostbill", "killbill"]
)
def test_keys_of_other_services_are_known(config: Config, key: str) -> None:
    assert config.load(f"{key}: 1\n").warnings == ()
    assert config.load(OPENSTACK + "  billing_enabled: maybe\n").warnings == ()


@pytest.mark.parametrize(
    ("key", "meant"),
    [("intervall", "interval"), ("data_dirs", "data_dir"), ("logs", ""), ("cloud", ""), ("retry", ""), ("timer", "")],
)
def test_only_what_is_near_is_suggested(config: Config, key: str, meant: str) -> None:
    (warning,) = config.load(f"{key}: 1\n").warnings
    assert warning.endswith(f"; did you mean {meant}?" if meant else "is ignored.")


def test_how_values_were_taken_is_told_in_plain_words(config: Config) -> None:
    assert list(form(config, "first_generation").notes) == [
        "line 7: openstack.password: read as a string, though YAML would read a number",
        "line 14: rmq.rmq_password: read as a string, though YAML would read a number",
        "line 16: rmq.rmq_port: '5672' is read as the number 5672",
        "line 21: concertim.concertim_username: the white space around 'admin' is stripped",
        "line 22: concertim.concertim_password: read as a string, though YAML would read a number",
        "left to the other services that share this file: billing_platform, killbill",
    ]
    assert {
        "line 4: openstack.admin_user_id: read as user_id",
        "line 5: openstack.admin_user_password: read as password",
        "line 6: openstack.admin_project_id: read as project_id",
        "line 4: openstack.admin_user_id: read as the string '123456789012', though YAML would read a number",
    } <= set(form(config, "first_generation_by_ids").notes)
    assert "line 10: openstack.project_name: ignored: project_id is given" in form(config, "second_generation").notes
    assert [note for note in form(config, "broker_left_open").notes if "rmq" not in note] == [
        "line 18: concertim.concertim_password: it begins or ends with white space, which is kept as part of it",
        "line 19: concertim.default_rack_height: 042 is read as the number 42",
    ]


def test_what_is_to_be_decided_begins_with_tls(config: Config) -> None:
    decision = form(config, "first_generation").decisions[0]
    assert decision.startswith("concertim.verify: not set, so https://proxy:7443 must present a certificate that this")
    for line in ("verify: /etc/concertim-openstack-service/concertim-ca.pem", "verify: false",
                 "openssl s_client -showcerts -connect proxy:7443"):  # fmt: skip
        assert line in decision
    decided = config.load(
        (FORMS / "first_generation.yaml")
        .read_text()
        .replace("  default_rack", "  verify: /ca\n  order_id: stack_id\n  default_rack")
    )
    assert decided.decisions == ()


def test_no_secret_is_in_what_is_told(config: Config) -> None:
    for name in ("first_generation", "first_generation_by_ids", "second_generation"):
        loaded = form(config, name)
        texts = "\n".join((*loaded.notes, *loaded.decisions, *loaded.warnings, shown(loaded.settings)))
        for secret in ("0123456\n", "1_000", "12:30:45", "2024-01-01", "0x1F"):
            assert secret not in texts
