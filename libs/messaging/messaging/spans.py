"""What a span is, whether traces are exported or not."""

from collections.abc import Mapping
from typing import Literal, Protocol

Kind = Literal["internal", "server", "client", "producer", "consumer"]
"""OpenTelemetry's kinds of spans."""
Attributes = Mapping[str, str | int]
"""Attributes of a span: platform, connection, sync, topic, counts. Never a token, a body or personal data."""


class Span(Protocol):
    """A piece of work that is being traced."""

    def set_attribute(self, name: str, value: str | int) -> None:
        """Set an attribute."""

    def record_error(self, error: Exception) -> None:
        """Mark the span as failed. Only the type of the error is recorded, because its text may hold anything."""


class NoSpan:
    """The span that is used when no traces are exported. It records nothing."""

    def set_attribute(self, name: str, value: str | int) -> None:
        """Do nothing."""

    def record_error(self, error: Exception) -> None:
        """Do nothing."""
