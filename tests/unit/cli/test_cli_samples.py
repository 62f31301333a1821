"""The samples for Compose and Kubernetes: validated against their schemas, and with the installation's values."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from programs import run

from cos_update import __version__
from cos_update.config import sample

SCHEMAS = Path(__file__).parents[2] / "fixtures" / "schemas"
DEFAULTS = ("/var/lib/concertim-openstack-service/data", "/var/log/concertim-openstack-service")
NONE = "/etc/concertim-openstack-service/config.yaml"


def faults(schema: str, document: object, definition: str = "") -> list[str]:
    """What the schema, or one definition of it, says is wrong."""
    whole = json.loads((SCHEMAS / schema).read_text())
    chosen = {**whole, "$ref": f"#/$defs/{definition}"} if definition else whole
    return [f"{error.json_path}: {error.message}" for error in Draft202012Validator(chosen).iter_errors(document)]


def compose(*options: str) -> dict[str, Any]:
    return dict(yaml.safe_load(run(*options, "config", "sample", "--compose").stdout))


def mounts(service: dict[str, Any]) -> dict[str, tuple[str, bool]]:
    """Target -> source, and whether it is read only."""
    return {each["target"]: (each["source"], each.get("read_only", False)) for each in service["volumes"]}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(sample())
    return path


def test_compose_finds_nothing_wrong() -> None:
    document = compose("--config", NONE)
    assert faults("compose-spec.json", document) == []
    assert set(document["services"]) == {"bulk", "listener"}


def test_a_schema_would_find_what_is_wrong() -> None:
    document = compose("--config", NONE)
    document["services"]["bulk"]["stop_grace"] = "45s"
    assert faults("compose-spec.json", document)
    assert faults("kubernetes-1.37.json", {"apiVersion": "v1", "kind": "Secret", "stringdata": {}}, "Secret")


@pytest.mark.parametrize(("service", "daemon"), [("bulk", "bulk"), ("listener", "listen")])
def test_a_service_is_asked_after_and_closed_in(service: str, daemon: str) -> None:
    found = compose("--config", NONE)["services"][service]
    assert found["healthcheck"]["test"] == ["CMD", "cos-update", "health", daemon]
    assert found["read_only"] is True
    assert found["security_opt"] == ["no-new-privileges:true"]
    assert found["image"].endswith(f":{__version__}")


def test_a_service_has_the_usual_files_and_folders() -> None:
    found = compose("--config", NONE)["services"]["bulk"]
    assert mounts(found) == {
        NONE: (NONE, True),
        "/app/var/data": (DEFAULTS[0], False),
        "/app/var/log": (DEFAULTS[1], False),
    }
    assert "environment" not in found


def test_a_service_has_the_files_and_folders_that_are_in_effect(path: Path) -> None:
    text = path.read_text() + "data_dir: /srv/a b/$data\nshutdown_timeout: 60\n"
    path.write_text(
        text.replace("concertim_password: change-me\n", "concertim_password: change-me\n  verify: ca.pem\n")
    )
    found = compose("--config", str(path), "--log-dir", "/srv/log")["services"]["listener"]
    assert mounts(found) == {
        str(path): (str(path), True),
        str(path.parent / "ca.pem"): (str(path.parent / "ca.pem"), True),
        "/app/var/data": ("/srv/a b/$$data", False),
        "/app/var/log": ("/srv/log", False),
    }
    assert found["environment"] == {"COS_UPDATE_CONFIG": str(path)}
    assert found["stop_grace_period"] == "75s"


def test_the_listener_of_a_shard_is_asked_after_by_its_number(path: Path) -> None:
    path.write_text(path.read_text() + "  shard: {count: 3, index: 2}\n")
    found = compose("--config", str(path))["services"]["listener"]
    assert found["healthcheck"]["test"][-1] == "listen-2"


def test_both_services_of_one_of_several_machines_have_its_name_and_the_engines_certificate(path: Path) -> None:
    url = "etcd3+https://etcd?ca_cert=/tls/ca.pem"
    path.write_text(f"{path.read_text()}coordination: {{backend_url: '{url}', site: north}}\n")
    document = compose("--config", str(path))
    assert faults("compose-spec.json", document) == []
    for service in document["services"].values():
        assert service["hostname"] == "north"
        assert mounts(service)["/tls/ca.pem"] == ("/tls/ca.pem", True)
        assert service["stop_grace_period"] == "31s"
    path.write_text(path.read_text().replace(", site: north", ""))
    assert compose("--config", str(path))["services"]["bulk"]["hostname"] == socket.gethostname()


def kubernetes() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(run("--config", NONE, "config", "sample", "--kubernetes").stdout))


def test_kubernetes_finds_nothing_wrong() -> None:
    for document in kubernetes():
        assert faults("kubernetes-1.37.json", document, document["kind"]) == []


def test_there_is_a_deployment_for_each_daemon_with_one_secret_and_one_volume() -> None:
    named = [(document["kind"], document["metadata"]["name"]) for document in kubernetes()]
    assert named == [
        ("Secret", "cos-update"),
        ("PersistentVolumeClaim", "cos-update"),
        ("Deployment", "cos-update-bulk"),
        ("Deployment", "cos-update-listen"),
    ]


@pytest.mark.parametrize("daemon", ["bulk", "listen"])
def test_a_deployment_never_has_two_at_once_and_asks_after_its_own(daemon: str) -> None:
    [found] = [document["spec"] for document in kubernetes() if document["metadata"]["name"] == f"cos-update-{daemon}"]
    assert (found["replicas"], found["strategy"]) == (1, {"type": "Recreate"})
    pod = found["template"]["spec"]
    [container] = pod["containers"]
    for probe in ("startupProbe", "livenessProbe"):
        assert container[probe]["exec"]["command"] == ["cos-update", "health", daemon]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["terminationGracePeriodSeconds"] > 8
    [secret] = [volume["secret"] for volume in pod["volumes"] if "secret" in volume]
    assert secret["defaultMode"] == 0o440
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}


def test_the_configuration_in_the_secret_is_sound_but_for_what_is_to_be_filled_in(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(kubernetes()[0]["stringData"]["config.yaml"])
    path.chmod(0o600)
    checked = run("--config", str(path), "config", "check")
    assert "warn" not in checked.stdout
    complaints = [line for line in checked.stderr.splitlines() if line.startswith("Error: ")]
    assert {complaint.rpartition(": ")[2] for complaint in complaints} == {"still the sample's placeholder."}


def test_they_do_not_go_together() -> None:
    assert run("config", "sample", "--compose", "--kubernetes").returncode == 2
