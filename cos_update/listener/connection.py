"""Connects to RabbitMQ, and explains connection errors to people."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import ssl
from dataclasses import dataclass

import pika
import pika.exceptions
from pika.adapters.utils.connection_workflow import AMQPConnectorStackTimeout

from cos_update import tls
from cos_update.model.errors import CosUpdateError
from cos_update.model.settings import BrokerSettings
from cos_update.model.tls import not_trusted

_CONNECT_TIMEOUT = 10.0
"""Seconds for the TCP connection of one host, and again for the AMQP handshake."""

_KEEPALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
"""With rmq.heartbeat 0, nothing else would show that the broker has vanished."""

_NOT_FOUND, _ACCESS_REFUSED, _RESOURCE_LOCKED, _PRECONDITION_FAILED, _NOT_ALLOWED = 404, 403, 405, 406, 530
_HELLO = b"AMQP\x00\x00\x09\x01"
"""The protocol header of AMQP 0-9-1."""
_METHOD_FRAME = b"\x01"
_TLS_ALERT = b"\x15\x03"
_ANSWER_TIMEOUT = 3.0
"""Seconds to wait for the first bytes of a server that is not a broker."""
_PORTS = "Check rmq.rmq_port: AMQP is usually on port 5672, or 5671 with TLS."


class BrokerError(CosUpdateError):
    """The broker cannot be used now; the listener keeps trying."""


@dataclass(frozen=True, slots=True)
class Address:
    """One broker."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def addresses(settings: BrokerSettings) -> tuple[Address, ...]:
    """The brokers in the order given. A host may be a name, an IPv4 or IPv6 address, each with or without a port."""
    return tuple(_address(host, settings.port) for host in settings.hosts)


def connect(settings: BrokerSettings, address: Address) -> pika.BlockingConnection:
    """Opens a connection to one broker.

    Raises whatever pika, `socket` and `ssl` raise; see `explain`. Certificates are read every time, so that a
    reconnect picks up renewed ones.
    """
    # pika logs every failed attempt as an error with a traceback, and its debug records contain message bodies, in
    # which OpenStack sends live tokens. We log what a person needs to know.
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    parameters = pika.ConnectionParameters(
        host=address.host,
        port=address.port,
        virtual_host=settings.virtual_host,
        credentials=pika.PlainCredentials(settings.username, settings.password),
        heartbeat=settings.heartbeat,
        socket_timeout=_CONNECT_TIMEOUT,
        stack_timeout=2 * _CONNECT_TIMEOUT,
        tcp_options=_KEEPALIVE,
        connection_attempts=1,
        ssl_options=pika.SSLOptions(_tls_context(settings), address.host) if settings.tls else None,
        client_properties={"connection_name": f"cos-update listen on {socket.gethostname()}, pid {os.getpid()}"},
    )
    try:
        return pika.BlockingConnection(parameters)
    except (pika.exceptions.IncompatibleProtocolError, AMQPConnectorStackTimeout) as error:
        # pika raises the same for servers with another protocol and for servers that send nothing at all.
        answered = _first_bytes(settings, address)
        is_silent = isinstance(error, AMQPConnectorStackTimeout) and not answered
        if is_silent or answered.startswith(_METHOD_FRAME):
            raise
        raise _no_broker(answered) from None


def _first_bytes(settings: BrokerSettings, address: Address) -> bytes:
    """The response to the protocol header; empty if the connection is closed instead."""
    with contextlib.suppress(OSError), contextlib.ExitStack() as held:
        plain = held.enter_context(socket.create_connection((address.host, address.port), _ANSWER_TIMEOUT))
        stream = plain
        if settings.tls:
            stream = held.enter_context(_tls_context(settings).wrap_socket(plain, server_hostname=address.host))
        stream.sendall(_HELLO)
        return stream.recv(8)
    return b""


def _no_broker(answered: bytes) -> BrokerError:
    """The error for this response instead of AMQP 0-9-1."""
    if not answered:
        return BrokerError(
            "The connection was accepted and closed again without any data",
            "If it is a load balancer, it has no backend: check whether RabbitMQ runs, and check "
            "rmq.rmq_address and rmq.rmq_port.",
        )
    if answered.startswith(_TLS_ALERT):
        return BrokerError("The port is one for TLS", "Set rmq.tls, or check rmq.rmq_port.")
    if answered.startswith(b"HTTP/"):
        return BrokerError("An HTTP server answers on this port", _PORTS)
    return BrokerError("The broker does not speak AMQP 0-9-1 on this port", _PORTS)


def explain(error: BaseException, settings: BrokerSettings, address: Address | None = None) -> BrokerError:
    """The error for an exception of pika, `socket` or `ssl`, with a hint and without secrets.

    `address` is the broker, if known.
    """
    if isinstance(error, BrokerError):
        return error
    if _is_lost_at_login(error):
        return BrokerError(
            f"The connection ended during the login of user {settings.username!r}, without a reason from the broker",
            "If this repeats, the broker's log tells why; check rmq.rmq_username, rmq.rmq_password and rmq.rmq_path.",
        )
    if isinstance(error, pika.exceptions.ProbableAuthenticationError | pika.exceptions.AuthenticationError):
        return BrokerError(
            f"The broker refused the login of user {settings.username!r}",
            "Check rmq.rmq_username and rmq.rmq_password, and that the user may log in from this host.",
        )
    if isinstance(error, pika.exceptions.ProbableAccessDeniedError) or _code(error) == _NOT_ALLOWED:
        return BrokerError(
            f"User {settings.username!r} may not use the virtual host {settings.virtual_host!r}, or it does not exist",
            "Check rmq.rmq_path; `rabbitmqctl list_vhosts` and `rabbitmqctl list_permissions -p VHOST` show it.",
        )
    if isinstance(error, pika.exceptions.ChannelClosedByBroker):
        return _explain_refusal(error, settings)
    if distrust := tls.distrust(error, settings, "rmq.verify"):
        return BrokerError(
            f"The broker's certificate is not trusted: {distrust.reason}",
            distrust.hint or not_trusted("rmq", str(address or addresses(settings)[0]), distrust.reason),
        )
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return _no_broker(b"")
    if isinstance(error, ssl.SSLError):
        return BrokerError(
            f"TLS with the broker failed: {error.strerror or error}",
            "Check rmq.tls and rmq.rmq_port (TLS is usually on port 5671), and the client certificate if one is "
            "required.",
        )
    return _explain_loss(error)


