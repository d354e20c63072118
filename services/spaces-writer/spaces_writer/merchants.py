"""`merchants/<uuid>.json`: a reader's way from one of a merchant's connections to the others."""

from typing import Any
from uuid import UUID

from spaces_writer.canonical import canonical

LOGGED_KEY = "merchants/*.json"
"""Its key in the log, which outlives a deletion and so names connections and no merchant."""


def object_key(merchant: UUID) -> str:
    """Where the merchant's document lies in the bucket."""
    return f"merchants/{merchant}.json"


def compose(merchant: UUID, connections: list[tuple[str, str | None, str]]) -> bytes:
    """The document's bytes from the merchant's (connection, object key, state)."""
    listed: list[dict[str, Any]] = [
        {"connection": name, "key": key, "state": state} for name, key, state in sorted(connections)
    ]
    return canonical({"merchant": str(merchant), "connections": listed})
