"""`cos-update check` at the broker: logins, permissions, exchanges and what the services publish."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from checking import Checked, change, only_failure, says
from rabbit import RabbitNode, free_port
from world import World

from cos_update.listener.topology import queue_arguments
from cos_update.model.settings import BrokerSettings


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
    assert "listen cannot run" in checked()["rabbitmq"][0]["text"]


def test_no_notifications(world: World, broker: RabbitNode, checked: Checked) -> None:
    assert says(checked("--listen-for", "0.5")["notifications"][0], "warn", "none received in 0.5 s")
    assert "check" not in broker.ctl("list_queues", "-q", "name")


def test_notifications_are_counted_by_service_and_not_consumed(
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


OURS = "cos-update"


@pytest.fixture
def queue(broker: RabbitNode) -> Iterator[Callable[..., None]]:
    """Declares the queue of our name in any way."""

    def declare(**properties: Any) -> None:
        with broker.channel() as channel:
            channel.queue_declare(OURS, **properties)

    yield declare
    with broker.channel() as channel:
        channel.queue_delete(OURS)


def declared(broker: RabbitNode) -> bool:
    return OURS in broker.ctl("list_queues", "name").split()


def test_a_queue_that_is_not_there_is_not_made(broker: RabbitNode, checked: Checked) -> None:
    assert says(checked()["queue"][0], "ok", "cos-update does not exist yet")
    assert not declared(broker)


def test_a_queue_of_ours_is_looked_at_and_nothing_is_taken_from_it(
    broker: RabbitNode, checked: Checked, queue: Callable[..., None]
) -> None:
    settings = BrokerSettings(("127.0.0.1",), "guest", "guest")
    queue(durable=True, arguments=queue_arguments(settings))
    with broker.channel() as channel:
        for number in range(3):
            channel.basic_publish("", OURS, b"%d" % number)
        assert says(checked()["queue"][0], "ok", "cos-update: 3 messages wait, 0 consumers")
        channel.basic_qos(prefetch_count=2)
        channel.basic_consume(OURS, lambda *_: None)
        assert says(checked()["queue"][0], "ok", "1 messages wait, 1 consumers")
    with broker.channel() as channel:
        assert [channel.basic_get(OURS, auto_ack=True)[2] for _ in range(3)] == [b"0", b"1", b"2"]


@pytest.mark.parametrize(
    "properties",
    [
        {"durable": True},
        {"durable": False},
        {"durable": True, "auto_delete": True},
        {"durable": True, "arguments": {"x-queue-type": "quorum"}},
        {"durable": True, "arguments": {"x-queue-type": "stream"}},
    ],
    ids=str,
)
def test_a_queue_with_other_properties(
    checked: Checked, queue: Callable[..., None], properties: dict[str, Any]
) -> None:
    queue(**properties)
    failure = only_failure(checked(expect=1))
    assert says(failure, "fail", "exists already with other properties", "rabbitmqctl delete_queue")
    assert failure["name"] == "queue"


def test_a_queue_that_another_connection_has_for_itself(broker: RabbitNode, checked: Checked) -> None:
    with broker.channel() as channel:
        channel.queue_declare(OURS, exclusive=True)
        failure = only_failure(checked(expect=1))
        assert says(failure, "fail", "held exclusively by somebody else", "list_queues name owner_pid")


def test_a_queue_that_another_consumer_has_for_itself(
    broker: RabbitNode, checked: Checked, queue: Callable[..., None]
) -> None:
    queue(durable=True, arguments=queue_arguments(BrokerSettings(("127.0.0.1",), "guest", "guest")))
    with broker.channel() as channel:
        channel.basic_consume(OURS, lambda *_: None, exclusive=True)
        failure = only_failure(checked(expect=1))
        assert says(failure, "fail", "held exclusively by somebody else", "list_consumers")


def closed_at_once(connection: socket.socket) -> None:
    connection.close()


def closed_after_the_first_words(connection: socket.socket) -> None:
    connection.recv(8)
    connection.close()


def reset(connection: socket.socket) -> None:
    connection.recv(8)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def answers(words: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.recv(8)
        connection.sendall(words)
        connection.close()

    return answer


@pytest.mark.parametrize(
    ("behaves", "text", "fix"),
    [
        (closed_at_once, "accepted and closed again without any data", "load balancer"),
        (closed_after_the_first_words, "accepted and closed again without any data", "load balancer"),
        (reset, "accepted and closed again without any data", "load balancer"),
        (answers(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "An HTTP server answers", "rmq.rmq_port"),
        (answers(b"SSH-2.0-OpenSSH_9.2\r\n"), "does not speak AMQP 0-9-1", "rmq.rmq_port"),
        (answers(b"AMQP\x00\x01\x00\x00"), "does not speak AMQP 0-9-1", "rmq.rmq_port"),
        (answers(b"\x15\x03\x01\x00\x02\x02\x46"), "The port is one for TLS", "rmq.tls"),
    ],
)
def test_what_is_no_broker_is_recognised_by_its_behaviour(
    world: World, checked: Checked, behaves: Callable[[socket.socket], None], text: str, fix: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    behaves(server.accept()[0])

        threading.Thread(target=serve, daemon=True).start()
        change(world, "rmq", rmq_port=server.getsockname()[1])
        assert says(only_failure(checked(expect=1)), "fail", text, fix)


def test_a_port_for_tls_that_is_asked_without(world: World, broker: RabbitNode, checked: Checked) -> None:
    change(world, "rmq", rmq_port=broker.tls_port)
    assert says(only_failure(checked(expect=1)), "fail", "The port is one for TLS", "rmq.tls")
