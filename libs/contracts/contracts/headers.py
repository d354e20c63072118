"""The Kafka headers of events: CloudEvents attributes and the trace. The body of a message holds only the event."""

from datetime import UTC, datetime
from uuid import UUID, uuid5

from contracts.events import Event

NAMESPACE = UUID("6f0f4a1e-6f83-5b0c-9a53-2d7d1f1f6a10")
"""The UUID namespace that `derive_id` uses."""

CLOUD_EVENT = {
    "ce_specversion": "The version of CloudEvents: 1.0",
    "ce_type": "The type of the event: merchant-sync.<event>.v1",
    "ce_source": "The service that publishes it",
    "ce_id": "The id of the event: a duplicate has the same",
    "ce_subject": "The connection, as the key",
    "ce_time": "When it was published, RFC 3339",
    "content-type": "application/json",
}
"""The headers that every event has, with their descriptions."""
TRACEPARENT = "traceparent"
TRACE = {TRACEPARENT: "The span that publishes it (W3C), where traces are exported; a malformed one is ignored"}
"""The header that an event may have, with its description."""
FEED_CURSOR = "feed-cursor"
FEED = {FEED_CURSOR: "On a page of a change feed: the cursor of its end, as the data API has it"}
"""The header of a page of a change feed, with its description. It tells what a page reaches without its body."""
DEAD_LETTER = {
    "dlq-topic": "The topic of the message",
    "dlq-partition": "Its partition in that topic",
    "dlq-offset": "Its offset in that partition",
    "dlq-group": "The consumer group that could not handle it",
    "dlq-error": "The error, at most 1000 characters",
}
"""The headers that are added to those of a message when it is dead-lettered, with their descriptions."""

DISCARDED = "dlq-discarded"
"""The header of the note that an operator has discarded a dead letter. It is published on the letter's own topic; the
value is topic/partition/offset of the letter, and the body is JSON with the same as `discarded` and the `reason`."""


def derive_id(*parts: str) -> UUID:
    """Return a UUID (version 5) computed from `parts`, e.g. `derive_id("poll", connection, slot)`.

    Equal parts always give the same id, so a webhook that is delivered twice gets the same id both times.
    """
    return uuid5(NAMESPACE, "\x1f".join(parts))


def build_headers(event: Event, *, source: str, event_id: str, subject: str) -> list[tuple[str, bytes]]:
    """Return the Kafka headers of `event`, published by the service `source`.

    `event_id` is the id of the event, which a duplicate has too. `subject` is the name of the merchant's connection.
    """
    return build_headers_for_type(type(event).__name__, source=source, event_id=event_id, subject=subject)


def build_headers_for_type(event_type: str, *, source: str, event_id: str, subject: str) -> list[tuple[str, bytes]]:
    """Return the headers of an event. `event_type` is the name of its class, e.g. `SyncRequested`.

    The other parameters are those of `build_headers`. The outbox uses this function, because it stores the class name
    and the body instead of the event.
    """
    attributes = {
        "ce_specversion": "1.0",
        "ce_type": f"merchant-sync.{event_type}.v1",
        "ce_source": source,
        "ce_id": event_id,
        "ce_subject": subject,
        "ce_time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "content-type": "application/json",
    }
    return [(name, value.encode()) for name, value in attributes.items()]
