"""TLS with the broker: its certificate is verified, and ours is presented."""

from __future__ import annotations

import pytest
from certificates import KEY_USAGE, Authority

pytestmark = pytest.mark.broker


@pytest.fixture
def tls(broker):
    return {"tls": True, "port": broker.tls_port, "verify": broker.authority.certificate()}


def test_a_broker_with_a_trusted_certificate_is_consumed(services, listen, tls):
    services.declare("nova")
    listener = listen(**tls).ready()
    listener.wait_bodies(services.publish(b"server"))


@pytest.mark.parametrize("strict", [True, False])
def test_a_broker_of_another_authority_is_refused(listen, tls, tmp_path, strict):
    listener = listen(**{**tls, "verify": Authority(tmp_path).certificate(), "verify_strict": strict})
    listener.wait_error("certificate is not trusted")
    assert "rmq.verify" in listener.consumer.status().error


@pytest.mark.parametrize("strict", [True, False])
def test_a_certificate_made_out_for_another_name_is_refused(listen, tls, strict):
    """127.1 is another way to write 127.0.0.1, which no certificate knows."""
    listener = listen(**tls, hosts=("127.1",), verify_strict=strict)
    listener.wait_error("certificate is not trusted")
    assert "rmq.rmq_address" in listener.consumer.status().error


def test_an_authority_without_key_usage_is_refused_with_the_reason(broker, listen, tls):
    weak = broker.authority.certificate(lacking=KEY_USAGE)
    listener = listen(**{**tls, "verify": weak, "verify_strict": True})
    listener.wait_error(f"the CA certificate CN=authority in {weak} has no key usage extension")
    assert f"set rmq.verify to {{ca: {weak}, strict: false}}" in listener.consumer.status().error


def test_an_authority_without_key_usage_may_be_taken(broker, listen, tls):
    listen(**{**tls, "verify": broker.authority.certificate(lacking=KEY_USAGE), "verify_strict": False}).ready()


def test_verification_can_be_turned_off(listen, tls):
    listen(**{**tls, "verify": False}).ready()


def test_our_certificate_is_shown_when_there_is_one(broker, listen, tls):
    ours = broker.authority.sign("client")
    listener = listen(**tls, client_cert=ours, client_key=ours).ready()
    peers = broker.ctl("list_connections", "peer_cert_subject", "ssl")
    assert "CN=client\ttrue" in peers
    assert listener.consumer.status().error is None


@pytest.mark.parametrize(("setting", "value"), [("verify", "/no/such/ca.pem"), ("client_cert", "/no/such/cert.pem")])
def test_a_file_that_cannot_be_read_is_named(listen, tls, setting, value):
    listener = listen(**{**tls, setting: value})
    listener.wait_error(f"{value} cannot be used: No such file or directory")


def test_plain_amqp_on_a_tls_port_is_explained(listen, tls):
    listener = listen(port=tls["port"])
    listener.wait_error("The port is one for TLS")
    assert "rmq.tls" in listener.consumer.status().error
