from collections.abc import AsyncIterator, Mapping, Sequence

import orjson

from platform_sdk.documents import StoredRecord, canonicalize
from platforms.odoo.document import build_document
from platforms.odoo.resources import CATALOG


class Records:
    """The records of a connection by resource."""

    def __init__(self, records: Mapping[str, Sequence[dict[str, object]]]) -> None:
        self.records = records

    async def read_all(self, resource: str) -> AsyncIterator[Sequence[StoredRecord]]:
        for body in self.records.get(resource, ()):
            yield [StoredRecord(str(body["id"]), canonicalize(body), 0)]


async def build(records: Mapping[str, Sequence[dict[str, object]]]) -> bytes:
    return b"".join([piece async for piece in build_document(Records(records))])  # type: ignore[arg-type]


async def test_the_document_has_a_list_for_each_resource() -> None:
    document = orjson.loads(await build({"products": [{"id": 1}, {"id": 2}], "company": [{"id": 1, "name": "Acme"}]}))
    assert document == {
        "data": {
            "company": [{"id": 1, "name": "Acme"}],
            "products": [{"id": 1}, {"id": 2}],
            "stock": [],
            "taxes": [],
            "warehouses": [],
        }
    }


async def test_the_document_is_canonical_json() -> None:
    text = await build({"products": [{"id": 1, "b": None, "a": "é"}]})
    assert text == canonicalize(orjson.loads(text))


async def test_an_empty_database_has_a_document() -> None:
    assert set(orjson.loads(await build({}))["data"]) == {resource.name for resource in CATALOG}
