"""Every exit code, by the real program."""

from __future__ import annotations

import os
import shutil

import pytest
import yaml
from click.testing import CliRunner
from world import World

from cos_update.cli.main import cli
from cos_update.fakes.wire import Fault, FaultKind
from cos_update.model.errors import CloudLoginError
from cos_update.model.settings import CloudSettings
from cos_update.openstack.inventory import CloudReader


def test_0_when_both_sides_agree(world: World) -> None:
    world.run("bulk", "--once", expect=0)
    assert world.run("bulk", "--once", expect=0).stdout == ""


def test_1_when_nothing_can_be_said(world: World) -> None:
    world.openstack.wire.faults.add(Fault(FaultKind.STATUS, service="keystone", code=503))
    done = world.run("bulk", "--once", expect=1)
    assert done.stderr.startswith("Error: Keystone at")
    assert world.writes() == []


def test_1_when_there_is_no_data_dir_and_nothing_is_posted(world: World) -> None:
    shutil.rmtree(world.data_dir)
    done = world.run("bulk", "--once", expect=1)
    assert str(world.data_dir) in done.stderr
    assert world.writes() == []


def test_2_for_a_command_line_that_makes_no_sense(world: World) -> None:
    world.run("bulk", "--json", expect=2)


def test_3_when_something_could_not_be_read_and_it_is_named(world: World) -> None:
    world.openstack.wire.faults.add(Fault(FaultKind.STATUS, service="cinder", code=503))
    done = world.run("bulk", "--once", expect=3)
    assert "Cinder could not be read (503 after 2 tries)" in done.stdout
    assert "Traceback" not in done.stderr


def test_4_when_removals_are_held_back(world: World) -> None:
    world.run("bulk", "--once")
    for stack in [s for s in world.cloud.stacks.values() if s.name in ("every-state", "cluster-1")]:
        world.cloud.delete_stack(stack)
    done = world.run("bulk", "--once", expect=4)
    assert "--allow-deletes" in done.stdout + done.stderr


def test_5_when_a_delta_is_asked_about(world: World) -> None:
    world.run("diff", "--dry-run", "--exit-code", expect=5)


def test_without_a_home_a_path_below_it_is_a_fault_of_the_file(world: World) -> None:
    path = world.folder / "config.yaml"
    document = yaml.safe_load(path.read_text())
    document["concertim"]["verify"] = "~nobody-of-that-name/ca.pem"
    path.write_text(yaml.safe_dump(document))
    said = world.run("config", "check", expect=1).stderr
    assert "concertim.verify: there is no home directory for ~." in said
    assert "This is a bug" not in said


def test_without_a_home_everything_works_that_needs_none(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "")
    world.run("diff", "--dry-run")


def test_a_cloud_that_is_in_no_clouds_yaml_is_reported_with_the_places_searched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
    with pytest.raises(CloudLoginError, match="Cloud mine was not found") as raised:
        CloudReader(CloudSettings(cloud="mine")).read()
    assert os.environ["HOME"] == "/"
    assert "clouds.yaml, which is looked for in" in raised.value.hint
    assert "/etc/openstack" in raised.value.hint


@pytest.mark.parametrize("option", ["--config", "--data-dir", "--log-dir"])
def test_an_unknown_users_home_in_an_option_is_a_missing_path(option: str) -> None:
    said = CliRunner().invoke(cli, [f"{option}=~nobody-of-that-name/x", "config", "check"])
    assert isinstance(said.exception, SystemExit)
    assert "This is a bug" not in said.output
