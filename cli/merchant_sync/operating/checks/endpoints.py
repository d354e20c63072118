"""Check the gateway's public URLs: they lead to our gateway, and its internal API cannot be reached through them."""

from collections.abc import Iterator

import httpx

from merchant_sync.access import Access
from merchant_sync.manifests import MANIFESTS
from merchant_sync.operating.checks import Finding, report_bad, report_good
from merchant_sync.origins import get_origin
from platform_sdk.manifests import Manifest

SIGNATURE_REFUSED = {"status": "error", "reason": "signature"}
"""The JSON with which our gateway answers 401 to a webhook delivery without a signature."""
HIDDEN = ("/internal/tokens", "/internal/connections/any/checkup", "/metrics")


def check(access: Access, *, http: httpx.Client) -> Iterator[Finding]:
    """Check the gateway's public URLs.

    Each platform's webhook URL must lead to our gateway. No origin at which the gateway is reached may answer requests
    for the gateway's internal API or its metrics.
    """
    addresses = []
    for manifest in MANIFESTS:
        address = access.get_setting(manifest.webhook_address_setting)
        if address and access.has_platform(manifest):
            addresses.append(address)
            is_real = _is_real(manifest, access)
            yield _check_webhooks(manifest.webhook_address_setting, address, http, is_real=is_real)
    for origin in dict.fromkeys([access.gateway_url, *map(get_origin, addresses)]):
        yield _check_internal_routes_hidden(origin, http)


def _is_real(manifest: Manifest, access: Access) -> bool:
    """Return whether the installation uses the real platform, not the sandbox."""
    setting = manifest.find_setting(manifest.probe_setting)
    return setting is not None and access.get_setting(setting.name) == setting.default


def _check_webhooks(setting: str, address: str, http: httpx.Client, *, is_real: bool) -> Finding:
    subject = "webhooks from outside"
    if is_real and not address.startswith("https://"):
        return report_bad(subject, f"{address} is not https", f"platforms deliver to https only: correct {setting}")
    try:
        response = http.post(address, content=b"{}", headers={"Content-Type": "application/json"})
    except httpx.HTTPError as error:
        details = f"{address}: {type(error).__name__} {error}"
        action = f"make it lead to the gateway (name, certificate, ingress), or correct {setting}"
        return report_bad(subject, details, action)
    if response.status_code == 401 and _parse_json(response) == SIGNATURE_REFUSED:
        return report_good(subject, f"{address} is our gateway, and refuses a delivery without signature")
    details = f"{address} answers {response.status_code} to a delivery without signature, our gateway 401"
    action = f"another server answers there: check the path, redirects and the ingress, or correct {setting}"
    return report_bad(subject, details, action)


def _check_internal_routes_hidden(origin: str, http: httpx.Client) -> Finding:
    subject = "internal routes from outside"
    try:
        reached = [path for path in HIDDEN if http.get(origin + path).status_code != 404]
    except httpx.HTTPError as error:
        details = f"{origin}: {type(error).__name__} {error}"
        return report_bad(subject, details, "bring the gateway back, or correct GATEWAY_URL")
    if reached:
        action = "make the ingress lead to the public port alone (GATEWAY_PORT, never GATEWAY_INTERNAL_PORT)"
        return report_bad(subject, f"{origin} answers {', '.join(reached)}", action)
    return report_good(subject, f"not found at {origin}")


def _parse_json(response: httpx.Response) -> object:
    try:
        return response.json()
    except ValueError:
        return None
