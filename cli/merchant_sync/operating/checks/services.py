"""Check whether services are ready, and whether they accept the operator's keys."""

from collections.abc import Iterator

import httpx

from merchant_sync.access import Access
from merchant_sync.environment import get_address_key
from merchant_sync.internal_keys import HASHES_SETTING
from merchant_sync.operating.checks import Finding, report_bad, report_good
from merchant_sync.operating.internal_api import InternalApi
from merchant_sync.parts import DATA_API, PLATFORM_SERVICES, SPACES_WRITER, StackError

_ADDRESSES = {
    "gateway": "GATEWAY_URL",
    "gateway, internal": "GATEWAY_INTERNAL_URL",
    "scheduler": "SCHEDULER_URL",
    "linker": "LINKER_URL",
    DATA_API: "DATA_API_URL",
    f"{DATA_API}, internal": get_address_key(DATA_API),
    **{service: get_address_key(service) for service in (SPACES_WRITER, *PLATFORM_SERVICES)},
}
_PUBLIC = ("GATEWAY_URL", "DATA_API_URL")


def check(access: Access, *, http: httpx.Client) -> Iterator[Finding]:
    """Check that each service whose URL is known is ready, and that it accepts the operator's key where it has one.

    For a stack of `make up`, all URLs are known.
    """
    with httpx.Client(timeout=http.timeout, verify=access.create_tls_context()) as internal:
        for service, setting in _ADDRESSES.items():
            if address := access.get_setting(setting).rstrip("/"):
                yield _check_ready(service, address, http if setting in _PUBLIC else internal)
    yield _check_operator_keys(access)


def _check_ready(service: str, address: str, http: httpx.Client) -> Finding:
    try:
        response = http.get(f"{address}/ready")
    except httpx.HTTPError as error:
        details = f"{address}: {type(error).__name__} {error}"
        return report_bad(service, details, "start it, or correct its address")
    if response.status_code == 200:
        return report_good(service, f"{address} is ready")
    try:
        causes = {name: state for name, state in response.json()["parts"].items() if state != "ok"}
        details = "; ".join(f"{name}: {state}" for name, state in causes.items())
    except (ValueError, KeyError, AttributeError):
        details = f"answers {response.status_code}"
    action = "bring back what it names; the service resumes by itself"
    return report_bad(service, f"{address} is not ready: {details}", action)


def _check_operator_keys(access: Access) -> Finding:
    subject = "the operator's keys"
    try:
        with InternalApi(access) as api:
            api.list_connections(limit=1)
            api.check_access_to_gateway()
            api.list_links()
    except StackError as error:
        return report_bad(subject, str(error), f"set the key here and operator:hash in {HASHES_SETTING} there")
    return report_good(subject, "gateway, scheduler and linker accept them")
