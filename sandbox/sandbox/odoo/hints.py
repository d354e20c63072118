"""The calls that an automation of Odoo makes to a URL when records change."""

import urllib.request
from collections.abc import Sequence

import orjson

WATCHED = frozenset({"product.template", "product.product", "stock.quant"})
"""The models whose changes are told."""
_SECONDS = 1.0


def send_hints(url: str, written: Sequence[tuple[str, int]]) -> int:
    """Call the URL once for each write of a record, one after the other. Returns how many calls were answered.

    As in Odoo, the transaction has not ended yet: whoever saves waits for the calls, each of which takes at most a
    second, is not signed, and is not repeated.
    """
    answered = 0
    for model, number in written:
        body = {"_model": model, "_id": number, "_action": f"Send Webhook Notification(#{number})"}
        request = urllib.request.Request(url, orjson.dumps(body), {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS):
                answered += 1
        except (OSError, ValueError):
            continue
    return answered
