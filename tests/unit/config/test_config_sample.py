"""The sample and the output of `config show` are valid configurations."""

from __future__ import annotations

import re
from dataclasses import replace

import yaml
from configfile import Config

from cos_update.config import sample, secrets, shown
from cos_update.config.keys import KEYSTONE, SECRETS, SECTIONS, TOP

FULL = """
data_dir: /data
interval: 2.5
openstack:
  auth_url: http://k
  username: u
  password: one-secret
openstack_: 1
concertim: {concertim_url: http://c, concertim_username: u, concertim_password: two-secret, api: users, verify: false}
rmq:
  {rmq_address: "a, b:1", rmq_username: u, rmq_password: three-secret, rmq_path: /foo, tls: true,
   shard: {count: 2, index: 1}}
"""


def uncommented(text: str) -> str:
    """Every `# key: value` in force; alternatives (indented further) stay comments."""
    return re.sub(r"^( *)# ([a-z_]+: \S.*)$", r"\1\2", text, flags=re.MULTILINE)


def test_the_sample_is_valid_and_leaves_every_default_alone(config: Config) -> None:
    loaded = config.load(sample())
    assert loaded.warnings == ()
    assert None not in (loaded.settings.openstack, loaded.settings.concertim, loaded.settings.rmq)


def test_what_the_sample_shows_in_comments_are_the_defaults(config: Config) -> None:
    assert config.load(uncommented(sample())).settings == config.load(sample()).settings


def test_the_sample_names_every_key() -> None:
    named = set(re.findall(r"^ *#? *([a-z_]+): ", sample(), flags=re.MULTILINE))
    keys = {key.name for group in (TOP, *SECTIONS.values()) for key in group}
    assert keys | {secret.name for group in SECRETS.values() for secret in group} <= named
    assert {"auth_url", "username", "project_name", "user_domain_name", "application_credential_id"} <= named & set(
        KEYSTONE
    )
    assert all(secret.variable in sample() for group in SECRETS.values() for secret in group)


def test_what_is_shown_is_the_same_configuration_without_secrets(config: Config) -> None:
    settings = config.load(FULL).settings
    text = shown(settings)
    assert "secret" not in text
    again = config.load(text).settings
    assert shown(again) == text
    assert again.rmq is not None
    assert settings.rmq is not None
    assert replace(again.rmq, password="three-secret") == settings.rmq
    assert yaml.safe_load(text)["concertim"]["concertim_password"] == "(hidden)"


def test_the_secrets_are_known_to_whoever_must_hide_them(config: Config) -> None:
    assert secrets(config.load(FULL).settings) == {"one-secret", "two-secret", "three-secret"}
