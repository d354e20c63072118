"""The composition that all fetchers share: two lanes, tokens, a voice, and health. A fetcher adds its platform."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, TypeVar

import httpx
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from connector.client import TokenClient
from connector.handlers import FullSyncHandler, IncrementalHandler
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
from service.settings import load_settings

QUICK_SECONDS = 10.0
"""How long one fetch of the quick lane may take before what is left is postponed."""
QUICK_LIMITS = ConsumerLimits(batch=4_000, buffered=40_000)
"""Many requests at once are few calls: what has gathered is fetched together."""
WALK_LIMITS = ConsumerLimits(batch=16, concurrency=8, buffered=1_000)
"""Steps hold an answer of the platform each, so few walks run side by side in one process."""

S = TypeVar("S", bound=FetcherSettings)


def run_fetcher(
    service: str, slug: str, kind: type[S], open_platform: Callable[[S], AbstractAsyncContextManager[Source]]
) -> None:
    """Run the fetcher `service` of the platform `slug` until it is asked to end."""

    async def running(stack: AsyncExitStack) -> list[Endpoint]:
        settings = load_settings(kind)
        configure_logging(service)
        stack.enter_context(export_traces(service, settings.otel_exporter_otlp_endpoint))
        platform = await stack.enter_async_context(open_platform(settings))
        brokers = settings.build_brokers()
        publisher = await stack.enter_async_context(EventPublisher(brokers, source=service))
        http = await stack.enter_async_context(httpx.AsyncClient())
        tokens = TokenClient(http, settings.gateway_internal_url, settings.internal_key.get_secret_value())
        registry = CollectorRegistry()
        measured = InstrumentedSource(platform, slug, registry)
        quick = IncrementalHandler(measured, tokens, publisher, seconds=QUICK_SECONDS)
        walk = FullSyncHandler(measured, tokens, publisher, seconds=settings.step_seconds)
        intakes = _intakes(brokers, publisher, service, slug, quick, walk)
        await stack.enter_async_context(run_consumers(intakes, registry))
        app = FastAPI(openapi_url=None)
        add_health_routes(app, _checks(tokens, intakes))
        add_metrics_route(app, registry, refresh=measured.refresh)
        return [Endpoint(app, settings.host, settings.port)]

    serve(running)


def _intakes(
    brokers: Brokers,
    publisher: EventPublisher,
    service: str,
    slug: str,
    quick: IncrementalHandler,
    walk: FullSyncHandler,
) -> list[KeyedConsumer[Any]]:
    topics = get_sync_topic(slug), get_full_sync_topic(slug)
    return [
        KeyedConsumer(
            brokers,
            topics[0],
            group=f"{service}.{topics[0]}",
            parse=SyncRequested.model_validate_json,
            handle=quick,
            dead_letters=DeadLetterPublisher(publisher),
            limits=QUICK_LIMITS,
        ),
        KeyedConsumer(
            brokers,
            topics[1],
            group=f"{service}.{topics[1]}",
            parse=FullSyncStepRequested.model_validate_json,
            handle=walk,
            dead_letters=DeadLetterPublisher(publisher),
            limits=WALK_LIMITS,
        ),
    ]


def _checks(tokens: TokenClient, intakes: list[KeyedConsumer[Any]]) -> dict[str, Check]:
    async def kafka() -> str | None:
        return next((intake.health_error for intake in intakes if intake.health_error), None)

    async def gateway() -> str | None:
        return tokens.health_error

    return {"kafka": kafka, "gateway": gateway}
