"""Builds the snapshot of a table: `{"data": [row, ...]}` in the order of the key."""

from collections.abc import AsyncIterator

from platform_sdk.documents import RecordsView, build_plain_document
from platforms.phpmyadmin.resources import ROWS


def build_document(records_view: RecordsView) -> AsyncIterator[bytes]:
    """Yield the document in pieces."""
    return build_plain_document(records_view, ROWS.name)
