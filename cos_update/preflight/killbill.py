"""Checks Killbill, if order ids of new racks are looked up there."""

from __future__ import annotations

from collections.abc import Iterator

from cos_update.killbill.orders import OrderFinder
from cos_update.model.settings import Settings
from cos_update.preflight.finding import Finding, fail, ok


def killbill(settings: Settings) -> Iterator[Finding]:
    """Whether lookups work; no finding if the configuration does not use Killbill."""
    if settings.killbill is None or settings.concertim is None:
        return
    orders = OrderFinder(settings.killbill, settings.concertim.order_id)
    complaint = orders.complaint()
    orders.close()
    if complaint:
        fix = "fix the section killbill; until then new racks have no order id, and may be refused"
        yield fail("killbill", f"{settings.killbill.url} cannot be queried: {complaint}", fix)
    else:
        yield ok("killbill", f"{settings.killbill.url} as {settings.killbill.username}")
