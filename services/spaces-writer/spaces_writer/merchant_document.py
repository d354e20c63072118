"""`merchants/<uuid>.json`: from one of a merchant's connections, a reader finds the others in it."""

from typing import Any
from uuid import UUID

from platform_sdk.documents import canonicalize

LOGGED_KEY = "merchants/*.json"
"""Stands for the object's key in the log. A log outlives the deletion of a merchant, so it must not name merchants."""


def build_object_key(merchant: UUID) -> str:
    """Return the key of the merchant's document in the bucket."""
    return f"merchants/{merchant}.json"


def build_merchant_document(merchant: UUID, connections: list[tuple[str, str | None, str]]) -> bytes:
    """Build the document's bytes from the merchant's connections: (name, object key, state)."""
    entries: list[dict[str, Any]] = [
        {"connection": name, "key": key, "state": state} for name, key, state in sorted(connections)
    ]
    return canonicalize({"merchant": str(merchant), "connections": entries})
