"""Builds the document of a merchant, the object `merchants/<uuid>.json`.

It lists all connections of the merchant, so that a reader of the bucket who knows one connection finds the others.
"""

from typing import Any
from uuid import UUID

from platform_sdk.documents import canonicalize
from spaces_writer.object_keys import build_snapshot_key

LOGGED_KEY = "merchants/*.json"
"""The text that is logged instead of the object's key.

A log outlives the deletion of a merchant, so it must not name merchants.
"""


def build_merchant_document(merchant: UUID, connections: list[tuple[str, str]]) -> bytes:
    """Build the bytes of the merchant's document, which lists the merchant's connections as JSON.

    `connections` are these connections as (name, state). Each is listed with the key of its snapshot in the bucket.
    """
    entries: list[dict[str, Any]] = [
        {"connection": name, "key": build_snapshot_key(name), "state": state} for name, state in sorted(connections)
    ]
    return canonicalize({"merchant": str(merchant), "connections": entries})
