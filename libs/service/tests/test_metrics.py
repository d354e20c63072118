"""`/metrics` shows the whole registry after refreshing it."""

import httpx
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Gauge

from service.metrics import add_metrics_route


async def test_a_scrape_refreshes_the_registry_first() -> None:
    registry = CollectorRegistry()
    waiting = Gauge("waiting", "Waiting.", registry=registry)
    app = FastAPI()

    async def refresh() -> None:
        waiting.inc()

    add_metrics_route(app, registry, refresh=refresh)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        first, second = await client.get("/metrics"), await client.get("/metrics")
    assert first.headers["content-type"].startswith("text/plain")
    assert "waiting 1.0\n" in first.text
    assert "waiting 2.0\n" in second.text
