"""The conversation with Concertim: authenticated requests to its API, repeated where that is safe."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, replace

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
"""More reads at once don't come any sooner, and keep the app's few threads from the people who use it (observed)."""
FAULT = 500
ROLE_HINT = "Check the role of concertim.concertim_username: only a root user may create racks and templates."
FAULT_HINT = "Concertim takes something in the request amiss; its own log says more."

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many requests were sent, repeated ones included, and how many logins they took."""

    reads: int = 0
    writes: int = 0
    logins: int = 0


class Http:
    """Thread-safe. Paths are those below `/api/v1/`.

    Every call raises ConcertimLoginError, or Unavailable when no usable answer came to any try, or Gone (404), or
    Refused for what the app does not accept. Writes are not sent while every one fails: `trial` tells that (`brake`).
    """

    def __init__(
        self,
        settings: ConcertimSettings,
        *,
        trial: Trial = lambda: None,
        idle_limit: float = IDLE_LIMIT,
        fence: WriteFence | None = None,
    ) -> None:
        self._connections = Connections(settings.verify, strict=settings.verify_strict, idle_limit=idle_limit)
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
        """What was sent until now."""
        with self._lock:
            return replace(self._counts, logins=self.login.count)

    @property
    def address(self) -> str:
        """The app's address, for people."""
        return self._transport.address

    def close(self) -> None:
        """Closes the connections; calls that wait for another try give up at once."""
        self.retry_policy.end()
        self._transport.close()
        self._connections.close()

    def get(self, path: str, object_hook: ObjectHook | None = None) -> object:
        """The JSON at `path`, each object through `object_hook`. What is cut off or no JSON is asked for again."""

        def attempt() -> object:
            answer = self._once(Method.GET, path)
            return _decoded(answer, self._unreadable(Method.GET, path, answer), object_hook)

        return self.retry_policy.call(attempt)

    def post(self, path: str, body: object) -> object:
        """The JSON of the answer. Raises TransientError besides when it is not known whether the app acted."""

        def attempt() -> object:
            answer = self._once(Method.POST, path, body)
            return _decoded(answer, self._unreadable(Method.POST, path, answer))

        return self.retry_policy.call(attempt, repeatable=False)

    def patch(self, path: str, body: object) -> object:
        """The JSON of the answer; None when the app acted but its answer cannot be read."""
        answer = self.retry_policy.call(lambda: self._once(Method.PATCH, path, body))
        try:
            return answer.json()
        except ValueError:
            return None

    def delete(self, path: str) -> None:
        """Deletes what is at `path`; what is gone already is fine."""
        try:
            self.retry_policy.call(lambda: self._once(Method.DELETE, path))
        except Gone:
            log.debug("%s was gone already", path)

    def is_able_to_patch(self, path: str, body: object) -> bool:
        """Whether the app can carry out a write that changes nothing; sent whatever the brake says, and once."""
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
        # Of a write whoever made it names the object.
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
        text = f"Concertim at {self.address} sent an answer that is not JSON ({method} {API}{path})"
        return TransientError(text, sent=True, status=answer.status)


def _decoded(answer: Answer, otherwise: TransientError, object_hook: ObjectHook | None = None) -> object:
    try:
        return answer.json(object_hook)
    except ValueError:
        raise otherwise from None
