"""Spans and log fields of messages that are sent and handled."""

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
    """Return the name and the attributes of the span around sending `messages` messages to `topic`."""
    return f"send {topic}", {
        "messaging.system": "kafka",
        "messaging.operation.type": "send",
        "messaging.destination.name": topic,
        "messaging.batch.message_count": messages,
    }


def trace_batch(
    group: str, connection: str, records: "Sequence[ConsumerRecord[bytes, bytes]]"
) -> AbstractContextManager[tracing.Span]:
    """Start the span around handling a batch of one connection.

    Its parent is the span that sent the first message; it is linked to the spans that sent the others.
    """
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
    """Set the first sync id among `events` as an attribute of `span`, and return it as a log field."""
    sync_id = next((str(found) for event in events if (found := _get_sync_id(event)) is not None), None)
    if sync_id is None:
        return {}
    span.set_attribute("merchant_sync.sync_id", sync_id)
    return {"sync_id": sync_id}


def _get_sync_id(event: object) -> UUID | None:
    match event:
        case SyncRequested() | FullSyncStepRequested():
            return event.sync_id
        case SyncProgressed() | IncrementalReadCompleted():
            return event.sync_ids[0]
        case RangeCompleted() | FullReadCompleted():
            return event.read_id
        case DataStored(results=(result, *_)):
            return result.sync_ids[0]
        case ConnectionChanged():
            return event.wanted_sync
    return None
