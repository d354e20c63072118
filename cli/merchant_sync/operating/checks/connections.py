"""Check merchants' connections at their platforms: webhook subscriptions, and the API version that is served."""

from collections.abc import Callable, Iterator
from http import HTTPStatus

from merchant_sync.access import Access
from merchant_sync.operating.checks import Finding, report_bad, report_good, report_warning
from merchant_sync.operating.internal_api import SEE_ALL, InternalApi, count_hidden
from merchant_sync.operating.terminal import format_age, format_time
from merchant_sync.parts import StackError
from platforms.registry import PLATFORMS

SAMPLE = 20
_ACTION = "merchant-sync sync {} creates them before it reads; the daily poll does the same"


def check(access: Access, *, sample: int = SAMPLE, on_progress: Callable[[int, int], None]) -> Iterator[Finding]:
    """Check up to `sample` live connections (those in the state `connected`) of each platform through the gateway.

    Those that are blocked are only named: their platform refuses every call.
    `on_progress` is called with the number of connections checked so far, and with their total.
    """
    try:
        with InternalApi(access) as api:
            yield from _list_blocked_connections(api)
            names = [name for platform in PLATFORMS for name in _list_live_connections(api, platform, sample)]
            if sample and not names:
                yield report_good("connections", "none is live yet")
            remarks: set[str] = set()
            for number, name in enumerate(names, 1):
                yield _check_connection(api, name, remarks)
                on_progress(number, len(names))
            for remark in sorted(remarks):
                action = "the requested version has expired: set one that is served"
                yield report_warning("API version", remark, action)
    except StackError as error:
        yield report_bad("connections", str(error), "bring it back, or correct its address")


def _list_live_connections(api: InternalApi, platform: str, sample: int) -> list[str]:
    listed = api.list_connections(platform=platform, state="connected", limit=sample) if sample else []
    return [str(connection["connection"]) for connection in listed if connection["blocked"] is None]


def _list_blocked_connections(api: InternalApi) -> Iterator[Finding]:
    overview = api.load_overview()
    for row in overview["blocked"]:
        details = f"blocked for {format_age(row['age'])}: the account is {row['reason']} at its platform"
        action = "its merchant has to open it there; until then one call, at most daily, asks whether it is open"
        yield report_warning(str(row["connection"]), details, action)
    if hidden := count_hidden(overview, "blocked"):
        yield report_warning("connections", f"{hidden:,} more are blocked", SEE_ALL)


def _check_connection(api: InternalApi, name: str, remarks: set[str]) -> Finding:
    """Let the gateway check one merchant's connection at its platform; return the finding.

    A warning about the platform's API version is added to `remarks`, which all connections share: it is reported once.
    """
    try:
        report = api.check_connection(name)
    except StackError as error:
        if error.status == HTTPStatus.CONFLICT:
            return report_good(name, "is being disconnected")
        if error.status is None:
            raise
        action = "check the platform's status; after a refused token its merchant has to sign in again"
        return report_bad(name, str(error), action)
    remarks |= set(report["remarks"])
    if report["missing"]:
        details = f"{report['message']}; not subscribed: {', '.join(report['missing'])}"
        return report_bad(name, details, _ACTION.format(name))
    if ends_at := report.get("access_ends_at"):
        action = "its merchant has to sign in again before, with a new key or consent"
        return report_warning(name, f"access ends on {format_time(ends_at)}, and nothing can be read then", action)
    return report_good(name, str(report["message"]))
