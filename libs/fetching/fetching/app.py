"""The composition that all fetchers share: two lanes, tokens, a voice, and health. A fetcher adds its platform."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, TypeVar

import httpx
from fastapi import FastAPI
from faststream.kafka import KafkaBroker
from prometheus_client import CollectorRegistry

from contracts.events import SyncRequested, WalkStepRequested
from contracts.topics import sync_requested, sync_requested_walk
from fetching.client import TokensClient
from fetching.handlers import QuickLane, WalkLane
from fetching.metrics import MeasuredPlatform
from fetching.readings import Platform
from fetching.settings import FetcherSettings
from messaging.dead_letters import DeadLetters
from messaging.intake import IntakeLimits, KeyedIntake
from messaging.metrics import IntakeMetrics
from messaging.publisher import Publisher
from messaging.tracing import traces
from serving.logs import configure_logs
from serving.metrics import metrics_route
from serving.process import Check, Served, health_routes, serve
from serving.settings import read_settings

QUICK_SECONDS = 10.0
"""How long one fetch of the quick lane may take before what is left is postponed."""
QUICK_LIMITS = IntakeLimits(batch=4_000, held=40_000)
"""Many requests at once are few calls: what has gathered is fetched together."""
WALK_LIMITS = IntakeLimits(batch=16, keys=8, held=1_000)
"""Steps hold an answer of the platform each, so few walks run side by side in one process."""

S = TypeVar("S", bound=FetcherSettings)


def run_fetcher(
    service: str, slug: str, kind: type[S], open_platform: Callable[[S], AbstractAsyncContextManager[Platform]]
) -> None:
    """Run the fetcher `service` of the platform `slug` until it is asked to end."""

    async def running(stack: AsyncExitStack) -> list[Served]:
        settings = read_settings(kind)
        configure_logs(service)
        stack.enter_context(traces(service, settings.otel_exporter_otlp_endpoint))
        platform = await stack.enter_async_context(open_platform(settings))
        brokers = settings.brokers()
        publisher = await stack.enter_async_context(Publisher(brokers, source=service))
        http = await stack.enter_async_context(httpx.AsyncClient())
        tokens = TokensClient(http, settings.gateway_internal_url, settings.internal_key.get_secret_value())
        broker = KafkaBroker(brokers.addresses, security=brokers.security, logger=None, allow_auto_create_topics=False)
        registry = CollectorRegistry()
        measured = MeasuredPlatform(platform, slug, registry)
        quick = QuickLane(measured, tokens, publisher, seconds=QUICK_SECONDS)
        walk = WalkLane(measured, tokens, publisher, seconds=settings.step_seconds)
        intakes = _intakes(broker, publisher, service, slug, quick, walk)
        registry.register(IntakeMetrics(intakes))
        await broker.start()
        stack.push_async_callback(broker.stop)
        for intake in intakes:
            stack.push_async_callback(intake.stop)
        app = FastAPI(openapi_url=None)
        health_routes(app, _checks(tokens, intakes))
        metrics_route(app, registry, look=measured.look)
        return [Served(app, settings.host, settings.port)]

    serve(running)


def _intakes(
    broker: KafkaBroker, publisher: Publisher, service: str, slug: str, quick: QuickLane, walk: WalkLane
) -> list[KeyedIntake[Any]]:
    topics = sync_requested(slug), sync_requested_walk(slug)
    return [
        KeyedIntake(
            broker,
            topics[0],
            group=f"{service}.{topics[0]}",
            parse=SyncRequested.model_validate_json,
            handle=quick,
            dead_letters=DeadLetters(publisher),
            limits=QUICK_LIMITS,
        ),
        KeyedIntake(
            broker,
            topics[1],
            group=f"{service}.{topics[1]}",
            parse=WalkStepRequested.model_validate_json,
            handle=walk,
            dead_letters=DeadLetters(publisher),
            limits=WALK_LIMITS,
        ),
    ]


def _checks(tokens: TokensClient, intakes: list[KeyedIntake[Any]]) -> dict[str, Check]:
    async def kafka() -> str | None:
        return next((intake.trouble for intake in intakes if intake.trouble), None)

    async def gateway() -> str | None:
        return tokens.trouble

    return {"kafka": kafka, "gateway": gateway}
