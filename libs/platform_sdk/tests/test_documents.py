"""Canonical JSON, and the plain document."""

from contracts.events import Record
from memory_records import MemoryRecordsView
from platform_sdk.documents import build_plain_document, canonicalize, hash_content


def make_record(resource: str, number: int, **volatile_fields: int) -> Record:
    body = {"id": str(number)}
    return Record(
        resource=resource, id=str(number), read_at=1, sort_key=number, body=body, volatile_fields=volatile_fields
    )


async def build(view: MemoryRecordsView, *resources: str) -> bytes:
    return b"".join([piece async for piece in build_plain_document(view, *resources)])


def test_equal_data_gives_equal_bytes_with_non_ascii_unescaped() -> None:
    assert canonicalize({"b": "é", "a": [1, None]}) == '{"a":[1,null],"b":"é"}'.encode()
    assert hash_content(canonicalize({"b": 1, "a": 2})) == hash_content(canonicalize({"a": 2, "b": 1}))


async def test_a_plain_document_shows_all_resources_by_name_and_sort_key() -> None:
    view = MemoryRecordsView(make_record("posts", 3), make_record("pages", 2), make_record("pages", 10))
    assert await build(view) == b'{"data":[{"id":"2"},{"id":"10"},{"id":"3"}]}'


async def test_a_plain_document_shows_only_named_resources_in_their_order() -> None:
    view = MemoryRecordsView(make_record("a", 1), make_record("b", 2), make_record("c", 3))
    assert await build(view, "c", "a") == b'{"data":[{"id":"3"},{"id":"1"}]}'


async def test_a_plain_document_shows_body_and_volatile_fields_as_one_object() -> None:
    view = MemoryRecordsView(make_record("pages", 1, fan_count=7))
    assert await build(view) == b'{"data":[{"fan_count":7,"id":"1"}]}'


async def test_a_plain_document_without_records_is_an_empty_list() -> None:
    assert await build(MemoryRecordsView()) == b'{"data":[]}'
