"""Creates the trace spans and the log fields for sending and handling Kafka messages."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from uuid import UUID

from aiokafka import ConsumerRecord

from contracts.events import (
    ConnectionChanged,
    DataStored,
    DirectReadCompleted,
    FullReadCompleted,
    FullSyncStepRequested,
    IdsListed,
    IncrementalReadCompleted,
    RangeCompleted,
    SyncProgressed,
    SyncRequested,
    parse_platform,
)
from messaging import tracing


def describe_send(topic: str, message_count: int) -> tuple[str, dict[str, str | int]]:
    """Return the name and the attributes of the trace span for sending `message_count` messages to `topic`."""
    return f"send {topic}", {
        "messaging.system": "kafka",
        "messaging.operation.type": "send",
        "messaging.destination.name": topic,
        "messaging.batch.message_count": message_count,
    }


def trace_batch(
    group: str, connection: str, records: "Sequence[ConsumerRecord[bytes, bytes]]"
) -> AbstractContextManager[tracing.Span]:
    """Return a context manager that puts a span around handling a batch of messages of one merchant's connection.

    `records` are the messages, and `group` is the consumer group that handles them. The parent of the span is the span
    that sent the first message. The spans that sent the other messages are linked to it.
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


def record_sync_id(events: Iterable[object], span: tracing.Span) -> dict[str, str]:
    """Set the first sync id among `events` as an attribute of `span`.

    Returns the log field `sync_id`, or an empty dict if no event has a sync id.
    """
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
        case IdsListed() | RangeCompleted() | FullReadCompleted() | DirectReadCompleted():
            return event.read_id
        case DataStored(results=(result, *_)):
            return result.sync_ids[0]
        case ConnectionChanged():
            return event.wanted_sync
    return None
