"""Compare this machine's clock with the platforms' clocks.

The services compare times of these clocks to decide which of two versions of a record is newer.
"""

import re
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime

import httpx

from merchant_sync.access import Access
from merchant_sync.manifests import MANIFESTS
from merchant_sync.operating.checks import Finding, report_bad, report_good, report_warning
from platform_sdk.manifests import Manifest

MAX_SECONDS = 2.0


def check(access: Access, *, http: httpx.Client, now: Callable[[], float] = time.time) -> Iterator[Finding]:
    """Compare this machine's clock with the clock of each platform of the installation.

    `now` returns this machine's time in seconds.
    """
    for manifest in MANIFESTS:
        if manifest.probe_setting and access.has_platform(manifest):
            yield _check_clock(manifest.title, get_probe_address(manifest, access), http, now)


def get_probe_address(manifest: Manifest, access: Access) -> str:
    """Return a URL of the platform that answers any HTTP request, with the platform's time in the `Date` header."""
    setting = manifest.find_setting(manifest.probe_setting)
    address = access.get_setting(manifest.probe_setting) or (setting.default if setting else None) or ""
    return re.sub(r"\{\w+\}", manifest.probe_account, address)


def _check_clock(title: str, address: str, http: httpx.Client, now: Callable[[], float]) -> Finding:
    subject = f"clock beside {title}"
    sent = now()
    try:
        response = http.head(address)
        received = now()
        stamp = parsedate_to_datetime(response.headers["date"]).timestamp()
    except (httpx.HTTPError, KeyError, ValueError) as error:
        action = "let services reach the platform: they read from there"
        return report_bad(subject, f"{address}: {type(error).__name__} {error}", action)
    return compare_clocks(subject, sent, received, stamp)


def compare_clocks(subject: str, sent: float, received: float, stamp: float) -> Finding:
    """Return a warning when two clocks, a platform's and this machine's, differ by more than `MAX_SECONDS`.

    Otherwise, return a good finding.

    `stamp` is the time in the `Date` header of the platform's response, in whole seconds. By this machine's clock, the
    request was `sent` and the response `received`. With equal clocks, `stamp` lies between the two.
    """
    difference = max(sent - (stamp + 1), stamp - received, 0.0)
    if difference > MAX_SECONDS:
        return report_warning(subject, f"{difference:.0f} s apart", "have this machine's clock set by NTP")
    return report_good(subject, "the same" if difference < 1 else f"{difference:.1f} s apart")
