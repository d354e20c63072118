"""Builds the data API from its parts and runs it."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from data_api.metrics import DataApiMetrics
from data_api.settings import DataApiSettings
from database.pool import Database
from messaging.tracing import export_traces
from platforms.known_settings import list_known_settings
from service.client_addresses import ClientAddresses
from service.limited_protocol import ConnectionLimiter, LimitedProtocol, RequestLimits
from service.logging_setup import configure_logging
from service.metrics import add_metrics_route
from service.process import Check, Endpoint, add_health_routes, serve
from service.settings import load_settings

SERVICE = "data-api"
SCHEMA = "data_api"


async def _start(exit_stack: AsyncExitStack) -> list[Endpoint]:
    settings = load_settings(DataApiSettings, list_known_settings())
    configure_logging(SERVICE)
    exit_stack.enter_context(export_traces(SERVICE, settings.otel_exporter_otlp_endpoint))
    database = Database(settings.database_url.get_secret_value(), schema=SCHEMA)
    exit_stack.push_async_callback(database.close)
    brokers = settings.build_brokers()
    registry = CollectorRegistry()
    checks = {"postgres": database.check_health, "kafka": brokers.check_health}
    limiter = ConnectionLimiter(
        RequestLimits(connections=settings.data_api_max_connections), ClientAddresses(settings.trusted_proxies)
    )
    protocol = partial(LimitedProtocol, limiter=limiter)
    return [
        Endpoint(_create_public_application(), settings.data_api_host, settings.data_api_port, protocol),
        Endpoint(_create_internal_application(checks, registry), settings.host, settings.port),
    ]


def _create_public_application() -> FastAPI:
    app = FastAPI(openapi_url=None)
    # What is known is served on while Postgres or Kafka is away: that is no reason to send requests elsewhere.
    add_health_routes(app, {})
    return app


def _create_internal_application(checks: Mapping[str, Check], registry: CollectorRegistry) -> FastAPI:
    app = FastAPI(openapi_url=None)
    add_health_routes(app, checks)
    add_metrics_route(app, registry, refresh=DataApiMetrics(registry, checks).refresh)
    return app


def main() -> None:
    """Run the service until it is stopped."""
    serve(_start)


if __name__ == "__main__":
    main()
