"""How messages that are sent and handled are named, in their spans and in the lines of the log."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from uuid import UUID

from aiokafka import ConsumerRecord

from contracts.events import (
    ConnectionChanged,
    DataStored,
    FullReadCompleted,
    FullSyncStepRequested,
    IncrementalReadCompleted,
    RangeCompleted,
    SyncProgressed,
    SyncRequested,
    parse_platform,
)
from messaging import tracing


def describe_send(topic: str, messages: int) -> tuple[str, dict[str, str | int]]:
    """The name and the attributes of the span of a publication."""
    return f"send {topic}", {
        "messaging.system": "kafka",
        "messaging.operation.type": "send",
        "messaging.destination.name": topic,
        "messaging.batch.message_count": messages,
    }


def trace_batch(
    group: str, connection: str, records: "Sequence[ConsumerRecord[bytes, bytes]]"
) -> AbstractContextManager[tracing.Span]:
    """The span of a batch: it belongs to what caused its first message, and is linked to what caused the others."""
    topic = records[0].topic
    return tracing.start_span(
        f"process {topic}",
        "consumer",
        {
            "messaging.system": "kafka",
            "messaging.operation.type": "process",
            "messaging.destination.name": topic,
            "messaging.consumer.group.name": group,
            "messaging.batch.message_count": len(records),
            "merchant_sync.connection": connection,
            "merchant_sync.platform": parse_platform(connection),
        },
        caused_by=tracing.extract_traceparents(record.headers for record in records),
    )


def bind_sync_id(events: Iterable[object], span: tracing.Span) -> dict[str, str]:
    """The first sync that one of the events names, as a field of log lines; noted in the batch's span, too."""
    sync_id = next((str(named) for event in events if (named := _sync_of(event)) is not None), None)
    if sync_id is None:
        return {}
    span.set_attribute("merchant_sync.sync_id", sync_id)
    return {"sync_id": sync_id}


def _sync_of(event: object) -> UUID | None:
    match event:
        case SyncRequested() | FullSyncStepRequested():
            return event.sync_id
        case SyncProgressed() | IncrementalReadCompleted():
            return event.sync_ids[0]
        case RangeCompleted() | FullReadCompleted():
            return event.read_id
        case DataStored(results=(verdict, *_)):
            return verdict.sync_ids[0]
        case ConnectionChanged():
            return event.wanted_sync
    return None
