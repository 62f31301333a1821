"""The section `killbill`, shared with the billing service; read only if order ids are looked up there."""

from __future__ import annotations

from pathlib import Path

import pytest

from cos_update import config
from cos_update.config import Loaded
from cos_update.model.errors import ConfigError

BASE = """\
openstack: {auth_url: "http://keystone:5000/v3", username: u, password: p, project_name: admin}
concertim:
  concertim_url: http://concertim
  concertim_username: admin
  concertim_password: p
"""
SECTION = """\
killbill:
  api_host: killbill:8080
  username: admin
  password: 0123
  apikey: bob
  apisecret: lazar
  plan_name: standard
"""


def loaded(tmp_path: Path, text: str) -> Loaded:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return config.load(path, {})


@pytest.mark.parametrize("order_id", ["killbill", "killbill_bundle"])
def test_it_is_read_where_order_ids_name_it(tmp_path: Path, order_id: str) -> None:
    found = loaded(tmp_path, f"{BASE}  order_id: {order_id}\n{SECTION}")
    found.need_all()
    killbill = found.settings.killbill
    assert killbill is not None
    assert (killbill.url, killbill.username, killbill.password) == ("http://killbill:8080", "admin", "0123")
    assert (killbill.api_key, killbill.api_secret, killbill.verify) == ("bob", "lazar", True)
    assert {"0123", "bob", "lazar"} <= config.secrets(found.settings)
    assert "lazar" not in config.shown(found.settings)
    assert found.order_id_advice == ""
    assert found.warnings == ()


@pytest.mark.parametrize("section", ["killbill: null\n", "killbill: 7\n", "killbill: {api_host: [1]}\n", SECTION])
def test_it_is_left_to_the_billing_service_where_they_do_not(tmp_path: Path, section: str) -> None:
    found = loaded(tmp_path, f"{BASE}  order_id: stack_id\n{section}")
    found.need_all()
    assert found.settings.killbill is None
    assert found.order_id_advice == ""
    assert any("left to the other services that share this file: killbill" in note for note in found.notes)


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("", "the section killbill is missing"),
        ("killbill: {}\n", "killbill.api_host missing"),
        (SECTION.replace("  apikey: bob\n", ""), "killbill.apikey missing"),
        (SECTION.replace("killbill:8080", "ftp://killbill"), "killbill.api_host"),
    ],
)
def test_what_is_wrong_with_it_stops_what_posts(tmp_path: Path, section: str, words: str) -> None:
    found = loaded(tmp_path, f"{BASE}  order_id: killbill\n{section}")
    for needed in (("concertim",), ("openstack", "concertim")):
        with pytest.raises(ConfigError) as error:
            found.need(*needed)
        assert words in str(error.value).replace(":", " ").replace("  ", " ") or words in str(error.value)
    found.need("openstack")
    assert found.wrong()


def test_a_billing_service_without_a_word_on_order_ids_is_pointed_at(tmp_path: Path) -> None:
    found = loaded(tmp_path, f"{BASE}{SECTION}")
    found.need_all()
    assert "order_id: killbill" in found.order_id_advice
    assert found.order_id_advice in found.decisions


@pytest.mark.parametrize("section", ["", "killbill: null\n", 'killbill: {apikey: ""}\n', "killbill: [1]\n"])
def test_where_billing_is_not_configured_nothing_is_pointed_at(tmp_path: Path, section: str) -> None:
    assert loaded(tmp_path, f"{BASE}{section}").order_id_advice == ""


def test_other_values_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"stack_id, tag:NAME, killbill or killbill_bundle"):
        loaded(tmp_path, f"{BASE}  order_id: killbil\n").need_all()
