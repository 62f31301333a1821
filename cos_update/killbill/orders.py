"""Looks up the order ids of racks where the billing service stores them: in the Killbill subscription of their stack.

A subscription belongs to a stack if its custom field `openstack_stack_id` has the stack's id as its value. The rack's
order id is the id of the subscription for the second generation of services around Concertim, and the id of its bundle
for the first. Ambiguous results are discarded: a rack with a wrong order id would be billed to somebody else.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import requests

from cos_update import tls
from cos_update.concertim.connections import Connections
from cos_update.model.settings import KILLBILL_BUNDLE, KillbillSettings
from cos_update.retry import Backoff

FIELD, OBJECT_TYPE = "openstack_stack_id", "SUBSCRIPTION"
ENDED = frozenset({"CANCELLED", "EXPIRED"})
"""Subscription states in which nothing is billed any more."""
TIMEOUT = 5.0
"""Seconds to wait for a response: racks wait for it, and are created without an order id if it fails."""
ALL_LOOKUPS = 15.0
"""Seconds that all lookups of one pass may take together."""
MOST_KEPT = 100_000
"""Maximum number of cached order ids; the latest are kept."""
_MOST_FIELDS = 100
"""Maximum number of custom fields per stack: more make no sense, and might hide relevant ones."""
_NO_STACK = "00000000-0000-0000-0000-000000000000"
_AGAIN = Backoff(5.0, 600.0)
"""Backoff before a stack without an order is looked up again, and before a failing Killbill is called again."""

log = logging.getLogger(__name__)


class _NoAnswerError(Exception):
    """A call to Killbill failed; the message says why, for people."""


@dataclass(slots=True)
class _Miss:
    """The number of failed lookups, and the time (monotonic clock) of the next one."""

    count: int
    again: float


class OrderFinder:
    """Looks up each stack once, or repeatedly while it has no order. Thread-safe; one request at a time.

    `order_id` is the setting concertim.order_id: the id of the subscription, or of its bundle.
    """

    def __init__(self, settings: KillbillSettings, order_id: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._key = "bundleId" if order_id == KILLBILL_BUNDLE else "subscriptionId"
        self._clock = clock
        self._lock = threading.Lock()
        self._found: dict[str, str] = {}
        self._missing: dict[str, _Miss] = {}
        self._outage = _Miss(0, 0.0)
        self._connections = Connections(settings.verify, strict=settings.verify_strict)

    def find(self, stack_ids: Iterable[str]) -> Mapping[str, str]:
        """Known order ids by stack id. Raises nothing: failures are logged."""
        wanted = tuple(stack_ids)
        with self._lock:
            end = self._clock() + ALL_LOOKUPS
            for stack_id in wanted:
                if stack_id not in self._found and self._is_due(stack_id) and self._clock() < end:
                    self._look_up(stack_id)
            return {stack_id: self._found[stack_id] for stack_id in wanted if stack_id in self._found}

    def complaint(self) -> str:
        """Calls Killbill; the reason why that fails, or ""."""
        try:
            self._fields(_NO_STACK)
        except _NoAnswerError as error:
            return str(error)
        return ""

    def close(self) -> None:
        self._connections.close()

    def _is_due(self, stack_id: str) -> bool:
        now = self._clock()
        miss = self._missing.get(stack_id)
        return now >= self._outage.again and (miss is None or now >= miss.again)

    def _look_up(self, stack_id: str) -> None:
        try:
            orders = set(self._orders(stack_id))
        except _NoAnswerError as error:
            if not self._outage.count:
                log.warning(
                    "cannot look up order ids in Killbill at %s (%s): new racks have none until this works",
                    self._settings.url,
                    error,
                )
            self._outage = self._missed(self._outage)
            return
        if self._outage.count:
            log.info("looking up order ids in Killbill at %s works again", self._settings.url)
        self._outage = _Miss(0, 0.0)
        if len(orders) == 1:
            self._keep(stack_id, orders.pop())
            return
        if orders and stack_id not in self._missing:
            log.warning("Killbill has %d orders for stack %s: using none of them", len(orders), stack_id)
        self._missing[stack_id] = self._missed(self._missing.get(stack_id, _Miss(0, 0.0)))
        _shorten(self._missing)

    def _missed(self, miss: _Miss) -> _Miss:
        return _Miss(miss.count + 1, self._clock() + _AGAIN.after(miss.count + 1))

    def _keep(self, stack_id: str, order_id: str) -> None:
        self._missing.pop(stack_id, None)
        self._found[stack_id] = order_id
        _shorten(self._found)

    def _orders(self, stack_id: str) -> Iterator[str]:
        """The order ids of the stack's active subscriptions."""
        for item in {_subscription_of(field, stack_id) for field in self._fields(stack_id)} - {""}:
            subscription = self._get(f"subscriptions/{quote(item, safe='')}")
            if not isinstance(subscription, dict):
                raise _NoAnswerError("a response in an unexpected format")
            order_id = subscription.get(self._key)
            if subscription.get("state") not in ENDED and isinstance(order_id, str) and order_id:
                yield order_id

    def _fields(self, stack_id: str) -> Sequence[object]:
        """The custom fields that name the stack."""
        fields = self._get(f"customFields/search/{quote(stack_id, safe='')}?limit={_MOST_FIELDS}")
        if not isinstance(fields, list) or len(fields) >= _MOST_FIELDS:
            raise _NoAnswerError("a response in an unexpected format")
        return fields

    def _get(self, path: str) -> object:
        settings = self._settings
        try:
            with self._connections.lease() as session:
                answer = session.get(
                    f"{settings.url}/1.0/kb/{path}",
                    auth=requests.auth.HTTPBasicAuth(settings.username.encode(), settings.password.encode()),
                    headers={
                        "X-Killbill-ApiKey": settings.api_key.encode(),
                        "X-Killbill-ApiSecret": settings.api_secret.encode(),
                    },
                    timeout=TIMEOUT,
                    allow_redirects=False,
                    verify=settings.verify,
                )
        except (requests.RequestException, OSError, ValueError) as error:
            raise _NoAnswerError(self._reason(error)) from None
        if answer.status_code != requests.codes.ok:
            hint = ": check username, password, apikey and apisecret" if answer.status_code in (401, 403) else ""
            raise _NoAnswerError(f"it answered {answer.status_code}{hint}")
        try:
            return answer.json()
        except ValueError:
            raise _NoAnswerError("an answer that is not JSON") from None

    def _reason(self, error: Exception) -> str:
        if distrust := tls.distrust(error, self._settings, "killbill.verify"):
            return f"its certificate is not trusted: {distrust.reason}; see killbill.verify"
        if isinstance(error, requests.exceptions.Timeout):
            return f"no answer within {TIMEOUT:g} s"
        return "no connection" if isinstance(error, requests.exceptions.ConnectionError) else type(error).__name__


def _subscription_of(field: object, stack_id: str) -> str:
    """The id of the subscription that a custom field gives to the stack; the search also finds other fields."""
    if not isinstance(field, dict):
        return ""
    is_of_stack = (field.get("objectType"), field.get("name"), field.get("value")) == (OBJECT_TYPE, FIELD, stack_id)
    item = field.get("objectId")
    return item if is_of_stack and isinstance(item, str) else ""


def _shorten(kept: dict[str, str] | dict[str, _Miss]) -> None:
    while len(kept) > MOST_KEPT:
        del kept[next(iter(kept))]
