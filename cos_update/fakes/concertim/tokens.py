"""The app's login tokens (JWT, HS256) and session cookies."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import uuid
from collections.abc import Callable

from cos_update.fakes.concertim.problems import unauthenticated
from cos_update.fakes.concertim.records import User

LIFE = 24 * 3600.0
HEADER = {"alg": "HS256"}
NOT_SIGNED_IN = "You need to sign in or sign up before continuing."


class Tokens:
    """Issues and checks tokens. Each login adds one; those from before stay valid until they expire."""

    def __init__(self, users: dict[str, User], clock: Callable[[], float]) -> None:
        self.life = LIFE
        """Seconds for which new tokens are valid."""
        self._users = users
        self._clock = clock
        self._secret = secrets.token_bytes(32)
        self._valid: set[str] = set()

    def issue(self, user: User, *, life: float | None = None) -> str:
        """A new token for a user, valid for `life` seconds (negative: expired already)."""
        now = int(self._clock())
        jti = str(uuid.uuid4())
        self._valid.add(jti)
        expires = now + int(self.life if life is None else life)
        return self.sign({"sub": user.id, "scp": "user", "iat": now, "exp": str(expires), "jti": jti})

    def sign(self, claims: dict[str, object]) -> str:
        """A token with exactly these claims."""
        signed = f"{_encode(json.dumps(HEADER).encode())}.{_encode(json.dumps(claims).encode())}"
        return f"{signed}.{self._signature(signed)}"

    def revoke_all(self) -> None:
        """End all tokens."""
        self._valid.clear()

    def user(self, authorization: str | None) -> User:
        """The user of the header Authorization. Raises the 401s."""
        if authorization is None or not authorization.startswith("Bearer "):
            raise unauthenticated(NOT_SIGNED_IN)
        claims = self._claims(authorization.removeprefix("Bearer "))
        if float(str(claims.get("exp", 0))) <= self._clock():
            raise unauthenticated("Signature has expired")
        user = self._users.get(str(claims.get("sub")))
        if user is None:
            raise unauthenticated("nil user")
        if claims.get("jti") not in self._valid:
            raise unauthenticated("revoked token")
        if user.pending_deletion:
            raise unauthenticated("Invalid Login or password.")
        return user

    def _claims(self, token: str) -> dict[str, object]:
        signed, _, signature = token.rpartition(".")
        if signed.count(".") != 1:
            raise unauthenticated("Not enough or too many segments")
        try:
            claims = json.loads(_decode(signed.split(".")[1]))
            json.loads(_decode(signed.split(".")[0]))
        except ValueError as error:
            raise unauthenticated("Invalid segment encoding") from error
        if not hmac.compare_digest(signature, self._signature(signed)):
            raise unauthenticated("No verification key available")
        return claims if isinstance(claims, dict) else {}

    def _signature(self, signed: str) -> str:
        return _encode(hmac.digest(self._secret, signed.encode(), hashlib.sha256))


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(segment: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except binascii.Error as error:
        raise ValueError(segment) from error
