"""Whether services call themselves ready, and whether they take the operator's key."""

from collections.abc import Iterator

import httpx

from merchant_sync.access import Access
from merchant_sync.operating.checks import Finding, bad, good
from merchant_sync.operating.inside import Inside
from merchant_sync.parts import StackError

_ADDRESSES = {
    "gateway": "GATEWAY_URL",
    "gateway, inside": "GATEWAY_INTERNAL_URL",
    "scheduler": "SCHEDULER_URL",
    "spaces-writer": "SPACES_WRITER_ADDRESS",
    "shopify-fetcher": "SHOPIFY_FETCHER_ADDRESS",
    "facebook-fetcher": "FACEBOOK_FETCHER_ADDRESS",
}


def look(access: Access, *, http: httpx.Client) -> Iterator[Finding]:
    """Each service whose address is known; those of `make up` all are."""
    for service, setting in _ADDRESSES.items():
        if address := access.get(setting).rstrip("/"):
            yield _ready(service, address, http)
    yield _key(access)


def _ready(service: str, address: str, http: httpx.Client) -> Finding:
    what = service
    try:
        answer = http.get(f"{address}/ready")
    except httpx.HTTPError as error:
        return bad(what, f"{address}: {type(error).__name__} {error}", "start it, or correct its address")
    if answer.status_code == 200:
        return good(what, f"{address} is ready")
    try:
        parts = {name: said for name, said in answer.json()["parts"].items() if said != "ok"}
        seen = "; ".join(f"{name}: {said}" for name, said in parts.items())
    except (ValueError, KeyError, AttributeError):
        seen = f"answers {answer.status_code}"
    return bad(what, f"{address} is not ready: {seen}", "bring back what it names; it goes on by itself")


def _key(access: Access) -> Finding:
    what = "the operator's key"
    try:
        with Inside(access) as inside:
            inside.connections(limit=1)
    except StackError as error:
        return bad(what, str(error), "set INTERNAL_KEY here and operator:key in both INTERNAL_KEYS")
    return good(what, "the scheduler takes it")
