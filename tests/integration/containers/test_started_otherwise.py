"""Started by an ordinary user, or with less than Docker gives by itself: it works where the rights allow it, and where
they do not one error says which are missing."""

from __future__ import annotations

import pytest
from container import CONFIG, DATA, LOG, UID, Container, owner
from host import Host, Make, until

OTHER = "1234:1234"


def done(host: Host) -> bool:
    return "pass ends" in host.logged()


@pytest.mark.parametrize("uid", [UID, 1234])
def test_a_user_who_owns_everything_needs_no_root(host: Host, container: Make, uid: int) -> None:
    host.give(uid)
    bulk = container(user=f"{uid}:{uid}", read_only=True, capabilities=()).start()
    until(lambda: done(host))
    assert bulk.status()["Uid"] == [str(uid)] * 4
    assert {owner(path)[0] for path in host.data.rglob("*")} == {uid}


def test_a_user_without_rights_is_told_all_of_them_at_once(host: Host, container: Make) -> None:
    code, output = container(user=OTHER).run()
    assert code == 1
    assert output.splitlines() == [
        f"Error: This runs as uid 1234 and gid 1234, and may not read {CONFIG}, nor write {DATA} and {LOG}.",
        "As root (in a container: on the host, for what is mounted there): "
        f"chown -R 1234:1234 {DATA} {LOG} && chgrp 1234 {CONFIG} && chmod 640 {CONFIG}",
    ]


def test_these_commands_mend_it(host: Host, container: Make) -> None:
    _, output = container(user=OTHER).run()
    commands = output.rpartition("): ")[2]
    for inside, outside in host.mounts.items():
        commands = commands.replace(inside, str(outside))
    assert Container.on_the_host(commands) == 0
    container(user=OTHER).start()
    until(lambda: done(host))


def test_a_log_folder_that_is_closed_is_reported_and_done_without(host: Host, container: Make) -> None:
    host.give(1234)
    host.log.chmod(0o700)
    Container.on_the_host(f"chown 0:0 {host.log}")
    bulk = container(user=OTHER).start()
    until(lambda: "pass ends" in bulk.output())
    assert f"chown -R 1234 {LOG}" in bulk.output()


def test_root_without_capabilities_works_in_roots_folders(host: Host, container: Make) -> None:
    bulk = container(capabilities=(), read_only=True).start()
    until(lambda: done(host))
    assert bulk.status()["CapEff"] == ["0000000000000000"]
    assert {owner(path)[0] for path in host.data.rglob("*")} == {0}


def test_root_without_capabilities_is_told_what_it_may_not(host: Host, container: Make) -> None:
    host.give(UID)
    code, output = container(capabilities=()).run()
    assert code == 1
    assert f"may not read {CONFIG}, nor write {DATA} and {LOG}" in output
    assert f"chown -R 0:0 {DATA} {LOG}" in output


def test_root_that_may_become_another_user_but_give_nothing_away_says_so(host: Host, container: Make) -> None:
    code, output = container(capabilities=("setuid", "setgid")).run()
    assert code == 1
    assert f"This runs as uid {UID} and gid {UID}, and may not write {DATA} and {LOG}." in output


def test_the_capabilities_that_it_makes_use_of_are_enough(host: Host, container: Make) -> None:
    bulk = container(capabilities=("setuid", "setgid", "chown"), read_only=True).start()
    until(lambda: done(host))
    assert bulk.status()["Uid"] == [str(UID)] * 4
    assert bulk.status()["NoNewPrivs"] == ["1"]


def test_a_folder_of_another_user_is_left_to_them(host: Host, container: Make) -> None:
    host.give(4321)
    code, output = container().run()
    assert code == 1
    assert owner(host.data) == (4321, "755")
    assert f"may not write {DATA} and {LOG}" in output
    assert f"chown -R {UID}:{UID} {DATA} {LOG}" in output


def test_the_health_check_needs_no_more_than_its_daemon(host: Host, container: Make) -> None:
    """Docker runs it as root, which without its powers may not read what only the daemon's user may."""
    host.give(UID)
    bulk = container(capabilities=("setuid", "setgid", "chown")).start()
    until(lambda: done(host))
    asked = bulk.execute("cos-update", "health", "bulk")
    assert (asked.returncode, asked.stderr) == (0, "")
