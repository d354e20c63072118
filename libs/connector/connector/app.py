"""The composition root that all fetchers share: it wires two consumers, the token client, the publisher and health.

Each fetcher passes in its own `Source`.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, TypeVar

import httpx
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from connector.client import TokenClient
from connector.handlers.dependencies import HandlerDependencies
from connector.handlers.full_sync import FullSyncHandler
from connector.handlers.incremental import IncrementalHandler
from connector.metrics import InstrumentedSource
from connector.settings import FetcherSettings
from connector.source import Source
from contracts.events import FullSyncStepRequested, SyncRequested
from contracts.topics import get_full_sync_topic, get_sync_topic
from messaging.brokers import Brokers
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

INCREMENTAL_SECONDS = 10.0
"""Seconds that one incremental read may take. At the next checkpoint after them, the rest of the read is postponed."""
INCREMENTAL_LIMITS = ConsumerLimits(batch=4_000, buffered=40_000)
"""The limits of the Kafka consumer of incremental syncs.

Batches are large, because requests that are read together take fewer calls to the platform."""
FULL_SYNC_LIMITS = ConsumerLimits(batch=16, concurrency=8, buffered=1_000)
"""The limits of the Kafka consumer of full syncs.

Few steps run concurrently, because each of them holds a response of the platform in memory."""

S = TypeVar("S", bound=FetcherSettings)


def run_fetcher(
    service: str,
    slug: str,
    settings_class: type[S],
    open_source: Callable[[S], AbstractAsyncContextManager[Source]],
    *,
    known_settings: Mapping[str, SettingCheck],
) -> None:
    """Run the fetcher `service` of the platform `slug` until the process receives a signal to stop.

    `open_source` takes the settings and returns a context manager, in which the platform's `Source` is open.
    `known_settings` are all settings of the installation, see `service.settings.load_settings`.
    """
    settings = load_settings(settings_class, known_settings)
    configure_logging(service)

    async def start(exit_stack: AsyncExitStack) -> list[Endpoint]:
        exit_stack.enter_context(export_traces(service, settings.otel_exporter_otlp_endpoint))
        registry = CollectorRegistry()
        source = InstrumentedSource(await exit_stack.enter_async_context(open_source(settings)), slug, registry)
        brokers = settings.build_brokers()
        publisher = await exit_stack.enter_async_context(EventPublisher(brokers, source=service))
        http = await exit_stack.enter_async_context(httpx.AsyncClient(verify=settings.create_internal_tls_context()))
        tokens = TokenClient(http, settings.gateway_internal_url, settings.gateway_key.get_secret_value())
        dependencies = HandlerDependencies(source, tokens, publisher)
        consumers = _build_consumers(brokers, publisher, service, slug, dependencies, settings.step_seconds)
        await exit_stack.enter_async_context(run_consumers(consumers, registry))
        app = FastAPI(openapi_url=None)
        add_health_routes(app, _build_checks(tokens, consumers))
        add_metrics_route(app, registry, refresh=source.refresh_rate_limit_gauge)
        return [Endpoint(app, settings.host, settings.port)]

    serve(start)


def _build_consumers(
    brokers: Brokers,
    publisher: EventPublisher,
    service: str,
    slug: str,
    dependencies: HandlerDependencies,
    step_seconds: float,
) -> list[KeyedConsumer[Any]]:
    sync_topic, full_sync_topic = get_sync_topic(slug), get_full_sync_topic(slug)
    return [
        KeyedConsumer(
            brokers,
            sync_topic,
            group=f"{service}.{sync_topic}",
            parse=SyncRequested.model_validate_json,
            handle=IncrementalHandler(dependencies, seconds=INCREMENTAL_SECONDS),
            dead_letters=DeadLetterPublisher(publisher),
            limits=INCREMENTAL_LIMITS,
        ),
        KeyedConsumer(
            brokers,
            full_sync_topic,
            group=f"{service}.{full_sync_topic}",
            parse=FullSyncStepRequested.model_validate_json,
            handle=FullSyncHandler(dependencies, seconds=step_seconds),
            dead_letters=DeadLetterPublisher(publisher),
            limits=FULL_SYNC_LIMITS,
        ),
    ]


def _build_checks(tokens: TokenClient, consumers: list[KeyedConsumer[Any]]) -> dict[str, Check]:
    async def get_held_messages_error() -> str | None:
        return next((consumer.health_error for consumer in consumers if consumer.health_error), None)

    async def get_last_token_error() -> str | None:
        return tokens.health_error

    return {"kafka": get_held_messages_error, "gateway": get_last_token_error}
