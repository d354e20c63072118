"""Puts the operations together: what each handler needs, and the application that serves them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from data_api.access import AccessControl, ApiCaller
from data_api.asgi.access_log import AccessLog
from data_api.asgi.cors import Cors
from data_api.asgi.dispatcher import CountRequest, OperationDispatcher
from data_api.asgi.openapi import build_openapi_document, format_document
from data_api.asgi.operations import Operation
from data_api.declared_resources import list_lookup_fields
from data_api.key_limits import KeyLimits
from data_api.routes import plain_operations, system
from data_api.routes.fetched_data import DataReader
from data_api.routes.plain import PlainRoutes
from data_api.routes.plain_operations import list_plain_operations
from data_api.routes.system import SystemRoutes, list_system_operations
from data_api.routes.update_streams import UpdateStreams
from data_api.routes.v1 import endpoints
from data_api.routes.v1.change_stream import build_stream_operation
from data_api.routes.v1.changes import build_change_operations
from data_api.routes.v1.connections import build_connection_operations
from data_api.routes.v1.endpoints import build_endpoint_operations
from data_api.routes.v1.records import build_record_operations
from data_api.routes.v1.snapshots import build_snapshot_operation
from data_api.routes.v1.syncs import build_sync_operations
from data_api.tables.state import KnownState
from data_api.use_cases.change_streams import ChangeStreams
from data_api.use_cases.connection_reads import ConnectionReads
from data_api.use_cases.record_counts import RecordCounts
from data_api.use_cases.refreshes import Refreshes
from data_api.use_cases.snapshot_cache import SnapshotCache
from data_api.use_cases.webhooks.service import EndpointService
from service.check_cache import cache_checks
from service.process import Check, hide_check_reasons

TAGS: Mapping[str, str] = {
    plain_operations.TAG: "The data of one connection, in one call.",
    "connections": "The connections that a key is for, and what is known of them.",
    "snapshots": "The document with all current records of a connection, byte for byte as it is in the bucket.",
    "records": "The records of a connection, one by one or in lists.",
    "changes": "What has changed, page by page or as a stream.",
    endpoints.TAG: "Webhooks: where messages about changes are sent to, and what has become of them.",
    "syncs": "Requests for newer data, and what has become of them.",
    system.TAG: "Health, and the description of this API. No key is needed.",
}
"""The groups of operations, in the order in which the reference shows them."""


@dataclass(frozen=True)
class DataApiParts:
    """What the operations need. The process passes the real parts, tests pass some fakes."""

    state: KnownState
    access: AccessControl
    limits: KeyLimits
    cache: SnapshotCache
    refreshes: Refreshes
    reads: ConnectionReads
    record_counts: RecordCounts
    streams: ChangeStreams
    endpoints: EndpointService
    checks: Mapping[str, Check]
    note_use: Callable[[ApiCaller], None]
    access_log: AccessLog
    count_request: CountRequest
    now: Callable[[], int]
    """Returns the time in milliseconds since 1970."""
    gateway_url: str = ""
    """Where accounts are connected; empty where it is not known."""
    cors_origins: tuple[str, ...] = ()
    stream_seconds: float = 300.0
    has_demo: bool = True


def create_public_application(parts: DataApiParts) -> OperationDispatcher:
    """Return the application of the public port."""
    return OperationDispatcher(
        list_operations(parts),
        parts.access,
        parts.limits,
        Cors(parts.cors_origins),
        access_log=parts.access_log,
        count_request=parts.count_request,
        on_use=parts.note_use,
    )


def describe_operations(parts: DataApiParts) -> str:
    """Return the OpenAPI document of all operations as JSON, as it is served."""
    return format_document(build_openapi_document(list_operations(parts), TAGS))


def list_operations(parts: DataApiParts) -> list[Operation]:
    """Return the declarations of all operations."""
    reader = DataReader(parts.state, parts.cache, parts.now)
    streams = UpdateStreams(parts.state, parts.access, reader, parts.limits, parts.stream_seconds)
    plain = PlainRoutes(parts.state, parts.access, parts.cache, reader, parts.refreshes, streams, parts.now)
    operations = list_plain_operations(plain)
    operations += build_connection_operations(parts.reads, parts.record_counts, parts.now, parts.gateway_url)
    operations.append(build_snapshot_operation(parts.reads, parts.cache))
    operations += build_sync_operations(parts.reads, parts.refreshes)
    operations += build_record_operations(parts.reads, list_lookup_fields)
    operations += build_change_operations(parts.reads)
    operations.append(build_stream_operation(parts.reads, parts.streams, parts.limits))
    operations += build_endpoint_operations(parts.endpoints, parts.access)
    checks = cache_checks(hide_check_reasons(parts.checks))
    operations += list_system_operations(SystemRoutes(checks, lambda: operations, TAGS), has_demo=parts.has_demo)
    return operations
