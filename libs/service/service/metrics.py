"""`GET /metrics`: what Prometheus reads of a service, beside /health and /ready on its own listener.

Labels are bounded: platforms, states, outcomes, never a merchant, a connection or an account.
"""

from collections.abc import Awaitable, Callable

from fastapi import FastAPI
from fastapi.responses import Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

Refresh = Callable[[], Awaitable[None]]
"""Brings up to date what only a look at the service's store can tell; must not raise or take long."""


def add_metrics_route(app: FastAPI, registry: CollectorRegistry, *, refresh: Refresh | None = None) -> None:
    """Add `/metrics`: all of `registry`, after a `look` where there is one."""

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        if refresh is not None:
            await refresh()
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
