"""Authenticated requests to Concertim's API, retried where that is safe."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from cos_update.concertim import errors
from cos_update.concertim.auth import Login
from cos_update.concertim.brake import Trial, WriteBrake
from cos_update.concertim.connections import IDLE_LIMIT, Connections
from cos_update.concertim.responses import BUSY, OVERLOADED, busy, redirected
from cos_update.concertim.retry import RetryPolicy
from cos_update.concertim.transport import Answer, Method, ObjectHook, TransientError, Transport, WriteFence
from cos_update.concertim.write_limiter import WriteLimiter
from cos_update.model.errors import Gone, Refused, Unavailable
from cos_update.model.settings import ConcertimSettings

API = "/api/v1/"
READS_AT_ONCE = 2
"""More concurrent reads are no faster, and take the app's few threads from its users (observed)."""
FAULT = 500
ROLE_HINT = "Check the role of concertim.concertim_username: only a root user may create racks and templates."
FAULT_HINT = "Concertim failed to process something in the request; see its log."

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Counts:
    """The number of requests sent, retries included, and of logins."""

    reads: int = 0
    writes: int = 0
    logins: int = 0


class Http:
    """Thread-safe. Paths are those below `/api/v1/`.

    Every call raises ConcertimLoginError, Unavailable if there was no usable response in spite of retries, Gone (404),
    or Refused if the app rejects the request. Writing stops while all writes fail, as shown by `trial` (see `brake`).
    """

    def __init__(
        self,
        settings: ConcertimSettings,
        *,
        trial: Trial = lambda: None,
        idle_limit: float = IDLE_LIMIT,
        fence: WriteFence | None = None,
    ) -> None:
        self._connections = Connections(
            settings.verify, strict=settings.verify_strict, has_checks=fence is not None, idle_limit=idle_limit
        )
        self._transport = Transport(settings, self._connections, fence)
        self._reading = threading.BoundedSemaphore(READS_AT_ONCE)
        self._lock = threading.Lock()
        self._counts = Counts()
        self.retry_policy = RetryPolicy(settings.retries)
        self.login = Login(settings, self._transport, self.retry_policy)
        self.write_limiter = WriteLimiter(settings.concurrency)
        self.brake = WriteBrake(trial)

    @property
    def counts(self) -> Counts:
        """The requests sent so far."""
        with self._lock:
            return replace(self._counts, logins=self.login.count)

    @property
    def address(self) -> str:
        """The app's address, for messages."""
        return self._transport.address

    def close(self) -> None:
        """Closes the connections; calls waiting for a retry give up at once."""
        self.retry_policy.end()
        self._transport.close()
        self._connections.close()

    def get(self, path: str, object_hook: ObjectHook | None = None) -> object:
        """The JSON at `path`, decoded with `object_hook`. Retries truncated or invalid JSON."""
        return self.read(path, lambda answer: answer.json(object_hook))

    def read(self, path: str, decode: Callable[[Answer], T]) -> T:
        """The response at `path`, decoded; the request is retried if `decode` raises ValueError."""

        def attempt() -> T:
            answer = self._once(Method.GET, path)
            try:
                return decode(answer)
            except ValueError:
                raise self._unreadable(Method.GET, path, answer) from None

        return self.retry_policy.call(attempt)

    def post(self, path: str, body: object) -> object:
        """The JSON of the response. Also raises TransientError if it is unknown whether the app applied it."""

        def attempt() -> object:
            answer = self._once(Method.POST, path, body)
            try:
                return answer.json()
            except ValueError:
                raise self._unreadable(Method.POST, path, answer) from None

        return self.retry_policy.call(attempt, repeatable=False)

    def patch(self, path: str, body: object) -> object:
        """The JSON of the response; None if the app applied the change but its response is unreadable."""
        answer = self.retry_policy.call(lambda: self._once(Method.PATCH, path, body))
        try:
            return answer.json()
        except ValueError:
            return None

    def delete(self, path: str) -> None:
        """Deletes the object at `path`; it is no error if it is already gone."""
        try:
            self.retry_policy.call(lambda: self._once(Method.DELETE, path))
        except Gone:
            log.debug("%s was gone already", path)

    def is_able_to_patch(self, path: str, body: object) -> bool:
        """Whether the app can process a write that changes nothing; bypasses the brake, without retries."""
        try:
            return self._once(Method.PATCH, path, body, is_trial=True).status < FAULT
        except (Gone, Refused) as answer:
            return answer.status is not None and answer.status < FAULT
        except (TransientError, Unavailable):
            return False

    def _once(self, method: Method, path: str, body: object = None, *, is_trial: bool = False) -> Answer:
        is_braked = method is not Method.GET and not is_trial
        if is_braked:
            self.brake.admit()
        answer = self._sent(method, path, body)
        if is_braked and 200 <= answer.status < 300:
            self.brake.succeeded()
        elif is_braked and answer.status >= FAULT and answer.status not in BUSY:
            self.brake.failed(errors.reason(answer))
        return self._judged(answer, method, path)

    def _sent(self, method: Method, path: str, body: object) -> Answer:
        token = self.login.token()
        answer = self._send(method, path, body, token)
        if answer.status == 401:
            token = self.login.token(dead=token)
            answer = self._send(method, path, body, token)
            if answer.status == 401:
                raise self.login.disowned(token, answer)
        return answer

    def _judged(self, answer: Answer, method: Method, path: str) -> Answer:
        if 200 <= answer.status < 300:
            return answer
        if trouble := busy(answer, self.address, method, API + path):
            raise trouble
        if 300 <= answer.status < 400:
            raise redirected(answer, self.address, method, API + path)
        if answer.status == 404:
            raise Gone(f"{API}{path} is not in Concertim ({errors.reason(answer)})", status=404)
        hint = ROLE_HINT if answer.status == 403 else FAULT_HINT if answer.status >= 500 else ""
        reason = errors.reason(answer)
        # For a write, the caller names the object.
        text = f"Concertim at {self.address} does not show {API}{path}: {reason}" if method is Method.GET else reason
        raise Refused(text, hint, answer.status)

    def _send(self, method: Method, path: str, body: object, token: str) -> Answer:
        if method is Method.GET:
            with self._reading:
                self._count(reads=1)
                return self._transport.send(method, API + path, body, token)
        with self.write_limiter.enter((method, path.partition("/")[0])) as write:
            self._count(writes=1)
            answer = self._transport.send(method, API + path, body, token)
            write.succeeded = 200 <= answer.status < 300
            write.refused_for_load = answer.status in OVERLOADED
            return answer

    def _count(self, *, reads: int = 0, writes: int = 0) -> None:
        with self._lock:
            counts = self._counts
            self._counts = replace(counts, reads=counts.reads + reads, writes=counts.writes + writes)

    def _unreadable(self, method: Method, path: str, answer: Answer) -> TransientError:
        text = f"Concertim at {self.address} sent a response that is not JSON ({method} {API}{path})"
        return TransientError(text, sent=True, status=answer.status)
