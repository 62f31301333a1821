"""`cos-update check` at the broker: logins, permissions, exchanges and what the services publish."""

from __future__ import annotations

import json
import threading

import pytest
from checking import Checked, change, only_failure, says
from rabbit import RabbitNode, free_port
from world import World


def test_a_broker_that_is_away(world: World, checked: Checked) -> None:
    change(world, "rmq", rmq_port=free_port())
    assert only_failure(checked(expect=1))["name"] == "rabbitmq"


def test_a_broker_that_refuses_the_login(world: World, checked: Checked) -> None:
    change(world, "rmq", rmq_password="hunter-two")
    found = checked(expect=1)
    assert "refused the login" in only_failure(found)["text"]
    assert "hunter" not in json.dumps(found)


def test_a_virtual_host_that_is_not_there(world: World, checked: Checked) -> None:
    change(world, "rmq", rmq_path="/nowhere")
    assert "nowhere" in only_failure(checked(expect=1))["text"]


def test_one_broker_of_several_that_is_away(world: World, broker: RabbitNode, checked: Checked) -> None:
    change(world, "rmq", rmq_address=[f"127.0.0.1:{free_port()}", f"127.0.0.1:{broker.port}"])
    found = checked(expect=1)
    assert [finding["status"] for finding in found["rabbitmq"]] == ["fail", "ok"]
    assert found["queue"][0]["status"] == "ok"


@pytest.mark.parametrize(
    ("configure", "read", "name", "what"),
    [
        ("^nothing$", ".*", "queue", "queue 'cos-update.check-"),
        ("^cos-update", "^nova$", "queue", "queue 'cos-update.check-"),
        ("^cos-update", "^(cos-update|nova$|neutron$|cinder$|keystone$|openstack$)", "exchanges", "exchange 'heat'"),
    ],
    ids=["declare", "read", "bind"],
)
def test_permissions_that_are_missing(
    world: World,
    broker: RabbitNode,
    checked: Checked,
    configure: str,
    read: str,
    name: str,
    what: str,
) -> None:
    broker.ctl("add_user", "weak", "weak")
    try:
        broker.ctl("set_permissions", "weak", configure, "^cos-update", read)
        change(world, "rmq", rmq_username="weak", rmq_password="weak")
        failure = only_failure(checked(expect=1))
        assert (failure["name"], what in failure["text"]) == (name, True)
        assert "rabbitmqctl set_permissions -p / weak '^cos-update' '^cos-update' '.*'" in failure["mend"]
    finally:
        broker.ctl("delete_user", "weak")


def test_a_virtual_host_that_may_not_be_used(world: World, broker: RabbitNode, checked: Checked) -> None:
    broker.ctl("add_user", "stranger", "stranger")
    try:
        change(world, "rmq", rmq_username="stranger", rmq_password="stranger")
        assert "list_permissions" in only_failure(checked(expect=1))["mend"]
    finally:
        broker.ctl("delete_user", "stranger")


def test_exchanges_that_are_missing(world: World, broker: RabbitNode, checked: Checked) -> None:
    with broker.channel() as channel:
        channel.exchange_delete("heat")
    found = checked()["exchanges"]
    assert found[1]["status"] == "warn"
    assert found[1]["text"].startswith("heat:")
    assert "messagingv2 in [oslo_messaging_notifications] of heat.conf" in found[1]["mend"]


def test_without_a_broker_only_listen_is_out_of_reach(world: World, checked: Checked) -> None:
    world.configure()
    assert "listen can't run" in checked()["rabbitmq"][0]["text"]


def test_no_notifications(world: World, broker: RabbitNode, checked: Checked) -> None:
    assert says(checked("--listen-for", "0.5")["notifications"][0], "warn", "none came in 0.5 s")
    assert "check" not in broker.ctl("list_queues", "-q", "name")


def test_notifications_are_counted_by_service_and_taken_from_nobody(
    world: World, broker: RabbitNode, checked: Checked
) -> None:
    ceilometer = "notifications.info"
    with broker.channel() as channel:
        channel.queue_declare(ceilometer)
        channel.queue_bind(ceilometer, "nova", ceilometer)
        enough, sent = threading.Event(), []
        publisher = threading.Thread(target=lambda: sent.append(publish_until(broker, enough)))
        publisher.start()
        try:
            notifications = checked("--listen-for", "1")["notifications"][0]
        finally:
            enough.set()
            publisher.join()
        assert says(notifications, "ok", "from Nova")
        assert "from Cinder" in notifications["text"]
        assert channel.queue_declare(ceilometer, passive=True).method.message_count == sent[0]
        channel.queue_delete(ceilometer)


def publish_until(broker: RabbitNode, enough: threading.Event) -> int:
    """Nova and Cinder at work; returns how many each has sent."""
    sent = 0
    with broker.channel() as channel:
        while not enough.wait(0.05):
            for exchange, event_type in (("nova", "compute.instance.update"), ("openstack", "volume.create.end")):
                payload = {"instance_id": "a697f282", "volume_id": "9f2c"}
                body = json.dumps({"event_type": event_type, "payload": payload})
                channel.basic_publish(exchange, "notifications.info", body.encode())
            sent += 1
    return sent
