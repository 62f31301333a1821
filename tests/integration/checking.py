"""`cos-update check`, run against both fakes and a broker that all services have published to."""

from __future__ import annotations

import json
from dataclasses import dataclass

import yaml
from rabbit import RabbitNode
from world import World

Finding = dict[str, str]
Findings = dict[str, list[Finding]]
"""By what was looked at."""
EXCHANGES = ("nova", "heat", "neutron", "keystone", "openstack")


@dataclass(frozen=True)
class Checked:
    """Called with the command's arguments, it runs the check and gives what was found."""

    world: World

    @staticmethod
    def prepared(world: World, broker: RabbitNode) -> Checked:
        with broker.channel() as channel:
            for exchange in EXCHANGES:
                channel.exchange_declare(exchange, "topic", durable=False)
        rmq = {"rmq_username": "guest", "rmq_password": "guest", "rmq_address": "127.0.0.1", "rmq_port": broker.port}
        world.configure(rmq=rmq)
        (world.folder / "config.yaml").chmod(0o640)
        return Checked(world)

    def __call__(self, *arguments: str, expect: int = 0) -> Findings:
        done = self.world.run("check", "--json", *arguments, expect=expect)
        document = json.loads(done.stdout)
        assert (document["schema"], document["ok"]) == (1, expect == 0)
        assert "Traceback" not in done.stderr
        found: Findings = {}
        for finding in document["findings"]:
            found.setdefault(finding["name"], []).append(finding)
        return found


def change(world: World, section: str, **keys: object) -> None:
    """Changes keys of a section of config.yaml."""
    path = world.folder / "config.yaml"
    document = yaml.safe_load(path.read_text())
    document.setdefault(section, {}).update(keys)
    path.write_text(yaml.safe_dump(document))


def says(finding: Finding, status: str, text: str, fix: str = "") -> bool:
    """Whether a finding has that status, and both of these among its words."""
    return finding["status"] == status and text in finding["text"] and fix in finding["mend"]


def only_failure(found: Findings) -> Finding:
    """The one failure there must be."""
    failures = [finding for each in found.values() for finding in each if finding["status"] == "fail"]
    assert len(failures) == 1, failures
    return failures[0]
