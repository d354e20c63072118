"""The interface of trace spans, and a span that does nothing for processes that export no traces."""

from collections.abc import Mapping
from typing import Literal, Protocol

Kind = Literal["internal", "server", "client", "producer", "consumer"]
"""The kind of a span, as OpenTelemetry defines it."""
Attributes = Mapping[str, str | int]
"""The attributes of a span, such as platform, connection, sync id, topic and counts. They must never hold a token, a
message body or personal data."""


class Span(Protocol):
    """A trace span: the record of one piece of work, while the work runs."""

    def set_attribute(self, name: str, value: str | int) -> None:
        """Set an attribute of the span."""

    def record_error(self, error: Exception) -> None:
        """Mark the span as failed. Only the type of the error is recorded, because its text may hold personal data."""


class NoSpan:
    """A span that records nothing. It is used when no traces are exported."""

    def set_attribute(self, name: str, value: str | int) -> None:
        """Do nothing."""

    def record_error(self, error: Exception) -> None:
        """Do nothing."""
