"""The document of a Facebook page."""

from contracts.events import Record
from memory_records import MemoryRecordsView
from platforms.facebook.document import build_document


async def test_the_document_shows_the_page_alone() -> None:
    page = Record(resource="page", id="1", read_at=1, body={"id": "1", "name": "Acme"}, volatile_fields={"likes": 3})
    other = Record(resource="other", id="2", read_at=1, body={"id": "2"})
    document = b"".join([piece async for piece in build_document(MemoryRecordsView(other, page))])
    assert document == b'{"data":[{"id":"1","likes":3,"name":"Acme"}]}'
