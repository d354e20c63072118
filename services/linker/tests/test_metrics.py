"""The metrics show links and pairs by state, and how far behind the plans are."""

import pytest
from prometheus_client import CollectorRegistry

from linker.metrics import LinkerMetrics
from linker.store.overview import load_counts
from linker.use_cases.refresh_gauges import GaugeRefresher
from links_fixture import LinkWorld, build_product

pytestmark = pytest.mark.integration


async def test_the_gauges_show_all_links(world: LinkWorld) -> None:
    world.shopify.put("s1", build_product("s1", "SKU-1"))
    world.odoo.put("o1", build_product("o1", "SKU-1"))
    world.odoo.put("o2", build_product("o2", None))
    await world.draft_link()
    registry = CollectorRegistry()
    metrics = LinkerMetrics(registry)
    await GaugeRefresher(world.database.transaction, metrics.set_gauges).refresh()
    assert registry.get_sample_value("merchant_sync_links", {"state": "draft"}) == 1
    assert registry.get_sample_value("merchant_sync_links", {"state": "paused"}) == 0
    assert registry.get_sample_value("merchant_sync_link_pairs", {"state": "linked"}) == 1
    assert registry.get_sample_value("merchant_sync_link_unmatchable") == 1
    assert registry.get_sample_value("merchant_sync_link_unplanned_seconds") == 0
    assert registry.get_sample_value("merchant_sync_link_unwritten_seconds") == 0


async def test_what_waits_is_shown_with_its_age(world: LinkWorld) -> None:
    await world.draft_link()
    entry = world.shopify.put("s1", build_product("s1", "SKU-1"))
    await world.changes(world.shopify.connection, [world.shopify.build_page([entry], after=0)])
    async with world.database.transaction() as tx:
        counts = await load_counts(tx)
    assert counts.oldest_unplanned_seconds > 0
    assert counts.longest_reading_seconds == 0


async def test_a_database_that_does_not_answer_removes_all_values() -> None:
    registry = CollectorRegistry()
    metrics = LinkerMetrics(registry)
    metrics.set_gauges(None)
    assert registry.get_sample_value("merchant_sync_links", {"state": "draft"}) is None
