"""Serves fakes on the loopback interface from one background thread."""

from __future__ import annotations

import asyncio
import ssl
import threading
from types import TracebackType
from typing import Protocol, Self

from aiohttp import web

from cos_update.fakes.wire import Wire

HOST = "127.0.0.1"
KEEP_ALIVE = 20.0
"""Seconds that an idle connection is kept, as by the real Concertim's server."""
START_TIMEOUT = 30.0


class FakeApp(Protocol):
    """One fake. `url` is set by the sandbox that serves it."""

    name: str
    url: str
    wire: Wire

    def build(self) -> web.Application:
        """A new application over the fake's state; called at every start."""


class Sandbox:
    """Fakes, served from one background thread with its own event loop.

    A sandbox that was stopped can be started again: state and ports stay, so that this is an outage. With `tls` it is
    reached over that.
    """

    def __init__(self, *fakes: FakeApp, keep_alive: float = KEEP_ALIVE, tls: ssl.SSLContext | None = None) -> None:
        self._fakes = fakes
        self._tls = tls
        self._keep_alive = keep_alive
        self._ports: dict[str, int] = {}
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._ready = threading.Event()
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Serve; returns when all fakes are ready. Raises OSError if a port is not available."""
        self._ready.clear()
        self._failure = None
        self._thread = threading.Thread(target=self._run, name="sandbox", daemon=True)
        self._thread.start()
        if not self._ready.wait(START_TIMEOUT):
            raise TimeoutError("the sandbox did not start")
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Close all connections and end the thread; it is no error if the sandbox is not running."""
        if self._thread is None:
            return
        if self._loop is not None and self._stopping is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(START_TIMEOUT)
        self._thread = None

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._failure = error
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        runners: list[web.AppRunner] = []
        try:
            for fake in self._fakes:
                runner = web.AppRunner(
                    fake.build(),
                    access_log=None,
                    keepalive_timeout=self._keep_alive,
                    shutdown_timeout=0.2,
                )
                runners.append(runner)
                await runner.setup()
                site = web.TCPSite(runner, HOST, self._ports.get(fake.name, 0), ssl_context=self._tls)
                await site.start()
                port = int(runner.addresses[0][1])
                self._ports[fake.name] = port
                fake.url = f"http{'s' if self._tls else ''}://{HOST}:{port}"
            self._ready.set()
            await self._stopping.wait()
        finally:
            for runner in runners:
                await runner.cleanup()
