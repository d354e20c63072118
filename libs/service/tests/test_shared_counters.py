"""Counters of several processes: each increments its own row, and each shows the sum."""

import os

from prometheus_client import CollectorRegistry

from service.shared_counters import Family, SharedCounters

FAMILIES = [
    Family("deliveries", "Deliveries.", ("topic", "outcome"), [("a", "good"), ("a", "bad"), ("other", "good")]),
    Family("refreshes", "Refreshes.", ("platform",), [("shopify",)]),
]


def read_sample(shared: SharedCounters, name: str, **labels: str) -> float | None:
    registry = CollectorRegistry()
    registry.register(shared)
    return registry.get_sample_value(name, labels)


def test_every_series_is_there_before_its_first_count() -> None:
    shared = SharedCounters(FAMILIES, 2)
    assert read_sample(shared, "deliveries_total", topic="other", outcome="good") == 0
    assert read_sample(shared, "refreshes_total", platform="shopify") == 0


def test_a_process_shows_what_the_others_have_counted() -> None:
    shared = SharedCounters(FAMILIES, 2)
    ours, theirs = shared.create_rows()
    child = os.fork()
    if child == 0:
        for _ in range(1000):
            theirs.increment("deliveries", "a", "good")
        os._exit(0)
    ours.increment("deliveries", "a", "good")
    ours.row[ours.get_index("refreshes", "shopify")] += 1
    assert os.waitpid(child, 0)[1] == 0
    assert read_sample(shared, "deliveries_total", topic="a", outcome="good") == 1001
    assert read_sample(shared, "deliveries_total", topic="a", outcome="bad") == 0
    assert read_sample(shared, "refreshes_total", platform="shopify") == 1
