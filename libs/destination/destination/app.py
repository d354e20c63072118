"""The composition root that all writers share: it wires the consumer, the token client, the publisher and health.

Each writer passes in its own `Destination`.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import TypeVar

import httpx
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from connector.client import TokenClient
from contracts.events import WriteRequested
from contracts.topics import get_stock_write_topic, get_write_topic
from destination.destination import Destination
from destination.handler import Write, WriteHandler
from destination.metrics import WriteMetrics
from destination.settings import DestinationSettings
from messaging.consumers import run_consumers
from messaging.dead_letters import DeadLetterPublisher
from messaging.keyed_consumer import ConsumerLimits, KeyedConsumer
from messaging.publisher import EventPublisher
from messaging.tracing import export_traces
from service.logging_setup import configure_logging
from service.metrics import add_metrics_route
from service.process import Check, Endpoint, add_health_routes, serve
from service.production import Check as SettingCheck
from service.settings import load_settings

LIMITS = ConsumerLimits(batch=50, concurrency=8, buffered=10_000)
"""The limits of the Kafka consumer. Batches are small enough to be written in seconds."""
S = TypeVar("S", bound=DestinationSettings)


def run_writer(
    service: str,
    slug: str,
    settings_class: type[S],
    open_destination: Callable[[S], AbstractAsyncContextManager[Destination]],
    *,
    known_settings: Mapping[str, SettingCheck],
) -> None:
    """Run the writer `service` of the platform `slug` until the process receives a signal to stop.

    `open_destination` takes the settings and returns a context manager, in which the platform's `Destination` is open.
    `known_settings` are all settings of the installation, see `service.settings.load_settings`.
    """
    settings = load_settings(settings_class, known_settings)
    configure_logging(service)

    async def start(exit_stack: AsyncExitStack) -> list[Endpoint]:
        exit_stack.enter_context(export_traces(service, settings.otel_exporter_otlp_endpoint))
        registry = CollectorRegistry()
        metrics = WriteMetrics(registry, slug)
        destination = await exit_stack.enter_async_context(open_destination(settings))
        brokers = settings.build_brokers()
        publisher = await exit_stack.enter_async_context(EventPublisher(brokers, source=service))
        http = await exit_stack.enter_async_context(httpx.AsyncClient(verify=settings.create_internal_tls_context()))
        tokens = TokenClient(http, settings.gateway_internal_url, settings.gateway_key.get_secret_value())

        def build_consumer(topic: str, write: Write) -> KeyedConsumer[WriteRequested]:
            return KeyedConsumer(
                brokers,
                topic,
                group=f"{service}.{topic}",
                parse=WriteRequested.model_validate_json,
                handle=WriteHandler(write, tokens, publisher, record_result=metrics.count_result),
                dead_letters=DeadLetterPublisher(publisher),
                limits=LIMITS,
            )

        # Stock does not wait behind other writes: it has a topic of its own, and its own place in the process.
        consumers = [
            build_consumer(get_write_topic(slug), destination.write),
            build_consumer(get_stock_write_topic(slug), destination.write_stock),
        ]
        await exit_stack.enter_async_context(run_consumers(consumers, registry))
        app = FastAPI(openapi_url=None)
        add_health_routes(app, _build_checks(tokens, consumers))
        add_metrics_route(app, registry)
        return [Endpoint(app, settings.host, settings.port)]

    serve(start)


def _build_checks(tokens: TokenClient, consumers: Sequence[KeyedConsumer[WriteRequested]]) -> dict[str, Check]:
    async def get_held_messages_error() -> str | None:
        return next((one.health_error for one in consumers if one.health_error), None)

    async def get_last_token_error() -> str | None:
        return tokens.health_error

    return {"kafka": get_held_messages_error, "gateway": get_last_token_error}
