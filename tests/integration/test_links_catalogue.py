"""A link of two catalogues of five hundred products on the whole stack.

It is told as a story: what differs is listed, an approved draft makes both sides equal, further syncs write nothing,
and in a batch of edits the one that the shop refuses stops no other.
"""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from linked_accounts import Linked, link_accounts
from linked_catalogues import (
    ALONE,
    COMMON,
    DIFFERING,
    DOUBLED,
    NAMELESS,
    OTHER,
    Catalogues,
    Difference,
    make_database,
    make_shop,
    read_odoo,
    read_shop,
)
from world import World, wait_until

pytestmark = pytest.mark.integration
SEED = 20261201
PAIRS = COMMON + sum(ALONE.values())
EDITED = 500
"""How many products are edited at once."""
LONGEST_TITLE = 255
"""How many characters a title may have in a shop."""


@dataclass(frozen=True)
class Story:
    """Two linked accounts, and the catalogues that they had before."""

    linked: Linked
    catalogues: Catalogues

    def assert_equal_to_truth(self) -> None:
        """Compare both sides with what they must have once they are in step."""
        assert read_shop(self.linked) == self.catalogues.build_expected("shopify")
        assert read_odoo(self.linked) == self.catalogues.build_expected("odoo")


@pytest.fixture(scope="module")
def story(stack: Any) -> Iterator[Story]:
    with World(stack) as world:
        catalogues = Catalogues(SEED)
        shop, numbers = make_shop(world, catalogues.products["shopify"])
        database = make_database(world, catalogues.products["odoo"])
        prices = {"price": {"authority": "shopify"}}
        linked = link_accounts(world, shop, numbers, database, groups=prices, locations={})
        yield Story(linked, catalogues)
        linked.end()


def test_the_draft_lists_exactly_what_differs_and_nothing_is_written(story: Story) -> None:
    linked, catalogues = story.linked, story.catalogues
    plan = linked.run("plan", "--limit", "1000")
    lines = {
        (line["name"], line["field"]): Difference(
            line["target"], *(read_value(line["field"], line[name]) for name in ("before", "after"))
        )
        for line in plan["lines"]
        if line["action"] == "conflict"
    }
    assert lines == catalogues.list_differences()
    assert len(lines) == sum(DIFFERING.values())
    alone = {(title, side) for side in ALONE for title in catalogues.list_titles(side)}
    made = [(line["name"], line["target"]) for line in plan["lines"] if line["action"] == "create"]
    assert sorted(made) == sorted((title, OTHER[side]) for title, side in alone)
    assert len(plan["lines"]) == len(lines) + len(made)
    missing = [(one["name"], one["reason"]) for one in plan["unlinked"] if one["resource"] == "products"]
    assert sorted(missing) == sorted((title, f"missing_in_{OTHER[side]}") for title, side in alone)
    doubled = {f"sku:DOUBLED-{side}-{number}" for side, count in DOUBLED.items() for number in range(count)}
    assert {one["key"] for one in plan["problems"] if one["reason"] == "ambiguous_match"} == doubled
    nameless = {f"{side}_missing_sku": count for side, count in NAMELESS.items()}
    assert plan["problem_counts"] == {"ambiguous_match": len(doubled), **nameless}
    assert linked.count_writes() == (0, 0)
    assert read_shop(linked) == catalogues.list_products("shopify")
    assert read_odoo(linked) == catalogues.list_products("odoo")


def read_value(field: str, value: Any) -> Any:
    """Return a value of a plan in the form that the catalogues have."""
    if field == "price":
        return Decimal(value)
    return sorted(value) if field == "tags" else re.sub("<[^>]*>", "", value)


def test_an_approved_draft_makes_both_sides_equal(story: Story) -> None:
    linked = story.linked
    sync = linked.run("sync", "import_then_export_products")
    wait_until(lambda: linked.load_sync(sync["id"])["state"] == "draft" or None, 60)
    assert linked.count_writes() == (0, 0)
    linked.grant_scopes()
    wait_until(linked.has_granted, 60)
    ended, seconds = approve_and_wait(linked, sync["id"])
    assert linked.run("failures")["failures"] == []
    story.assert_equal_to_truth()
    made = linked.world.fetch_statistics(linked.shop)["writes"]["productSet"]
    loaded = linked.database.call("GET", "/statistics")["calls"]["product.template.load"]
    assert {"odoo": made, "shopify": loaded} == ALONE
    expected, figures = story.catalogues.count_writes(), ended["figures"]
    assert linked.count_outcomes() == {(side, "applied"): count for side, count in expected.items()}
    assert (figures["planned"], figures["written"], figures["errors"]) == (expected.total(), expected.total(), 0)
    # What was made is paired once the change feed has brought it.
    wait_until(lambda: linked.run("status")["pairs"] == {"linked": PAIRS} or None, 60)
    written = dict(zip(("shopify", "odoo"), linked.count_writes(), strict=True))
    print(f"\nequal {seconds:.1f} s after the approval; calls that write {written}; {describe(figures)}")


