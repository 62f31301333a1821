"""How settings become addresses, queues and keys, and faults become messages."""

from __future__ import annotations

import socket
import ssl
from dataclasses import replace

import pika
import pika.exceptions
import pika.tcp_socket_opts
import pytest

from cos_update.listener import connection
from cos_update.listener.connection import Address, BrokerError, addresses, explain
from cos_update.listener.topology import ExistingQueue, OwnQueue, queue_arguments, queue_name, routing_keys, topology
from cos_update.model.settings import BrokerSettings

SETTINGS = BrokerSettings(hosts=("rabbit",), username="cos", password="hidden-from-all")


@pytest.mark.parametrize(
    ("host", "expected", "text"),
    [
        ("rabbit", Address("rabbit", 5672), "rabbit:5672"),
        ("rabbit:5671", Address("rabbit", 5671), "rabbit:5671"),
        ("10.0.0.1:5671", Address("10.0.0.1", 5671), "10.0.0.1:5671"),
        ("fd00::1", Address("fd00::1", 5672), "[fd00::1]:5672"),
        ("[fd00::1]", Address("fd00::1", 5672), "[fd00::1]:5672"),
        ("[fd00::1]:5671", Address("fd00::1", 5671), "[fd00::1]:5671"),
    ],
)
def test_a_host_may_carry_its_own_port(host, expected, text):
    (address,) = addresses(replace(SETTINGS, hosts=(host,)))
    assert address == expected
    assert str(address) == text


def test_each_shard_has_a_queue_of_its_own():
    assert queue_name(SETTINGS) == "cos-update"
    assert queue_name(replace(SETTINGS, shard_count=3, shard_index=2)) == "cos-update-2"


def test_our_queue_is_bounded_in_length_and_life():
    assert queue_arguments(SETTINGS) == {
        "x-queue-type": "classic",
        "x-max-length": 100_000,
        "x-overflow": "drop-head",
        "x-expires": 604_800_000,
    }


def test_a_quorum_queue_with_one_active_consumer_never_drops_what_is_redelivered():
    arguments = queue_arguments(replace(SETTINGS, queue_type="quorum", single_active_consumer=True))
    assert arguments["x-queue-type"] == "quorum"
    assert arguments["x-single-active-consumer"] is True
    assert arguments["x-delivery-limit"] == 1_000_000


def test_failures_are_bound_as_well_as_news():
    assert routing_keys(SETTINGS) == (
        "notifications.info",
        "notifications.warn",
        "notifications.error",
        "versioned_notifications.info",
        "versioned_notifications.warn",
        "versioned_notifications.error",
    )


def test_a_queue_overflows_when_it_is_nearly_full_and_only_if_its_bounds_are_ours():
    ours = OwnQueue(replace(SETTINGS, max_length=100))
    assert [ours.is_overflowing(depth) for depth in (0, 94, 95, 100)] == [False, False, True, True]
    assert not ExistingQueue("theirs").is_overflowing(10**9)


def test_a_given_queue_takes_the_place_of_our_own():
    assert topology(SETTINGS, None).queue == "cos-update"
    assert isinstance(topology(SETTINGS, "theirs"), ExistingQueue)


@pytest.mark.parametrize(
    ("error", "text", "hint"),
    [
        (pika.exceptions.AMQPHeartbeatTimeout(), "no heartbeat in time", ""),
        (
            pika.exceptions.ConnectionClosedByBroker(320, "CONNECTION_FORCED - broker forced connection closure"),
            "CONNECTION_FORCED",
            "",
        ),
        (
            pika.exceptions.ChannelClosedByBroker(403, "ACCESS_REFUSED - read access to queue 'q' refused"),
            "read access to queue 'q' refused",
            "set_permissions",
        ),
        (
            pika.exceptions.ChannelClosedByBroker(406, "PRECONDITION_FAILED - delivery acknowledgement timed out"),
            "closed the channel: PRECONDITION_FAILED - delivery acknowledgement timed out",
            "",
        ),
        (
            pika.exceptions.ChannelClosedByBroker(406, "PRECONDITION_FAILED - inequivalent arg 'x-expires'"),
            "exists already with other properties",
            "delete_queue",
        ),
        (
            pika.exceptions.ProbableAuthenticationError(repr(pika.exceptions.StreamLostError("reset"))),
            "ended during the login of user 'cos'",
            "rmq.rmq_password",
        ),
        (
            pika.exceptions.ProbableAccessDeniedError(repr(pika.exceptions.StreamLostError("reset"))),
            "ended during the login of user 'cos'",
            "rmq.rmq_path",
        ),
        (
            pika.exceptions.ProbableAuthenticationError(
                repr(pika.exceptions.ConnectionClosedByBroker(403, "ACCESS_REFUSED - Login was refused"))
            ),
            "refused the login of user 'cos'",
            "rmq.rmq_username",
        ),
        (pika.exceptions.AMQPConnectionError(TimeoutError()), "does not answer", "rmq.rmq_port"),
        (socket.gaierror(-2, "Name or service not known"), "name cannot be resolved", "rmq.rmq_address"),
        (pika.exceptions.StreamLostError("Stream connection lost"), "Stream connection lost", ""),
        (ssl.SSLError(1, "handshake failure"), "TLS with the broker failed", "rmq.tls"),
        (BrokerError("as it is", "do this"), "as it is", "do this"),
    ],
)
def test_a_fault_is_put_into_words(error, text, hint):
    explained = explain(error, SETTINGS)
    assert text in str(explained)
    assert hint in explained.hint
    assert SETTINGS.password not in repr(explained) + explained.hint


def test_a_broker_that_takes_the_connection_and_says_nothing(monkeypatch):
    monkeypatch.setattr(connection, "_CONNECT_TIMEOUT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Exception) as raised:  # noqa: PT011 - pika's
        connection.connect(SETTINGS, connection.Address(*silent.getsockname()))
    assert "does not answer" in str(explain(raised.value, SETTINGS))


def test_a_broker_that_vanishes_without_a_word_is_noticed_without_heartbeats_too(monkeypatch):
    real, kept = pika.tcp_socket_opts.set_sock_opts, []

    def noted(options, made):
        real(options, made)
        timing = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        kept.append(made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
        kept.extend(made.getsockopt(socket.IPPROTO_TCP, option) for option in timing)

    monkeypatch.setattr(pika.tcp_socket_opts, "set_sock_opts", noted)
    monkeypatch.setattr(connection, "_CONNECT_TIMEOUT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Exception):  # noqa: PT011, B017 - pika's
        connection.connect(replace(SETTINGS, heartbeat=0), connection.Address(*silent.getsockname()))
    is_on, idle, interval, count = kept
    assert is_on
    assert idle + interval * count <= 120
