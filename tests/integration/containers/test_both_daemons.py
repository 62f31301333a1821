"""Both images on the same folders, as in deployments."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase

import pytest
from container import DATA, UID, owner
from host import Host, Make, until
from listening import rmq
from rabbit import RabbitNode

from cos_update.cli.ownership import DATA_FILES, LOG_FILES

pytestmark = pytest.mark.broker


def test_they_work_beside_each_other_and_end_in_time(host: Host, container: Make, broker: RabbitNode) -> None:
    host.world.configure(rmq=rmq(broker))
    for path in (host.data, host.log, host.config):
        os.chown(path, 0, 0)
    host.config.chmod(0o600)
    bulk, listener = container("bulk", read_only=True).start(), container("listen", read_only=True).start()
    until(lambda: "pass ends" in host.logged() and "consuming" in host.logged("updates_mq.log"))
    for container_, daemon in ((bulk, "bulk"), (listener, "listen")):
        assert container_.status()["Uid"] == [str(UID)] * 4
        assert container_.execute("cos-update", "health", daemon).returncode == 0
    made = [path.relative_to(host.data) for path in host.data.rglob("*") if path.is_file()]
    unknown = [str(path) for path in made if not any(fnmatchcase(str(path), pattern) for pattern in DATA_FILES)]
    assert unknown == [], "files that the entry point would not take over"
    assert {path.name for path in host.log.iterdir()} == set(LOG_FILES)
    assert {owner(path)[0] for path in [*host.data.rglob("*"), *host.log.rglob("*")]} == {UID}
    assert listener.execute("cos-update", "--data-dir", DATA, "view", "dump").returncode == 0
    assert listener.stop() == 0
    assert bulk.stop() == 0
