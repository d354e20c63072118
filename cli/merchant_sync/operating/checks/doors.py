"""The gateway's public door from outside: ours is behind it, and what is internal is not."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx

from merchant_sync.access import Access
from merchant_sync.operating.checks import Finding, bad, good
from merchant_sync.urls import origin

SIGNATURE_REFUSED = {"status": "error", "reason": "signature"}
"""What our gateway answers, with 401, to a delivery that nobody signed."""
HIDDEN = ("/internal/tokens", "/internal/connections/any/checkup", "/metrics")


def look(access: Access, *, http: httpx.Client) -> Iterator[Finding]:
    """Each platform's webhook address, and each origin by which the gateway is reached."""
    named = ("SHOPIFY_WEBHOOK_ADDRESS", *(("FACEBOOK_WEBHOOK_ADDRESS",) if access.has_facebook else ()))
    addresses = {setting: access.get(setting) for setting in named if access.get(setting)}
    for setting, address in addresses.items():
        yield _webhooks(setting, address, http, real=urlsplit(access.get("SHOPIFY_SHOP_URL")).netloc == "{shop}")
    for one in dict.fromkeys([access.gateway_url, *map(origin, addresses.values())]):
        yield _closed(one, http)


def _webhooks(setting: str, address: str, http: httpx.Client, *, real: bool) -> Finding:
    what = "webhooks from outside"
    if real and not address.startswith("https://"):
        return bad(what, f"{address} is not https", f"platforms deliver to https only: correct {setting}")
    try:
        answer = http.post(address, content=b"{}", headers={"Content-Type": "application/json"})
    except httpx.HTTPError as error:
        seen = f"{address}: {type(error).__name__} {error}"
        return bad(what, seen, f"let it lead to the gateway (name, certificate, ingress), or correct {setting}")
    if answer.status_code == 401 and _json(answer) == SIGNATURE_REFUSED:
        return good(what, f"{address} is our gateway, and refuses what nobody signed")
    seen = f"{address} answers {answer.status_code} to a delivery without signature, our gateway 401"
    return bad(what, seen, f"another answers there: look at the path, redirects and the ingress, or correct {setting}")


def _closed(where: str, http: httpx.Client) -> Finding:
    what = "internal routes from outside"
    try:
        open_there = [path for path in HIDDEN if http.get(where + path).status_code != 404]
    except httpx.HTTPError as error:
        return bad(what, f"{where}: {type(error).__name__} {error}", "bring the gateway back, or correct GATEWAY_URL")
    if open_there:
        do = "let the ingress lead to the public port alone (GATEWAY_PORT, never GATEWAY_INTERNAL_PORT)"
        return bad(what, f"{where} answers {', '.join(open_there)}", do)
    return good(what, f"not to be found at {where}")


def _json(answer: httpx.Response) -> object:
    try:
        return answer.json()
    except ValueError:
        return None
