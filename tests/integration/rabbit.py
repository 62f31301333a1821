"""A private RabbitMQ node for tests, from Debian's `rabbitmq-server`, and a TCP proxy to hurt its connections with.

The node shares nothing with any other broker of this machine: ports, node name, cookie, epmd and all files are its own.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pika

from tests.integration.certificates import Authority

BIN = Path("/usr/lib/rabbitmq/bin")
"""The plain scripts; those in /usr/sbin change user and directory."""

SERVICES = ("nova", "heat", "cinder", "neutron", "keystone", "openstack")
"""The exchanges that OpenStack's services publish to."""

_START_TIMEOUT = 280.0
"""Seconds; on a machine that is not busy it takes three."""
_JOINING = """\
cluster_formation.peer_discovery_backend = classic_config
cluster_formation.classic_config.nodes.1 = {name}
"""


def available() -> bool:
    """True when rabbitmq-server is installed."""
    return (BIN / "rabbitmq-server").exists() and shutil.which("epmd") is not None


def free_port() -> int:
    """A port of 127.0.0.1 below those that the kernel gives to outgoing connections, so that it stays free."""
    for port in random.sample(range(15000, 32000), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no free port found")


def wait_for(condition: Callable[[], Any], timeout: float = 60.0, what: str = "the condition") -> Any:
    """Waits until the condition is truthy, and returns what it gave."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what} did not come about within {timeout} s"
        time.sleep(0.02)


class RabbitNode:
    """One broker node, with a plain and a TLS port on loopback; of a cluster if `beside` names a running node of it."""

    def __init__(self, beside: RabbitNode | None = None) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="rabbit-"))
        self.port = free_port()
        self.tls_port = free_port()
        self.authority = Authority(self.home)
        """What the node's certificate and those of its clients are signed with."""
        server = self.authority.sign("server", "127.0.0.1", "localhost")
        self.name = f"test-{os.getpid()}-{self.port}@localhost"
        # An epmd that finds another one on its port ends by itself.
        self._epmd_port = beside._epmd_port if beside else free_port()
        self._dist_port, self._ctl_port = free_port(), free_port()
        self._epmd: subprocess.Popen[bytes] | None = None
        self._server: subprocess.Popen[bytes] | None = None
        (self.home / "plugins").write_text("[].\n")
        (self.home / "rabbitmq.conf").write_text(
            "loopback_users = none\n"
            f"listeners.ssl.1 = 127.0.0.1:{self.tls_port}\n"
            f"ssl_options.cacertfile = {self.authority.certificate()}\n"
            f"ssl_options.certfile = {server}\n"
            f"ssl_options.keyfile = {server}\n"
            "ssl_options.verify = verify_peer\n"
            "ssl_options.fail_if_no_peer_cert = false\n" + (_JOINING.format(name=beside.name) if beside else "")
        )
        cookie = self.home / ".erlang.cookie"
        cookie.write_text("ONLYFORTESTS")
        cookie.chmod(0o400)

    def __enter__(self) -> RabbitNode:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_running(self) -> bool:
        """Whether its process runs."""
        return self._server is not None and self._server.poll() is None

    def start(self) -> RabbitNode:
        """Starts the node and returns when it takes connections."""
        environment = self._environment()
        if self._epmd is None:
            self._epmd = self._spawn(["epmd", "-port", str(self._epmd_port), "-address", "127.0.0.1"], environment)
        self._server = self._spawn([str(BIN / "rabbitmq-server")], environment)
        deadline = time.monotonic() + _START_TIMEOUT
        while not self._answers():
            if self._server.poll() is not None or time.monotonic() > deadline:
                output = self._output()
                self.close()
                raise RuntimeError(f"RabbitMQ does not start:\n{output[-3000:]}")
            time.sleep(0.05)
        return self

    def stop(self) -> None:
        """An orderly stop: durable queues with persistent messages survive it, the services' exchanges do not."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Ends the node as a power cut would."""
        self._end(signal.SIGKILL)

    def wipe(self) -> None:
        """Removes all that a stopped node remembers."""
        assert self._server is None, "stop it first"
        shutil.rmtree(self.home / "mnesia", ignore_errors=True)

    def restart(self, *, wiped: bool = False) -> None:
        self.stop()
        if wiped:
            self.wipe()
        self.start()

    def reset(self) -> None:
        """Sees that the node runs, and removes the services' exchanges of earlier tests."""
        if not self.is_running:
            self.start()
        self.lose_exchanges()

    def lose_exchanges(self, *others: str) -> None:
        """Removes those of the services, and others, as a restart does before RabbitMQ 4.3: they are not durable."""
        with self.channel() as channel:
            for exchange in (*SERVICES, *others):
                channel.exchange_delete(exchange)

    def close(self) -> None:
        """Ends everything that was started and removes all files."""
        self.kill()
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd.wait()
            self._epmd = None
        shutil.rmtree(self.home, ignore_errors=True)

    def ctl(self, *arguments: str) -> str:
        """Runs rabbitmqctl against this node and returns what it printed."""
        command = [str(BIN / "rabbitmqctl"), "--quiet", *arguments]
        done = subprocess.run(command, env=self._environment(), capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextlib.contextmanager
    def channel(self) -> Iterator[Any]:
        """A channel of a connection of its own, for the test's own business."""
        # The defaults of ten seconds are too few on a very busy machine.
        parameters = pika.ConnectionParameters(
            "127.0.0.1", self.port, heartbeat=0, socket_timeout=_START_TIMEOUT, stack_timeout=_START_TIMEOUT
        )
        connection = pika.BlockingConnection(parameters)
        try:
            yield connection.channel()
        finally:
            if connection.is_open:
                connection.close()

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(self.home),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "RABBITMQ_BASE": str(self.home),
            "RABBITMQ_CONFIG_FILE": str(self.home / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(self.home / "none"),
            # The defaults of these two are reckoned from the node's port, and may be beyond the last port there is.
            "RABBITMQ_CTL_DIST_PORT_MIN": str(self._ctl_port),
            "RABBITMQ_CTL_DIST_PORT_MAX": str(self._ctl_port),
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.home / "plugins"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_LOG_BASE": str(self.home / "log"),
            "RABBITMQ_MNESIA_BASE": str(self.home / "mnesia"),
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_PID_FILE": str(self.home / "pid"),
            # No busy waiting: the machine is shared with the tests themselves.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none -kernel inet_dist_use_interface {127,0,0,1}",
        }

    def _spawn(self, command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        with (self.home / "output").open("ab") as output:
            return subprocess.Popen(
                command,
                env=environment,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    def _answers(self) -> bool:
        try:
            with self.channel():
                return True
        except Exception:
            return False

    def _end(self, how: signal.Signals) -> None:
        if self._server is None:
            return
        group = self._server.pid
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, how)
        deadline = time.monotonic() + _START_TIMEOUT
        while _group_lives(group, self._server):
            if time.monotonic() > deadline:
                os.killpg(group, signal.SIGKILL)
            time.sleep(0.02)
        self._server = None

    def _output(self) -> str:
        return (self.home / "output").read_text(errors="replace")


def _group_lives(group: int, leader: subprocess.Popen[bytes]) -> bool:
    leader.poll()
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _die_with_parent() -> None:
    """The broker ends with the test process, however that ends (prctl PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


@contextlib.contextmanager
def cluster(nodes: int) -> Iterator[list[RabbitNode]]:
    """So many nodes, all running."""
    with contextlib.ExitStack() as held:
        started: list[RabbitNode] = []
        for _ in range(nodes):
            started.append(held.enter_context(RabbitNode(started[0] if started else None)))
        yield started


class Proxy:
    """Forwards TCP connections to a port, and can cut them, also after a given number of bytes."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.accepting = True
        self.connections = 0
        self._cut_after: int | None = None
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        # shutdown() first, for close() alone does not wake the thread in accept().
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Resets every connection."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
                    end.shutdown(socket.SHUT_RDWR)
                end.close()

    def cut_after(self, count: int) -> None:
        """Cuts everything once `count` more bytes came from the broker, also in the middle of a message."""
        with self._lock:
            self._cut_after = count

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if not self.accepting:
                client.close()
                continue
            try:
                server = self._connect()
            except OSError:
                client.close()
                continue
            self.connections += 1
            with self._lock:
                self._pairs.append((client, server))
            threading.Thread(target=self._pump, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, True), daemon=True).start()

    def _connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.target))

    def _pump(self, source: socket.socket, sink: socket.socket, from_broker: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                allowed = self._allowance(len(data)) if from_broker else len(data)
                sink.sendall(data[:allowed])
                if allowed < len(data):
                    self.cut()
                    return
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _allowance(self, wanted: int) -> int:
        with self._lock:
            if self._cut_after is None:
                return wanted
            if wanted < self._cut_after:
                self._cut_after -= wanted
                return wanted
            allowed, self._cut_after = self._cut_after, None
            # At least one byte is withheld, so that the caller sees that this is the place.
            return min(allowed, wanted - 1)
