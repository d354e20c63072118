"""CloudEvents attributes as Kafka headers: the body is the event alone."""

from datetime import UTC, datetime
from uuid import UUID, uuid5

from contracts.events import Event

NAMESPACE = UUID("6f0f4a1e-6f83-5b0c-9a53-2d7d1f1f6a10")
"""Ids derived from a story (a webhook id, a poll's slot) are uuid5 in this namespace."""

CLOUD_EVENT = {
    "ce_specversion": "The version of CloudEvents: 1.0",
    "ce_type": "What it is: merchant-sync.<event>.v1",
    "ce_source": "The service that says it",
    "ce_id": "Names this saying: a copy has the same",
    "ce_subject": "The connection, as the key",
    "ce_time": "When it was said, RFC 3339",
    "content-type": "application/json",
}
"""The headers of every event, each with what it says."""
TRACEPARENT = "traceparent"
TRACE = {TRACEPARENT: "The span that says it (W3C), where traces are exported; one that is malformed is ignored"}
"""The header that an event may have besides."""
DEAD_LETTER = {
    "dlq-topic": "Where the message lay",
    "dlq-partition": "Its partition there",
    "dlq-offset": "Its offset there",
    "dlq-group": "The consumer group that could not handle it",
    "dlq-error": "Why, at most 1000 characters",
}
"""The headers that a dead letter has besides those that it came with."""


def derive_id(*story: str) -> UUID:
    """The id that this story always gives, e.g. `derived_id("poll", connection, slot)`."""
    return uuid5(NAMESPACE, "\x1f".join(story))


def build_headers(event: Event, *, source: str, event_id: str, subject: str) -> list[tuple[str, bytes]]:
    """Headers for `event`: who says it (`source`), the id by which a second saying is known, the connection."""
    return build_headers_for_type(type(event).__name__, source=source, event_id=event_id, subject=subject)


def build_headers_for_type(event_type: str, *, source: str, event_id: str, subject: str) -> list[tuple[str, bytes]]:
    """The same for an event of which only the name of its type is at hand, as in an outbox."""
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
