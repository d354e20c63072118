"""The route `GET /metrics` for Prometheus, on the same internal port as /health and /ready.

Labels have few different values, such as platforms, states and outcomes. No label is a merchant, a merchant's
connection or an account.
"""

from collections.abc import Awaitable, Callable

from fastapi import FastAPI
from fastapi.responses import Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

Refresh = Callable[[], Awaitable[None]]
"""A function that updates metrics from the service's database. It must be fast and raise nothing."""


def add_metrics_route(app: FastAPI, registry: CollectorRegistry, *, refresh: Refresh | None = None) -> None:
    """Add the route `/metrics`, which returns all metrics of `registry`. It calls `refresh` first, if given."""

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        if refresh is not None:
            await refresh()
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
