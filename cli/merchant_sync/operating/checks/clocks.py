"""This machine's clock beside the platforms': what is newer is judged by it."""

import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime

import httpx

from merchant_sync.access import Access
from merchant_sync.operating.checks import Finding, bad, good, warning

MOST_SECONDS = 2.0
ANY_SHOP = "www.myshopify.com"
"""Stands for a shop: whoever answers under Shopify's domain, with whatever status, says what time it is there."""


def look(access: Access, *, http: httpx.Client, now: Callable[[], float] = time.time) -> Iterator[Finding]:
    """The difference at each platform, in seconds."""
    addresses = {"Shopify": access.get("SHOPIFY_SHOP_URL").replace("{shop}", ANY_SHOP)}
    if access.has_facebook:
        addresses["Facebook"] = access.get("FACEBOOK_GRAPH_URL") or "https://graph.facebook.com"
    for title, address in addresses.items():
        yield _clock(title, address, http, now)


def _clock(title: str, address: str, http: httpx.Client, now: Callable[[], float]) -> Finding:
    what = f"clock beside {title}"
    began = now()
    try:
        answer = http.head(address)
        ended = now()
        stamp = parsedate_to_datetime(answer.headers["date"]).timestamp()
    except (httpx.HTTPError, KeyError, ValueError) as error:
        do = "let services reach the platform: they read from there"
        return bad(what, f"{address}: {type(error).__name__} {error}", do)
    return judged(what, began, ended, stamp)


def judged(what: str, began: float, ended: float, stamp: float) -> Finding:
    """A `Date` is in whole seconds, of some moment between the request and its answer."""
    apart = max(began - (stamp + 1), stamp - ended, 0.0)
    if apart > MOST_SECONDS:
        return warning(what, f"{apart:.0f} s apart", "have this machine's clock set by NTP")
    return good(what, "the same" if apart < 1 else f"{apart:.1f} s apart")
