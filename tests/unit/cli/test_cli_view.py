"""`cos-update view dump`: the view for people and for scripts."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from programs import PROGRAM, environment, run, run_on_terminal
from racks_drawn import actual, device
from terminals import CTRL_C, program_on_terminal

from cos_update.model.concertim import OBJECT_ID, Template
from cos_update.model.exit_codes import ExitCode
from cos_update.model.kinds import ResourceKind
from cos_update.model.openstack import Project
from cos_update.store import Origin, View, ViewStore

SERVER = "a697f282-2b9b-4d3c-8a0e-0a3f6f1f6a11"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    node = replace(device("n\u00f6de-0", 1, 2, "FAILED"), metadata={OBJECT_ID: SERVER})
    found = replace(
        actual([node, device("x" * 60, 3, 3)]),
        templates={"t": Template("t", "bench.medium", 2, "f-1", 2, 4096, None)},
    )
    view = View(
        actual=found,
        projects={"p": Project("p", "team_a")},
        origins={SERVER: Origin(ResourceKind.SERVER, "n\u00f6de 0", "error", "p", "s")},
        gaps=("Cinder could not be read (503)",),
    )
    ViewStore(tmp_path, "bulk").save(view)
    return tmp_path


def dump(data_dir: Path, *arguments: str) -> str:
    done = run("--data-dir", str(data_dir), "view", "dump", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_tables_for_a_pipe_are_whole_and_plain(data_dir: Path) -> None:
    text = dump(data_dir)
    assert "\x1b" not in text
    assert [line.split(" ")[0] for line in text.splitlines() if line.endswith(")")][:4] == [
        "owners", "templates", "racks", "devices"
    ]  # fmt: skip
    (line,) = (line for line in text.splitlines() if "n\u00f6de-0" in line)
    assert line.split() == [
        "cluster-1",
        "n\u00f6de-0",
        "U1-U2",
        "FAILED",
        "instance",
        "error",
        SERVER,
        "n\u00f6de-0-1-1",
    ]
    assert "x" * 60 in text
    assert "not read: Cinder could not be read (503)" in text
    assert re.search(r"^as of \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC, saved by bulk \(pid", text, re.MULTILINE)


@pytest.mark.parametrize("columns", [80, 60, 40, 25])
@pytest.mark.parametrize("form", ["table", "racks"])
def test_everything_fits_the_terminal(data_dir: Path, columns: int, form: str) -> None:
    text = run_on_terminal(["--data-dir", str(data_dir), "view", "dump", "--format", form], columns)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert "\x1b" in text
    body = plain.partition("\nas of ")[0]
    assert max(map(len, body.splitlines())) <= columns
    assert "n\u00f6de-0" in body


@pytest.mark.parametrize("form", ["table", "racks"])
def test_a_dumb_terminal_has_a_width_too(data_dir: Path, form: str) -> None:
    arguments = ["--data-dir", str(data_dir), "view", "dump", "--format", form]
    text = run_on_terminal(arguments, 40, {"TERM": "dumb"})
    assert "\x1b" not in text
    assert max(map(len, text.partition("\nas of ")[0].splitlines())) <= 40


def test_on_a_terminal_names_give_way_and_states_and_units_are_whole(data_dir: Path) -> None:
    text = run_on_terminal(["--data-dir", str(data_dir), "view", "dump", "--kind", "devices"], 80)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    (line,) = (line for line in plain.splitlines() if "n\u00f6de-0" in line)
    assert line.split()[1:] == ["n\u00f6de-0", "U1-U2", "FAILED", "instance", "error", SERVER[:8]]
    assert re.search(r" x{8,}… ", plain)


def test_no_color_is_heeded(data_dir: Path) -> None:
    environ = {"NO_COLOR": "1"}
    text = run_on_terminal(["--data-dir", str(data_dir), "view", "dump", "--format", "racks"], environ=environ)
    assert not re.search(r"\x1b\[[0-9;]*3\dm", text)


def test_racks_as_they_stand(data_dir: Path) -> None:
    assert re.search("^│  2 │ ✗ n\u00f6de-0 +FAILED │$", dump(data_dir, "--format", "racks"), re.MULTILINE)


def test_json_and_yaml_hold_everything(data_dir: Path) -> None:
    whole = json.loads(dump(data_dir, "--format", "json"))
    assert whole["devices"]["n\u00f6de-0-1-1"]["openstack_id"] == SERVER
    assert whole == yaml.safe_load(dump(data_dir, "--format", "yaml"))


def test_only_some_kinds(data_dir: Path) -> None:
    found = json.loads(dump(data_dir, "--format", "json", "--kind", "racks", "--kind", "owners"))
    assert set(found) == {"schema", "saved_at", "saved_by", "racks", "owners"}
    text = dump(data_dir, "--kind", "owners")
    assert "CM_team_a" in text
    assert "cluster-1" not in text


@pytest.mark.parametrize("form", ["table", "racks", "json", "yaml"])
def test_a_locale_without_unicode(data_dir: Path, form: str) -> None:
    environ = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = run("--data-dir", str(data_dir), "view", "dump", "--format", form, environ=environ)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()
    if form == "json":
        assert "n\u00f6de-0-1-1" in json.loads(done.stdout)["devices"]


def test_no_view_yet(tmp_path: Path) -> None:
    done = run("--data-dir", str(tmp_path), "view", "dump")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"Error: There is no view in {tmp_path} yet.\nIt is written by `cos-update bulk`.")


def test_no_data_dir(tmp_path: Path) -> None:
    done = run("--data-dir", str(tmp_path / "none"), "view", "dump")
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: The data dir {tmp_path}/none does not exist.")


def test_a_bad_view_is_reported_and_left_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "view.pickle").write_bytes(b"garbage")
    done = run("--data-dir", str(tmp_path), "view", "dump")
    assert done.returncode == 1
    assert "is not a valid view" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["view.pickle"]


def test_the_data_dir_of_the_configuration(data_dir: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"data_dir: {data_dir}\n")
    assert run("--config", str(config), "view", "dump").returncode == 0
    config.write_text("data_dir: 5\n")
    assert run("--config", str(config), "view", "dump").returncode == 1


@pytest.mark.parametrize("form", ["table", "racks", "json", "yaml"])
def test_head_may_stop_reading(tmp_path: Path, form: str) -> None:
    devices = [device(f"node-{number}", number % 40, number % 40) for number in range(3000)]
    ViewStore(tmp_path, "bulk").save(View(actual=actual(devices)))
    process = subprocess.Popen(
        [*PROGRAM, "--data-dir", str(tmp_path), "view", "dump", "--format", form],
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(30) == ExitCode.PIPE_CLOSED
    process.stderr.close()


def test_a_filter_leaves_the_same_part_in_every_form(data_dir: Path) -> None:
    assert "n\u00f6de-0" in dump(data_dir, "--status", "failed")
    assert "x" * 60 not in dump(data_dir, "--status", "failed")
    assert "x" * 60 not in dump(data_dir, "--status", "failed", "--format", "racks")
    assert len(json.loads(dump(data_dir, "--status", "failed", "--format", "json"))["devices"]) == 1


def test_what_is_longer_than_the_terminal_is_paged(data_dir: Path, tmp_path: Path) -> None:
    pager = tmp_path / "pager"
    pager.write_text("#!/bin/sh\nsed 's/^/paged: /'\n")
    pager.chmod(0o755)
    arguments = ("--data-dir", str(data_dir), "view", "dump", "--format", "racks")
    assert "paged: cluster-1" in run_on_terminal(arguments, rows=5, environ={"PAGER": str(pager)})
    assert "paged: " not in run_on_terminal(arguments, rows=50, environ={"PAGER": str(pager)})
    assert "paged: " not in run_on_terminal((*arguments, "--no-pager"), rows=5, environ={"PAGER": str(pager)})


def test_watching_draws_again_what_has_changed(data_dir: Path) -> None:
    arguments = ["--data-dir", str(data_dir), "view", "dump", "--format", "racks", "--watch"]
    with program_on_terminal(*arguments) as terminal:
        terminal.wait_for("n\u00f6de-0")
        store = ViewStore(data_dir, "bulk")
        view = store.load()
        assert view is not None
        renamed = {key: replace(item, name="changed") for key, item in view.actual.devices.items()}
        store.save(replace(view, actual=replace(view.actual, devices=renamed)))
        terminal.wait_for("changed")
        terminal.press(CTRL_C)
        assert terminal.end() == ExitCode.INTERRUPTED


def test_watching_needs_a_terminal_and_something_to_draw(data_dir: Path) -> None:
    for more in ([], ["--format", "json"]):
        done = run("--data-dir", str(data_dir), "view", "dump", "--watch", *more)
        assert (done.returncode, "--watch" in done.stderr) == (ExitCode.USAGE, True)


def test_names_are_cut_to_the_terminal_unless_the_whole_is_asked_for(data_dir: Path) -> None:
    arguments = ("--data-dir", str(data_dir), "view", "dump", "--kind", "devices", "--no-pager")
    assert "x" * 60 not in run_on_terminal(arguments, columns=70)
    assert "x" * 60 in run_on_terminal((*arguments, "--wide"), columns=70)