def approve_and_wait(linked: Linked, sync: str) -> tuple[dict[str, Any], float]:
    """Approve the plan for which a sync waits; return the sync once it has ended, and the seconds that this took."""
    began = time.monotonic()
    linked.run("approve", "--plan", str(linked.run("status")["plan_number"]))
    ended = linked.wait_for_sync(sync)
    return ended, time.monotonic() - began


@pytest.mark.parametrize(
    ("mode", "reads_of_shop"),
    [("import_then_export_products", 0), ("import_all_products", 1), ("export_all_products", 0)],
)
def test_a_further_sync_plans_nothing_and_writes_nothing(story: Story, mode: str, reads_of_shop: int) -> None:
    linked, began = story.linked, time.monotonic()
    written, before = linked.count_writes(), len(linked.world.list_syncs(linked.name, mode="full"))
    sync = linked.run("sync", mode, "--wait")
    assert (sync["state"], sync["figures"]["planned"], sync["figures"]["written"]) == ("success", 0, 0)
    assert linked.count_writes() == written
    assert len(linked.world.list_syncs(linked.name, mode="full")) - before == reads_of_shop
    assert linked.run("plan")["lines"] == []
    assert linked.run("status")["pairs"] == {"linked": PAIRS}
    story.assert_equal_to_truth()
    print(f"\n{mode}: {time.monotonic() - began:.1f} s; {describe(sync['figures'])}")


def test_a_title_that_the_shop_refuses_stops_none_of_a_batch(story: Story) -> None:
    linked, rng = story.linked, Random(SEED)
    before, outcomes = read_shop(linked), linked.count_outcomes()
    chosen = rng.sample(sorted(story.catalogues.pairs), EDITED)
    titles = {one["sku"]: f"{one['title']} {rng.randint(1, 9)}" for one in before if one["sku"] in set(chosen)}
    poison = chosen[0]
    corrected, titles[poison] = titles[poison], titles[poison].ljust(LONGEST_TITLE + 1, "!")
    rename_in_odoo(linked, titles)
    held = linked.wait_for_state("draft")
    assert re.fullmatch(rf"it would write \d+ of {PAIRS} products within an hour: .*", held["reason"]), held["reason"]
    sync = linked.run("sync", "export_all_products")
    wait_until(lambda: linked.load_sync(sync["id"])["state"] == "draft" or None, 60)
    ended, seconds = approve_and_wait(linked, sync["id"])
    assert ended["figures"]["errors"] == 1
    written = linked.count_outcomes()["shopify", "applied"] - outcomes["shopify", "applied"]
    assert written == EDITED - 1
    (failure,) = linked.run("failures")["failures"]
    (old,) = (one["title"] for one in before if one["sku"] == poison)
    assert (failure["name"], failure["side"], failure["reason_code"]) == (old, "shopify", "shopify_data")
    assert "too long" in failure["message"]
    assert linked.run("status")["pairs"] == {"linked": PAIRS - 1, "error": 1}
    present = [one | {"title": titles.get(one["sku"], one["title"])} for one in before]
    assert read_shop(linked) == [one if one["sku"] != poison else one | {"title": old} for one in present]
    print(f"\n{written} of {EDITED} written {seconds:.1f} s after the approval; {describe(ended['figures'])}")
    rename_in_odoo(linked, {poison: corrected})
    wait_until(lambda: any(one["title"] == corrected for one in read_shop(linked)) or None, 60)
    wait_until(lambda: linked.run("status")["pairs"] == {"linked": PAIRS} or None, 60)


def rename_in_odoo(linked: Linked, titles: dict[str, str]) -> None:
    """Give products of Odoo other names, all in one transaction."""
    domain = [["default_code", "in", list(titles)]]
    rows = linked.database.execute("product.template", "search_read", domain, ["default_code"])
    cells = [[str(row["id"]), titles[row["default_code"]]] for row in rows]
    assert linked.database.execute("product.template", "load", [".id", "name"], cells)["ids"], "nothing is loaded"


def describe(figures: dict[str, int]) -> str:
    """Return the figures of a sync for a reader."""
    return ", ".join(f"{figures[name]} {name}" for name in ("planned", "written", "errors", "calls", "points"))
