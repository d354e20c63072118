"""Builds `facebook/<page>/page_data.json`, the document with the Facebook Page of a connection."""

from collections.abc import AsyncIterator

from platform_sdk.documents import RecordsView, build_plain_document


def build_document(records_view: RecordsView) -> AsyncIterator[bytes]:
    """Yield the document in pieces: `{"data": [page]}`."""
    return build_plain_document(records_view, "page")
