"""Check whether links keep both sides in step, and what keeps single products of them out."""

from collections.abc import Iterator
from typing import Any

from merchant_sync.access import Access
from merchant_sync.operating.checks import Finding, report_good, report_warning
from merchant_sync.operating.internal_api import InternalApi

_SYNCS = 20
"""How many of the latest syncs of a link are looked at for one that has succeeded or failed."""


def check(access: Access) -> Iterator[Finding]:
    """Check each link that has not ended. Yields one good finding for all that have nothing to report."""
    with InternalApi(access) as api:
        links = api.list_links()
        well = 0
        for link in links:
            findings = list(_check_link(api, link))
            yield from findings
            well += not findings
    if links:
        yield report_good("links", f"{well} of {len(links)} keep in step, and have nothing to report")


def _check_link(api: InternalApi, link: dict[str, Any]) -> Iterator[Finding]:
    subject, shop = f"link of {link['shop']}", link["shop"]
    if link["state"] in ("paused", "draft"):
        reason = link["reason"] or "a person has to approve its plan"
        action = f"merchant-sync link {'resume' if link['state'] == 'paused' else 'plan'} {shop}"
        yield report_warning(subject, f"{link['state']}: {reason}", action)
    if link["missing_scopes"]:
        details = f"the shop has not granted {', '.join(link['missing_scopes'])}"
        action = f"the merchant signs in at the shop with ?{link['grant_query']}, and agrees"
        yield report_warning(subject, details, action)
    problems = ", ".join(f"{count} {reason}" for reason, count in sorted(link["problems"].items()))
    if problems:
        details = f"products that could not be matched: {problems}"
        yield report_warning(subject, details, f"merchant-sync link plan {shop} lists them: give each a SKU of its own")
    if failed := link["pairs"].get("error"):
        action = f"merchant-sync link failures {shop} lists them, with the reasons"
        yield report_warning(subject, f"{failed} products of which a write was refused or has failed", action)
    if waiting := link["conflicts"] if link["state"] == "active" else 0:
        action = f"merchant-sync link conflicts {shop}, then link settle"
        yield report_warning(subject, f"{waiting} conflicts wait for a person", action)
    ended = [one for one in api.list_link_syncs(shop, _SYNCS) if one["state"] in ("success", "failed")]
    if ended and ended[0]["state"] == "failed":
        details = f"the last sync has failed: {ended[0]['message']}"
        yield report_warning(subject, details, f"merchant-sync link syncs {shop}; then link requeue")
