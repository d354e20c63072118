"""Builds the data API from its parts and runs it."""

import asyncio
import ssl
import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import httpx
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from data_api.access import AccessControl, get_time_ms
from data_api.applications import DataApiParts, create_public_application
from data_api.asgi.access_log import AccessLog
from data_api.client.bucket import open_bucket
from data_api.client.gateway import GatewayInternalApi
from data_api.client.receivers import ReceiverClient
from data_api.handlers import list_subscriptions
from data_api.key_limits import KeyLimits
from data_api.metrics import DataApiMetrics
from data_api.settings import DataApiSettings
from data_api.store.databases import ReadDatabases, create_pool
from data_api.store.endpoints import DeliveryStore, EndpointStore
from data_api.store.own_database import OwnDatabase
from data_api.store.snapshot_files import SnapshotFiles
from data_api.store.snapshots import load_version
from data_api.stream_protocol import StreamProtocol
from data_api.tables.state import KnownState
from data_api.use_cases.change_streams import ChangeStreams
from data_api.use_cases.connection_reads import ConnectionReads
from data_api.use_cases.key_uses import REPORT_SECONDS, KeyUseReporter
from data_api.use_cases.record_counts import RecordCounts
from data_api.use_cases.refreshes import Refreshes
from data_api.use_cases.snapshot_cache import SnapshotCache
from data_api.use_cases.webhooks.delivery import WebhookDeliverer
from data_api.use_cases.webhooks.owners import EndpointOwners
from data_api.use_cases.webhooks.secrets import EndpointSecrets
from data_api.use_cases.webhooks.sender import MessageSender
from data_api.use_cases.webhooks.service import EndpointService
from messaging.errors import UnavailableError
from messaging.topic_reader import TopicReader
from messaging.tracing import export_traces
from platform_sdk.public_addresses import AddressRules, Resolver
from platforms.known_settings import list_known_settings
from service.client_addresses import ClientAddresses
from service.encryption import ContextCipher
from service.limited_protocol import ConnectionLimiter, RequestLimits
from service.logging_setup import configure_logging
from service.metrics import add_metrics_route
from service.periodic_tasks import PeriodicTask
from service.process import Check, Endpoint, add_health_routes, serve
from service.settings import load_settings

SERVICE = "data-api"
CATCH_UP_SECONDS = 120.0
"""How long reading what is known may take at the start, before the start is tried again."""
NEW_NAMES = 20
"""How many names of addresses that are being chosen are looked up at once."""
CLEAN_UP_SECONDS = 300.0
"""How often deliveries that ended long ago are deleted, and secrets under an older key encrypted anew."""


async def _start(exit_stack: AsyncExitStack) -> list[Endpoint]:
    settings = load_settings(DataApiSettings, list_known_settings())
    configure_logging(SERVICE)
    exit_stack.enter_context(export_traces(SERVICE, settings.otel_exporter_otlp_endpoint))
    state = KnownState()
    databases = await _open_databases(exit_stack, settings)
    bucket = await exit_stack.enter_async_context(open_bucket(settings))
    files = SnapshotFiles(_create_cache_folder(exit_stack, settings), settings.snapshot_cache_bytes)
    files.load()
    cache = SnapshotCache(state, files, bucket, partial(load_version, databases))
    reader = await _start_reader(exit_stack, settings, state, cache)
    inside = await exit_stack.enter_async_context(httpx.AsyncClient(verify=settings.create_internal_tls_context()))
    gateway = GatewayInternalApi(
        inside,
        settings.gateway_internal_url,
        key=settings.gateway_key.get_secret_value(),
        public_url=settings.gateway_url,
    )
    uses = KeyUseReporter(gateway.report_use)
    reporting = PeriodicTask("key uses", uses.report, interval=REPORT_SECONDS)
    await exit_stack.enter_async_context(reporting.run())
    streams = ChangeStreams(databases, state)
    registry = CollectorRegistry()

    async def check_topics() -> str | None:
        return reader.health_error

    async def check_webhooks() -> str | None:
        return deliverer.health_error

    checks = {
        "postgres": databases.check_health,
        "kafka": settings.build_brokers().check_health,
        "bucket": bucket.check_health,
        "topics": check_topics,
        "webhooks": check_webhooks,
    }
    access_log = AccessLog(SERVICE)
    exit_stack.callback(access_log.flush)
    metrics = DataApiMetrics(registry, checks)
    limits = KeyLimits(settings.data_api_requests_per_minute)
    access = AccessControl(state.connections, state.keys, settings.data_api_keys)
    reads = ConnectionReads(state, access, databases)
    service, deliverer = await _start_webhooks(exit_stack, settings, reads, limits, metrics)
    parts = DataApiParts(
        state=state,
        access=access,
        limits=limits,
        cache=cache,
        refreshes=Refreshes(gateway.request_refresh, limits, state.syncs),
        reads=reads,
        record_counts=RecordCounts(databases),
        streams=streams,
        endpoints=service,
        # What is known is served on while Postgres or Kafka is away: that is no reason to send requests elsewhere.
        checks={"topics": check_topics},
        note_use=uses.note,
        access_log=access_log,
        count_request=metrics.count_request,
        now=get_time_ms,
        gateway_url=settings.gateway_url.rstrip("/"),
        cors_origins=settings.cors_allowed_origins,
        stream_seconds=settings.stream_seconds,
        has_demo=settings.data_api_demo,
    )
    limiter = ConnectionLimiter(
        RequestLimits(connections=settings.data_api_max_connections), ClientAddresses(settings.trusted_proxies)
    )
    protocol = partial(StreamProtocol, limiter=limiter)
    return [
        Endpoint(
            create_public_application(parts),
            settings.data_api_host,
            settings.data_api_port,
            protocol,
            end_streams=streams.close,
        ),
        Endpoint(_create_internal_application(checks, registry, metrics), settings.host, settings.port),
    ]


