"""Builds the document of a merchant, the object `merchants/<uuid>.json`.

It lists all connections of the merchant, so that a reader of the bucket who knows one connection finds the others.
"""

from typing import Any
from uuid import UUID

from platform_sdk.documents import canonicalize

LOGGED_KEY = "merchants/*.json"
"""The text that is logged instead of the object's key.

A log outlives the deletion of a merchant, so it must not name merchants.
"""


def build_object_key(merchant: UUID) -> str:
    """Return the key of the merchant's document in the bucket."""
    return f"merchants/{merchant}.json"


def build_merchant_document(merchant: UUID, connections: list[tuple[str, str | None, str]]) -> bytes:
    """Build the bytes of the merchant's document, which lists the merchant's connections as JSON.

    `connections` are these connections as (name, key of the snapshot in the bucket, state).
    """
    entries: list[dict[str, Any]] = [
        {"connection": name, "key": key, "state": state} for name, key, state in sorted(connections)
    ]
    return canonicalize({"merchant": str(merchant), "connections": entries})
