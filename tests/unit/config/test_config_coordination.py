"""The section `coordination`: a mistake in it never makes a machine take itself for the only one."""

from __future__ import annotations

import pytest
from configfile import Config

from cos_update.config import secrets, shown
from cos_update.model.errors import ConfigError
from cos_update.model.settings import CoordinationSettings

BOTH = (
    "concertim:\n  concertim_url: http://c\n  concertim_username: u\n  concertim_password: p\n"
    "openstack:\n  auth_url: http://k/v3\n  username: u\n  password: p\n"
)


def test_without_the_section_there_is_no_other_machine(config: Config) -> None:
    assert config.load(BOTH).settings.coordination is None


def test_the_least_that_is_needed_is_the_engine(config: Config) -> None:
    loaded = config.load(BOTH + "coordination: {backend_url: 'etcd3+http://etcd:2379'}\n")
    loaded.need("concertim")
    assert loaded.settings.coordination == CoordinationSettings("etcd3+http://etcd:2379", 1, 15, "")


@pytest.mark.parametrize(
    ("section", "complaint"),
    [
        ("coordination:\n", "coordination: empty"),
        ("coordination: {shards: 2}\n", "coordination.backend_url: missing"),
        ("coordination: {backend_url: 'zookeeper://z'}\n", "coordination.backend_url: expected an address"),
        ("coordination: {backend_url: 'file:///tmp'}\n", "coordination.backend_url: expected an address"),
        ("coordination: {backend_url: 'redis://r', shards: 0}\n", "coordination.shards: expected a whole number"),
        ("coordination: {backend_url: 'redis://r', lease: 1}\n", "coordination.lease: expected a whole number"),
    ],
)
def test_a_mistake_stops_every_command_that_needs_concertim(config: Config, section: str, complaint: str) -> None:
    loaded = config.load(BOTH + section)
    assert loaded.settings.coordination is None
    with pytest.raises(ConfigError, match=complaint):
        loaded.need("concertim")


def test_the_address_is_a_secret_and_so_is_the_password_in_it(config: Config) -> None:
    settings = config.load(BOTH + "coordination: {backend_url: 'redis://:hunter2@r:6379'}\n").settings
    assert {"redis://:hunter2@r:6379", "hunter2"} <= secrets(settings)
    assert "hunter2" not in shown(settings) + repr(settings)


def test_the_address_may_come_from_the_environment_and_is_looked_at_all_the_same(config: Config) -> None:
    section = BOTH + "coordination: {shards: 2}\n"
    name = "COS_UPDATE_COORDINATION_BACKEND_URL"
    found = config.load(section, {name: "redis://r"}).settings.coordination
    assert found is not None
    assert found.backend_url == "redis://r"
    with pytest.raises(ConfigError, match="expected an address that begins with one of"):
        config.load(section, {name: "mysql://secret@m"}).need("concertim")
