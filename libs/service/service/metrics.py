"""`GET /metrics` for Prometheus, on the same internal listener as /health and /ready.

Labels have few values: platforms, states, outcomes; never a merchant, a connection or an account.
"""

from collections.abc import Awaitable, Callable

from fastapi import FastAPI
from fastapi.responses import Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

Refresh = Callable[[], Awaitable[None]]
"""Updates metrics that are read from the service's database. It must not raise or take long."""


def add_metrics_route(app: FastAPI, registry: CollectorRegistry, *, refresh: Refresh | None = None) -> None:
    """Add `/metrics`, which shows all of `registry` after calling `refresh`."""

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        if refresh is not None:
            await refresh()
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
