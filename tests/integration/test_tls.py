"""TLS with OpenStack and Concertim: strictness as configured with every Python version, else Python's default.

Of the broker `listener/test_broker_tls.py` tells the same.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from certificates import (
    AUTHORITY_KEY_ID,
    CRITICAL_CONSTRAINTS,
    KEY_USAGE,
    SUBJECT_KEY_ID,
    Authority,
    server_context,
)
from checking import change
from world import World

from cos_update.fakes import Sandbox
from cos_update.fakes.concertim import ConcertimApp
from cos_update.fakes.demo import demo_cloud
from cos_update.fakes.openstack import OpenStackApp

FAULTS = {
    KEY_USAGE: "no key usage extension",
    CRITICAL_CONSTRAINTS: "basic constraints that are not marked critical",
    SUBJECT_KEY_ID: "no subject key identifier extension",
}
SIDES = ("openstack", "concertim")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@contextmanager
def serving(folder: Path, certificate: str) -> Iterator[World]:
    """Both fakes over TLS, with that certificate."""
    world = World(OpenStackApp(demo_cloud()), ConcertimApp(), folder)
    with Sandbox(world.openstack, world.concertim, tls=server_context(certificate)):
        world.add_owners()
        world.configure()
        yield world


@pytest.fixture
def secure(tmp_path: Path, authority: Authority) -> Iterator[Callable[[object], World]]:
    """Both fakes with a certificate of the authority; called with what `verify` is to be."""
    with serving(tmp_path, authority.sign("server", "127.0.0.1")) as world:

        def verifying(verify: object) -> World:
            for side in SIDES:
                change(world, side, verify=verify)
            return world

        yield verifying


def complaint(world: World, side: str) -> str:
    """What `bulk --once` says when only this side's certificate is in its way."""
    other = SIDES[1 - SIDES.index(side)]
    change(world, other, verify=False)
    return world.run("bulk", "--once", expect=1).stderr


def test_a_sound_authority_is_trusted_without_further_ado(
    secure: Callable[[object], World], authority: Authority
) -> None:
    secure(authority.certificate()).bulk()


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("lacking", FAULTS)
def test_what_an_authority_lacks_is_reported_with_its_name_and_file(
    secure: Callable[[object], World], authority: Authority, side: str, lacking: str
) -> None:
    ca = authority.certificate(lacking)
    text = complaint(secure({"ca": ca, "strict": True}), side)
    assert f"the CA certificate CN=authority in {ca} has {FAULTS[lacking]}" in text
    assert f"set {side}.verify to {{ca: {ca}, strict: false}}" in text


@pytest.mark.parametrize("side", SIDES)
def test_without_a_setting_it_is_as_python_has_it(
    secure: Callable[[object], World], authority: Authority, side: str
) -> None:
    world = secure(authority.certificate(KEY_USAGE))
    if sys.version_info >= (3, 13):
        assert FAULTS[KEY_USAGE] in complaint(world, side)
    else:
        world.bulk()


@pytest.mark.parametrize("lacking", FAULTS)
def test_strictness_is_relaxed_by_name(secure: Callable[[object], World], authority: Authority, lacking: str) -> None:
    world = secure({"ca": authority.certificate(lacking), "strict": False})
    world.bulk()
    assert (
        f"verify:\n    ca: {authority.certificate(lacking)}\n    strict: false\n" in world.run("config", "show").stdout
    )


@pytest.mark.parametrize("side", SIDES)
def test_the_host_name_is_verified_without_strictness_too(
    secure: Callable[[object], World], authority: Authority, side: str
) -> None:
    world = secure({"ca": authority.certificate(), "strict": False})
    key, url = ("auth_url", world.openstack.auth_url) if side == "openstack" else ("concertim_url", world.concertim.url)
    change(world, side, **{key: url.replace("127.0.0.1", "localhost")})
    assert "is not trusted: hostname mismatch" in complaint(world, side)


@pytest.mark.parametrize("side", SIDES)
def test_the_chain_is_verified_without_strictness_too(
    secure: Callable[[object], World], tmp_path: Path, side: str
) -> None:
    world = secure({"ca": Authority(tmp_path, "other").certificate(), "strict": False})
    assert "is not trusted: unable to get local issuer certificate" in complaint(world, side)


@pytest.mark.parametrize("side", SIDES)
def test_what_the_service_s_own_certificate_lacks_is_reported(tmp_path: Path, authority: Authority, side: str) -> None:
    with serving(tmp_path, authority.sign("server", "127.0.0.1", lacking=AUTHORITY_KEY_ID)) as world:
        change(world, side, verify={"ca": authority.certificate(), "strict": True})
        text = complaint(world, side)
        assert (
            "it, or that of an intermediate CA which is sent along, has no authority key identifier extension" in text
        )
        change(world, side, verify={"ca": authority.certificate(), "strict": False})
        world.bulk()


@pytest.mark.parametrize("section", ["openstack", "concertim", "rmq"])
def test_config_check_looks_into_the_file(
    secure: Callable[[object], World], authority: Authority, section: str
) -> None:
    ca = authority.certificate(KEY_USAGE)
    world = secure(authority.certificate())
    change(world, "rmq", rmq_address="127.0.0.1", rmq_username="x", rmq_password="x")
    assert f"warn  {section}.verify" not in world.run("config", "check").stdout
    change(world, section, verify=ca)
    when = "" if sys.version_info >= (3, 13) else " from Python 3.13 on"
    text = f"the CA certificate CN=authority in {ca} has no key usage extension, and is rejected{when} unless given"
    assert f"warn  {section}.verify: {text} as {{ca: {ca}, strict: false}}\n" in world.run("config", "check").stdout
    change(world, section, verify={"ca": ca, "strict": False})
    assert f"{section}.verify" not in world.run("config", "check").stdout
    change(world, section, verify="/no/such/ca.pem")
    assert f"warn  {section}.verify: /no/such/ca.pem cannot be read" in world.run("config", "check").stdout
