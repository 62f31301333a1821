"""config.yaml becomes settings; secrets and folders may come from the environment and from files."""

from __future__ import annotations

from pathlib import Path

import pytest
from configfile import CONCERTIM, OPENSTACK, RMQ, Config

from cos_update.config import config_path, require
from cos_update.model.concertim import ApiFlavour
from cos_update.model.errors import ConfigError
from cos_update.model.settings import ReadScope, Settings


def test_the_keys_of_existing_deployments(config: Config) -> None:
    loaded = config.load(
        """
        log_level: debug
        billing_platform: killbill
        killbill: {url: [any, thing]}
        openstack:
          auth_url: http://keystone:5000/v3
          username: concertim
          password: a
          project_name: admin
          project_domain_name: Default
          user_domain_name: Default
        rmq: {rmq_username: u, rmq_password: b, rmq_address: rabbit, rmq_port: 5673, rmq_path: /}
        concertim:
          concertim_url: https://concertim/
          concertim_username: admin
          concertim_password: c
          default_rack_height: 20
        """
    )
    settings = loaded.settings
    assert loaded.warnings == ()
    assert settings.log_level == "DEBUG"
    assert settings.openstack is not None
    assert settings.openstack.auth == {
        "auth_url": "http://keystone:5000/v3",
        "username": "concertim",
        "password": "a",
        "project_name": "admin",
        "project_domain_name": "Default",
        "user_domain_name": "Default",
    }
    assert settings.rmq is not None
    assert (settings.rmq.hosts, settings.rmq.port, settings.rmq.virtual_host) == (("rabbit",), 5673, "/")
    assert settings.concertim is not None
    assert (settings.concertim.url, settings.concertim.default_rack_height) == ("https://concertim", 20)


def test_an_empty_file_is_valid_and_has_no_sections(config: Config) -> None:
    assert config.load("").settings == Settings(source=config.path)
    assert config.load("rmq:\nconcertim: ~\n").settings == Settings(source=config.path)


def test_a_command_asks_for_the_section_that_it_needs(config: Config) -> None:
    settings = config.load(RMQ).settings
    assert require(settings, "rmq").username == "openstack"
    with pytest.raises(ConfigError, match="the section openstack is missing"):
        require(settings, "openstack")


def test_values_that_are_words(config: Config) -> None:
    settings = config.load(
        OPENSTACK + "  scope: PROJECT\n" + CONCERTIM + "  api: users\n  order_id: tag:invoice\n"
    ).settings
    assert require(settings, "openstack").scope is ReadScope.PROJECT
    assert require(settings, "concertim").api is ApiFlavour.USERS
    assert require(settings, "concertim").order_id == "tag:invoice"
    assert require(config.load(CONCERTIM + "  api: auto\n").settings, "concertim").api is None


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("rabbit", ("rabbit",)),
        ("'a, b:5673 ,c'", ("a", "b:5673", "c")),
        ("[a, 'b:5673']", ("a", "b:5673")),
        ("10.0.0.1", ("10.0.0.1",)),
        ("'[::1]:5673'", ("[::1]:5673",)),
    ],
)
def test_brokers_are_one_host_or_several(config: Config, text: str, hosts: tuple[str, ...]) -> None:
    settings = config.load(f"rmq: {{rmq_username: u, rmq_password: p, rmq_address: {text}}}").settings
    assert require(settings, "rmq").hosts == hosts


@pytest.mark.parametrize(("text", "host"), [("''", "/"), ("/", "/"), ("/foo", "foo"), ("foo", "foo"), ("/a/b", "a/b")])
def test_the_virtual_host_is_written_like_a_path(config: Config, text: str, host: str) -> None:
    assert require(config.load(RMQ + f"  rmq_path: {text}\n").settings, "rmq").virtual_host == host


def test_tls_brings_its_own_port(config: Config) -> None:
    assert require(config.load(RMQ + "  tls: true\n").settings, "rmq").port == 5671
    assert require(config.load(RMQ + "  tls: true\n  rmq_port: 5672\n").settings, "rmq").port == 5672


@pytest.mark.parametrize(
    ("text", "verify"),
    [
        ("verify: false", False),
        ("verify: true", True),
        ("verify: /etc/ca.pem", "/etc/ca.pem"),
        ("cacert: /etc/ca.pem", "/etc/ca.pem"),
        ("insecure: true", False),
        ("insecure: false", True),
    ],
)
def test_tls_verification_can_be_said_in_several_ways(config: Config, text: str, verify: object) -> None:
    for section in (OPENSTACK, CONCERTIM, RMQ):
        name = section.split(":")[0].strip()
        settings = config.load(section + f"  {text}\n").settings
        assert getattr(settings, name).verify == verify