def _explain_refusal(error: pika.exceptions.ChannelClosedByBroker, settings: BrokerSettings) -> BrokerError:
    reason = error.reply_text
    if error.reply_code == _RESOURCE_LOCKED or reason.endswith("in exclusive use"):
        return BrokerError(
            f"The queue is held exclusively by somebody else: {reason}",
            "`rabbitmqctl list_consumers` and `rabbitmqctl list_queues name owner_pid` show who it is; stop that "
            "consumer, or choose another name in rmq.queue.",
        )
    if error.reply_code == _ACCESS_REFUSED:
        return BrokerError(
            f"The broker denies access: {reason}",
            f"Give user {settings.username!r} the permissions to configure, write and read its own queue, and to read "
            "the services' exchanges (`rabbitmqctl set_permissions`).",
        )
    if error.reply_code == _PRECONDITION_FAILED and "inequivalent arg" in reason:
        return BrokerError(
            f"The queue exists already with other properties: {reason}",
            "Stop all listeners and delete it (`rabbitmqctl delete_queue NAME`), or choose another name in rmq.queue.",
        )
    return BrokerError(f"The broker closed the channel: {reason}")


def _is_lost_at_login(error: BaseException) -> bool:
    """Whether a login ended without a response.

    pika guesses the cause from when that was. A broker that refuses says so (AMQP's capability
    `authentication_failure_close`), which pika puts into the text of the same exceptions.
    """
    probable = pika.exceptions.ProbableAuthenticationError | pika.exceptions.ProbableAccessDeniedError
    return isinstance(error, probable) and pika.exceptions.ConnectionClosedByBroker.__name__ not in str(error)


def _explain_loss(error: BaseException) -> BrokerError:
    if isinstance(error, pika.exceptions.AMQPHeartbeatTimeout):
        return BrokerError("The broker stopped responding: no heartbeat in time")
    if isinstance(error, pika.exceptions.ConnectionClosedByBroker):
        return BrokerError(f"The broker closed the connection: {error.reply_text}")
    cause = _root(error)
    if isinstance(cause, socket.gaierror):
        return BrokerError("The broker's name cannot be resolved", "Check rmq.rmq_address.")
    if isinstance(cause, TimeoutError | AMQPConnectorStackTimeout):
        return BrokerError("The broker does not answer", "Check rmq.rmq_address, rmq.rmq_port and the network.")
    if isinstance(cause, OSError):
        return BrokerError(f"No connection to the broker: {cause.strerror or cause}")
    return BrokerError(f"The connection to the broker failed: {cause!r}")


def is_missing(error: BaseException) -> bool:
    """Whether the broker closed the channel because a queue or an exchange does not exist."""
    return isinstance(error, pika.exceptions.ChannelClosedByBroker) and error.reply_code == _NOT_FOUND


def is_refused(error: BaseException) -> bool:
    """Whether the broker closed the channel because we lack a permission."""
    return isinstance(error, pika.exceptions.ChannelClosedByBroker) and error.reply_code == _ACCESS_REFUSED


def _address(host: str, port: int) -> Address:
    if host.startswith("["):
        name, _, rest = host[1:].partition("]")
        return Address(name, int(rest[1:]) if rest.startswith(":") else port)
    name, colon, given = host.partition(":")
    if colon and ":" not in given:
        return Address(name, int(given))
    return Address(host, port)


def _tls_context(settings: BrokerSettings) -> ssl.SSLContext:
    authorities = settings.verify if isinstance(settings.verify, str) else None
    try:
        if authorities is not None and os.path.isdir(authorities):
            context = ssl.create_default_context(capath=authorities)
        else:
            context = ssl.create_default_context(cafile=authorities)
    except OSError as error:
        raise BrokerError(
            f"The CA file {authorities} cannot be used: {error.strerror or error}", "Check rmq.verify."
        ) from None
    tls.apply(context, strict=settings.verify_strict)
    if settings.verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.client_cert is not None:
        try:
            context.load_cert_chain(settings.client_cert, settings.client_key)
        except OSError as error:
            raise BrokerError(
                f"The client certificate {settings.client_cert} cannot be used: {error.strerror or error}",
                "Check rmq.client_cert and rmq.client_key.",
            ) from None
    return context


def _code(error: BaseException) -> int | None:
    return error.reply_code if isinstance(error, pika.exceptions.ConnectionClosed) else None


def _root(error: BaseException) -> BaseException:
    """The innermost exception that pika wrapped into its own."""
    for _ in range(5):
        inner = getattr(error, "exception", None) or (error.args[0] if error.args else None)
        if not isinstance(inner, BaseException):
            break
        error = inner
    return error
