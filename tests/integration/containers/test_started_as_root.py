"""Started as in deployments: by root, in root's folders, with root's configuration."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from container import CONFIG, DATA, LOG, UID, Container, Image, owner
from host import Host, Make, demo_host, until

NO_CAPABILITIES = ["0000000000000000"]


def done(host: Host) -> bool:
    return "pass ends" in host.logged()


@pytest.fixture(scope="module")
def started(can_contain: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Host, Container]]:
    """By the documented command, on a host with what earlier handlers and siblings have left; after its first pass."""
    with demo_host(tmp_path_factory.mktemp("host")) as host:
        (host.data / "view.pickle").write_bytes(b"of another program")
        (host.log / "updates_bulk.log").write_text("an old line\n")
        for path in siblings_files(host):
            path.touch(0o640)
        os.chown(siblings_files(host)[-1], 1234, 1234)
        bulk = Container(Image.of("bulk"), host.mounts, environment={"JWT_SECRET": "x", "LOG_LEVEL": "debug"}).start()
        try:
            until(lambda: done(host))
            yield host, bulk
        finally:
            bulk.kill()


def siblings_files(host: Host) -> list[Path]:
    return [host.data / "view~2024-01-01.pickle", host.data / "resync.flag", host.log / "billing.log", host.log / "x"]


def test_the_documented_command_works_in_roots_folders(started: tuple[Host, Container]) -> None:
    host, _ = started
    assert owner(host.data) == owner(host.log) == (UID, "755")
    ours = {*host.data.rglob("*"), *host.log.rglob("*")} - {*siblings_files(host)}
    assert {owner(path)[0] for path in ours} == {UID}
    assert len(host.world.concertim.state.devices) > 10


def test_it_has_become_another_user_with_no_way_back(started: tuple[Host, Container]) -> None:
    status = started[1].status()
    assert status["Uid"] == status["Gid"] == [str(UID)] * 4
    assert status["Groups"] == []
    assert status["NoNewPrivs"] == ["1"]
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert status[name] == NO_CAPABILITIES


def test_the_configuration_stays_roots_alone(started: tuple[Host, Container]) -> None:
    assert owner(started[0].config) == (0, "600")


def test_what_is_not_ours_is_not_touched(started: tuple[Host, Container]) -> None:
    found = [owner(path) for path in siblings_files(started[0])]
    assert found == [(0, "640"), (0, "640"), (0, "640"), (1234, "640")]


def test_a_log_file_that_was_there_is_added_to(started: tuple[Host, Container]) -> None:
    host, bulk = started
    assert host.logged().startswith("an old line\n")
    assert "pass ends" in bulk.execute("tail", "-50", f"{LOG}/updates_bulk.log").stdout


def test_the_siblings_can_go_on_reading_the_view(started: tuple[Host, Container]) -> None:
    assert started[1].execute("sha256sum", f"{DATA}/view.pickle", user="4321:4321").returncode == 0


def test_a_configuration_that_is_mounted_read_only_is_read_too(host: Host, container: Make) -> None:
    mounts = {(f"{path}:ro" if path.endswith(".yaml") else path): source for path, source in host.mounts.items()}
    container(mounts=mounts).start()
    until(lambda: done(host))


def test_what_a_run_by_root_has_left_is_taken_over(host: Host, container: Make) -> None:
    """Locks, journal, view, log, heartbeat: with nothing for others in their modes."""
    host.world.run("bulk", "--once")
    (host.data / "locks").mkdir(exist_ok=True)
    for name in ("health-bulk.json", "quarantine.jsonl", "locks/rack-07.lock", ".view.pickle.1.tmp"):
        (host.data / name).touch(0o600)
    for path in [*host.data.rglob("*"), *host.log.rglob("*")]:
        os.chown(path, 0, 0)
        path.chmod(0o700 if path.is_dir() else 0o600)
    container().start()
    until(lambda: host.logged().count("pass ends") == 2)
    assert {owner(path)[0] for path in host.data.rglob("*")} == {UID}


def test_with_a_read_only_root_filesystem(host: Host, container: Make) -> None:
    container(read_only=True).start()
    until(lambda: done(host))


@pytest.mark.parametrize("word", ["--help", "--version"])
def test_other_words_reach_the_program(container: Make, word: str) -> None:
    code, output = container(mounts={}).run(word)
    assert code == 0
    assert "cos-update" in output


def test_a_configuration_that_is_named_otherwise_is_read_too(host: Host, container: Make) -> None:
    mounts = {DATA: host.data, LOG: host.log, "/run/secrets/config.yaml": host.config}
    container(mounts=mounts).start("--config", "/run/secrets/config.yaml", "bulk")
    until(lambda: done(host))


def test_folders_that_are_named_otherwise_are_taken_over_too(host: Host, container: Make) -> None:
    mounts = {"/srv/data": host.data, "/srv/log": host.log, CONFIG: host.config}
    environment = {"COS_UPDATE_LOG_DIR": "/srv/log"}
    container(mounts=mounts, environment=environment).start("--data-dir", "/srv/data", "bulk")
    until(lambda: done(host))
    assert owner(host.data) == owner(host.log) == (UID, "755")
