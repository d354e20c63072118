"""What `merchant-sync doctor` says of links."""

from typing import Any

import pytest

from merchant_sync.access import Access
from merchant_sync.operating.checks import Finding, links

SHOP = "shopify:acme.myshopify.com"
WELL: dict[str, Any] = {
    "shop": SHOP,
    "state": "active",
    "reason": None,
    "missing_scopes": [],
    "grant_query": "",
    "problems": {},
    "pairs": {"linked": 12},
    "conflicts": 0,
}


class SimulatedApi:
    """The internal API, with these links and syncs."""

    def __init__(self, found: list[dict[str, Any]], syncs: list[dict[str, Any]]) -> None:
        self._links, self._syncs = found, syncs

    def __enter__(self) -> "SimulatedApi":
        return self

    def __exit__(self, *_: object) -> None:
        """Close nothing."""

    def list_links(self) -> list[dict[str, Any]]:
        return self._links

    def list_link_syncs(self, shop: str, limit: int) -> list[dict[str, Any]]:
        return self._syncs


def examine(monkeypatch: pytest.MonkeyPatch, *found: dict[str, Any], syncs: Any = ()) -> list[Finding]:
    monkeypatch.setattr(links, "InternalApi", lambda _: SimulatedApi(list(found), list(syncs)))
    return list(links.check(Access({})))


def test_links_that_keep_in_step_are_one_line_and_none_is_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert examine(monkeypatch) == []
    syncs = [{"state": "running"}, {"state": "success"}, {"state": "failed"}]
    (finding,) = examine(monkeypatch, WELL, {**WELL, "shop": "shopify:b.myshopify.com"}, syncs=syncs)
    assert (finding.result, finding.details) == ("good", "2 of 2 keep in step, and have nothing to report")


@pytest.mark.parametrize(
    ("changed", "syncs", "details", "action"),
    [
        ({"state": "paused", "reason": "by the operator"}, [], "paused: by the operator", f"link resume {SHOP}"),
        ({"state": "draft", "conflicts": 3}, [], "draft: a person has to approve its plan", f"link plan {SHOP}"),
        (
            {"missing_scopes": ["write_products"], "grant_query": "link=1"},
            [],
            "has not granted write_products",
            "signs in at the shop with ?link=1",
        ),
        (
            {"problems": {"shopify_missing_sku": 3, "ambiguous_match": 5}},
            [],
            "could not be matched: 5 ambiguous_match, 3 shopify_missing_sku",
            f"link plan {SHOP}",
        ),
        ({"pairs": {"linked": 9, "error": 2}}, [], "2 products of which a write was refused", f"link failures {SHOP}"),
        ({"conflicts": 4}, [], "4 conflicts wait for a person", f"link conflicts {SHOP}"),
        ({}, [{"state": "failed", "message": "it is reauthorise"}], "failed: it is reauthorise", f"link syncs {SHOP}"),
    ],
)
def test_what_waits_for_a_person_is_a_warning_with_the_command_to_look_at(
    monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any], syncs: list[Any], details: str, action: str
) -> None:
    warning, summary = examine(monkeypatch, {**WELL, **changed}, syncs=syncs)
    assert (warning.result, warning.subject) == ("warning", f"link of {SHOP}")
    assert details in warning.details and action in warning.action
    assert summary.details.startswith("0 of 1 keep in step")