@pytest.mark.parametrize(
    ("text", "verify", "strict"),
    [
        ("verify: {ca: /etc/ca.pem, strict: false}", "/etc/ca.pem", False),
        ("verify: {ca: /etc/ca.pem}", "/etc/ca.pem", None),
        ("verify: {strict: false}", True, False),
        ("verify: {strict: true}", True, True),
    ],
)
def test_strictness_is_relaxed_in_each_section(config: Config, text: str, verify: object, strict: bool | None) -> None:
    for section in (OPENSTACK, CONCERTIM, RMQ):
        loaded = config.load(section + f"  {text}\n")
        settings = getattr(loaded.settings, section.split(":")[0].strip())
        assert (settings.verify, settings.verify_strict) == (verify, strict)
        assert loaded.warnings == ()


def test_a_relative_ca_file_is_looked_for_beside_the_config(config: Config) -> None:
    settings = config.load(CONCERTIM + "  verify: ca.pem\n").settings
    assert require(settings, "concertim").verify == str(config.path.parent / "ca.pem")


def test_an_application_credential(config: Config) -> None:
    auth = require(
        config.load(
            """
            openstack:
              auth_url: http://keystone/v3
              application_credential_id: 123456
              application_credential_secret: s3cret
            """
        ).settings,
        "openstack",
    ).auth
    assert auth["application_credential_id"] == "123456"
    assert auth["application_credential_secret"] == "s3cret"


def test_a_token_needs_no_user(config: Config) -> None:
    text = "openstack: {auth_url: http://keystone/v3, project_id: p}"
    cloud = require(config.load(text, {"COS_UPDATE_OPENSTACK_TOKEN": "s3cret"}).settings, "openstack")
    assert (cloud.auth_type, cloud.auth["token"]) == ("token", "s3cret")


def test_a_shard_of_several(config: Config) -> None:
    rmq = require(config.load(RMQ + "  shard: {index: 1, count: 3}\n").settings, "rmq")
    assert (rmq.shard_index, rmq.shard_count) == (1, 3)


def test_a_cloud_of_clouds_yaml_stands_in_for_credentials(config: Config) -> None:
    cloud = require(config.load("openstack: {cloud: mycloud, region_name: R}").settings, "openstack")
    assert (cloud.cloud, cloud.region_name, cloud.auth) == ("mycloud", "R", {})


@pytest.mark.parametrize("field", ["openstack", "concertim", "rmq"])
def test_secrets_come_from_the_environment_first_then_from_files(config: Config, tmp_path: Path, field: str) -> None:
    (tmp_path / "secret").write_text("from-file\n")
    key, text = {
        "openstack": ("password", OPENSTACK),
        "concertim": ("concertim_password", CONCERTIM),
        "rmq": ("rmq_password", RMQ),
    }[field]
    with_file = text.replace(f"{key}: s3cret", f"{key}_file: secret")
    variable = f"COS_UPDATE_{field.upper()}_PASSWORD"

    def password(text: str, environ: dict[str, str]) -> str:
        section = getattr(config.load(text, environ).settings, field)
        return str(section.auth["password"] if field == "openstack" else section.password)

    assert password(text, {}) == "s3cret"
    assert password(with_file, {}) == "from-file"
    assert password(text, {f"{variable}_FILE": str(tmp_path / "secret")}) == "from-file"
    assert password(text, {variable: "from-environment"}) == "from-environment"
    assert password(text.replace(f"  {key}: s3cret\n", ""), {variable: "from-environment"}) == "from-environment"


def test_folders_of_the_environment_win(config: Config) -> None:
    text = "data_dir: /a\nlog_dir: /b\n"
    assert config.load(text).settings.data_dir == Path("/a")
    settings = config.load(text, {"COS_UPDATE_DATA_DIR": "/x", "COS_UPDATE_LOG_DIR": "/y"}).settings
    assert (settings.data_dir, settings.log_dir) == (Path("/x"), Path("/y"))


def test_which_file_is_read() -> None:
    assert config_path(Path("/a"), {"COS_UPDATE_CONFIG": "/b"}) == Path("/a")
    assert config_path(None, {"COS_UPDATE_CONFIG": "/b"}) == Path("/b")
    assert config_path(None, {}) == Path("/etc/concertim-openstack-service/config.yaml")


def test_anchors_and_merged_keys_work(config: Config) -> None:
    text = """
    tls: &tls {verify: false, timeout: 5}
    openstack: {<<: *tls, cloud: c, timeout: 7}
    """
    cloud = require(config.load(text).settings, "openstack")
    assert (cloud.verify, cloud.timeout) == (False, 7.0)


def test_secrets_are_in_no_repr(config: Config) -> None:
    assert "s3cret" not in repr(config.load(OPENSTACK + CONCERTIM + RMQ))
