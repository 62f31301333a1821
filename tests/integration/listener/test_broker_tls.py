"""TLS with the broker: its certificate is verified, and ours is shown."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.broker


@pytest.fixture
def tls(broker):
    return {"tls": True, "port": broker.tls_port, "verify": broker.certificates.authority}


def test_a_broker_with_a_trusted_certificate_is_consumed(services, listen, tls):
    services.declare("nova")
    listener = listen(**tls).ready()
    listener.wait_bodies(services.publish(b"server"))


def test_a_broker_of_another_authority_is_refused(broker, listen, tls):
    listener = listen(**{**tls, "verify": broker.certificates.make_authority("other")})
    listener.wait_error("certificate is not trusted")
    assert "rmq.verify" in listener.consumer.status().error


def test_a_certificate_made_out_for_another_name_is_refused(listen, tls):
    """127.1 is another way to write 127.0.0.1, which no certificate knows."""
    listener = listen(**tls, hosts=("127.1",))
    listener.wait_error("certificate is not trusted")
    assert "rmq.rmq_address" in listener.consumer.status().error


def test_verification_can_be_turned_off(listen, tls):
    listen(**{**tls, "verify": False}).ready()


def test_our_certificate_is_shown_when_there_is_one(broker, listen, tls):
    ours = broker.certificates
    listener = listen(**tls, client_cert=ours.path("client.pem"), client_key=ours.path("client.key")).ready()
    peers = broker.ctl("list_connections", "peer_cert_subject", "ssl")
    assert "CN=client\ttrue" in peers
    assert listener.consumer.status().error is None


@pytest.mark.parametrize(("setting", "value"), [("verify", "/no/such/ca.pem"), ("client_cert", "/no/such/cert.pem")])
def test_a_file_that_cannot_be_read_is_named(listen, tls, setting, value):
    listener = listen(**{**tls, setting: value})
    listener.wait_error(f"{value} cannot be used: No such file or directory")


def test_plain_amqp_on_a_tls_port_is_explained(listen, tls):
    listener = listen(port=tls["port"])
    listener.wait_error("does not speak AMQP on this port")
    assert "rmq.tls" in listener.consumer.status().error
