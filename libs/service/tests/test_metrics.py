"""`/metrics`: the whole registry, after a look at what only the store can tell."""

import httpx
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Gauge

from service.metrics import add_metrics_route


async def test_a_scrape_shows_what_the_look_at_the_store_has_brought() -> None:
    registry = CollectorRegistry()
    waiting = Gauge("waiting", "What waits.", registry=registry)
    app = FastAPI()

    async def look() -> None:
        waiting.inc()

    add_metrics_route(app, registry, refresh=look)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        first, second = await client.get("/metrics"), await client.get("/metrics")
    assert first.headers["content-type"].startswith("text/plain")
    assert "waiting 1.0\n" in first.text
    assert "waiting 2.0\n" in second.text
