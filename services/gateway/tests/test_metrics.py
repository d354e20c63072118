"""The metrics of the gateway: their labels, the sum over all processes, and that they are internal."""

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.metrics import OUTCOMES, create_metrics, get_outcome_label


async def scrape_samples(world: Any, name: str) -> dict[tuple[str, ...], float]:
    """Scrapes the series of a counter that are not zero, by their label values in the order of the label names."""
    metrics = (await world.service.get("/metrics")).text
    samples = [s for family in text_string_to_metric_families(metrics) for s in family.samples if s.name == name]
    return {tuple(s.labels.values()): s.value for s in samples if s.value}


@pytest.mark.integration
async def test_deliveries_are_counted_by_topic_and_outcome(world: Any) -> None:
    await world.connect()
    assert (await world.deliver("products/update", b'{"id": 7}')).status_code == 200
    assert (await world.deliver("products/update", b'{"id": 8}')).status_code == 200
    assert (await world.deliver("products/update", b'{"id": 8}', X_Shopify_Hmac_Sha256="forged")).status_code == 401
    assert (await world.deliver("invented/by-a-stranger", b"{}")).status_code == 200
    assert await scrape_samples(world, "merchant_sync_webhooks_total") == {
        ("requested", "shopify", "products/update"): 2,
        ("refused", "shopify", "products/update"): 1,
        ("dropped", "shopify", "other"): 1,
    }


@pytest.mark.integration
async def test_token_refreshes_are_counted_by_outcome(world: Any) -> None:
    await world.connect()
    await world.expire_token()
    assert (await world.request_token()).status_code == 200
    assert await scrape_samples(world, "merchant_sync_token_refreshes_total") == {("refreshed", "shopify"): 1}


@pytest.mark.integration
async def test_a_browser_gets_no_metrics(world: Any) -> None:
    assert (await world.browser.get("/metrics")).status_code == 404


def test_each_process_shows_the_counts_of_all_processes() -> None:
    first, second = create_metrics({"shopify": ["products/update"]}, 2)
    first.build_delivery_counter("shopify")("products/update", "requested")
    second.build_delivery_counter("shopify")("products/update", "requested")
    labels = {"platform": "shopify", "topic": "products/update", "outcome": "requested"}
    assert first.registry.get_sample_value("merchant_sync_webhooks_total", labels) == 2
    assert second.registry.get_sample_value("merchant_sync_webhooks_total", labels) == 2


@pytest.mark.parametrize(
    ("outcome", "label"),
    [
        ("requested", "requested"),
        ("held: UnavailableError", "held"),
        ("dropped: not connected", "dropped"),
        ("refused 401: the signature is missing, doubled or wrong", "refused"),
        ("uninstalled", "handled"),
        ("the token works", "handled"),
    ],
)
def test_the_outcome_label_is_the_outcomes_first_word(outcome: str, label: str) -> None:
    assert get_outcome_label(outcome) == label
    assert label in OUTCOMES
