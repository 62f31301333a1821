"""The login: one token for all threads, renewed when it expires, and never requested in a hot loop."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from cos_update.concertim import errors
from cos_update.concertim.responses import busy, redirected
from cos_update.concertim.retry import RetryPolicy
from cos_update.concertim.transport import URL_HINT, Answer, Method, Transport
from cos_update.model.errors import ConcertimError, ConcertimLoginError, Unavailable
from cos_update.model.settings import ConcertimSettings

PATH = "/users/sign_in.json"
REMEMBERED = 15.0
"""Seconds for which a failed login is remembered: each attempt costs the app 0.2 s of CPU (observed)."""
CREDENTIALS_HINT = "Check concertim.concertim_username and concertim.concertim_password."


class Login:
    """Thread-safe. The token is in the response's header, not in its body, which has cleartext passwords (observed)."""

    def __init__(
        self,
        settings: ConcertimSettings,
        transport: Transport,
        retry_policy: RetryPolicy,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._username = settings.username
        self._password = settings.password
        self._transport = transport
        self._retry_policy = retry_policy
        self._clock = clock
        self._lock = threading.Lock()
        self._token: str | None = None
        self._failure: ConcertimError | None = None
        self._failed_at = 0.0
        self.count = 0
        """The number of successful logins."""
        self.is_root: bool | None = None
        """Whether the user may see and do everything; None while unknown."""
        self.clock_offset: float | None = None
        """How many seconds the app's clock is ahead of this machine's, to half a second; None while unknown."""

    def token(self, dead: str | None = None) -> str:
        """The token; logs in if there is none or only the `dead` one.

        Raises ConcertimLoginError or Unavailable. Threads that wait for a login share its result.
        """
        asked = self._clock()
        with self._lock:
            if self._token is not None and self._token != dead:
                return self._token
            self._token = None
            self._raise_remembered(asked)
            try:
                self._token = self._sign_in()
            except ConcertimError as failure:
                self._remember(failure)
                raise
            self._failure = None
            self.count += 1
            return self._token

    def disowned(self, token: str, answer: Answer) -> ConcertimLoginError:
        """The error for a new `token` that the app rejects nevertheless; remembered like a failed login."""
        failure = ConcertimLoginError(
            f"Concertim rejects the token that it has just issued to user {self._username!r} "
            f"(401 {errors.reason(answer)}).",
            "Check the app's clock, and whether a proxy in front of it changes the header Authorization.",
            answer.status,
        )
        with self._lock:
            if self._token == token:
                self._token = None
                self._remember(failure)
        return failure

    def _remember(self, failure: ConcertimError) -> None:
        self._failure = failure
        self._failed_at = self._clock()

    def _raise_remembered(self, asked: float) -> None:
        failure = self._failure
        if failure is None:
            return
        still_stands = self._clock() - self._failed_at < REMEMBERED
        if self._failed_at >= asked or (still_stands and isinstance(failure, ConcertimLoginError)):
            raise type(failure)(str(failure), failure.hint, failure.status)

    def _sign_in(self) -> str:
        answer = self._retry_policy.call(self._ask)
        if answer.status >= 500:
            text = f"Concertim at {self._transport.address} failed at the login: {errors.reason(answer)}"
            raise Unavailable(text, "See the app's own log.", answer.status)
        if answer.status == 404:
            text = f"Concertim's login is not at {self._transport.address}{PATH} (404)"
            raise Unavailable(text, URL_HINT, answer.status)
        if answer.status >= 400:
            raise ConcertimLoginError(
                f"Concertim refused the login for user {self._username!r} ({answer.status} {errors.reason(answer)}).",
                CREDENTIALS_HINT,
                answer.status,
            )
        scheme, _, token = answer.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not token:
            text = f"{self._transport.address} answered the login without a token ({answer.status})."
            raise ConcertimLoginError(text, URL_HINT, answer.status)
        self._compare_clocks(token)
        with suppress(ValueError):
            user = answer.json()
            self.is_root = user.get("root") is True if isinstance(user, dict) and "root" in user else None
        return token

    def _ask(self) -> Answer:
        # Without a token: with a valid one the app ignores the password (observed).
        body = {"user": {"login": self._username, "password": self._password}}
        answer = self._transport.send(Method.POST, PATH, body, is_login=True)
        if trouble := busy(answer, self._transport.address, Method.POST, PATH):
            raise trouble
        if 300 <= answer.status < 400:
            raise redirected(answer, self._transport.address, Method.POST, PATH)
        return answer

    def _compare_clocks(self, token: str) -> None:
        try:
            claims = token.split(".")[1]
            issued = float(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["iat"])
        except (ValueError, LookupError, TypeError):
            return
        # The claim is truncated to whole seconds.
        self.clock_offset = issued + 0.5 - time.time()