async def _open_databases(exit_stack: AsyncExitStack, settings: DataApiSettings) -> ReadDatabases:
    primary = await create_pool(settings.database_url.get_secret_value(), SERVICE)
    replica = settings.data_api_replica_url
    databases = ReadDatabases(
        primary, await create_pool(replica.get_secret_value(), SERVICE) if replica is not None else None
    )
    exit_stack.push_async_callback(databases.close)
    return databases


async def _start_webhooks(
    exit_stack: AsyncExitStack,
    settings: DataApiSettings,
    reads: ConnectionReads,
    limits: KeyLimits,
    metrics: DataApiMetrics,
) -> tuple[EndpointService, WebhookDeliverer]:
    """Start to deliver webhooks. Return what changes endpoints, and what delivers to them."""
    database = OwnDatabase(settings.database_url.get_secret_value())
    exit_stack.push_async_callback(database.close)
    resolver, resolver_of_new = Resolver(), Resolver(NEW_NAMES)
    exit_stack.callback(resolver.close)
    exit_stack.callback(resolver_of_new.close)
    rules = AddressRules(settings.endpoint_private_networks)
    receivers = ReceiverClient(rules, resolver.resolve, resolver_of_new.resolve, ssl.create_default_context())
    exit_stack.push_async_callback(receivers.close)
    secrets = EndpointSecrets(ContextCipher(settings.endpoint_encryption_keys))
    sender = MessageSender(receivers, secrets, _get_time)
    endpoints = EndpointStore(database)
    deliverer = WebhookDeliverer(
        endpoints,
        DeliveryStore(database),
        EndpointOwners(endpoints, reads.access, _get_time),
        reads.databases,
        reads.state,
        sender,
        now=_get_time,
        count=metrics.count_webhook,
    )
    await exit_stack.enter_async_context(deliverer.run())

    async def clean_up() -> bool:
        return await endpoints.prune(_get_time()) | await secrets.renew(endpoints)

    await exit_stack.enter_async_context(PeriodicTask("endpoints", clean_up, interval=CLEAN_UP_SECONDS).run())
    return EndpointService(reads, endpoints, receivers, sender, secrets, limits, _get_time), deliverer


def _get_time() -> datetime:
    return datetime.now(UTC)


def _create_cache_folder(exit_stack: AsyncExitStack, settings: DataApiSettings) -> Path:
    """Return the folder for snapshots: the one of the settings, or one that goes with the process."""
    if settings.snapshot_cache_dir:
        return Path(settings.snapshot_cache_dir)
    return Path(exit_stack.enter_context(tempfile.TemporaryDirectory(prefix="snapshots-")))


async def _start_reader(
    exit_stack: AsyncExitStack, settings: DataApiSettings, state: KnownState, cache: SnapshotCache
) -> TopicReader:
    """Start to read what is known, and wait until all of it is: no request must be answered without it."""
    subscriptions = list_subscriptions(state, cache.apply_connection)
    reader = TopicReader(settings.build_brokers(), *subscriptions, client_id=SERVICE)
    exit_stack.push_async_callback(reader.stop)
    await reader.start()
    try:
        await asyncio.wait_for(reader.wait_until_caught_up(), CATCH_UP_SECONDS)
    except TimeoutError as error:
        raise UnavailableError(f"Kafka: {reader.health_error}") from error
    cache.drop_unknown()
    return reader


def _create_internal_application(
    checks: Mapping[str, Check], registry: CollectorRegistry, metrics: DataApiMetrics
) -> FastAPI:
    app = FastAPI(openapi_url=None)
    add_health_routes(app, checks)
    add_metrics_route(app, registry, refresh=metrics.refresh)
    return app


def main() -> None:
    """Run the service until it is stopped."""
    serve(_start)


if __name__ == "__main__":
    main()
