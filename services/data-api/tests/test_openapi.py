"""The OpenAPI document says of each operation what the dispatcher does, and the reference shows all of it."""

import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator

from bucket_fixture import open_counted_bucket
from data_api.describe_api import describe
from merchant_sync.stack import Stack
from plain_server import PlainServer, serve_plain

COMMITTED = Path(__file__).parents[3] / "docs" / "api" / "data-api.json"
pytestmark = pytest.mark.integration


@pytest.fixture
async def server(stored_objects: Stack, tmp_path: Path) -> AsyncIterator[PlainServer]:
    async with open_counted_bucket(stored_objects) as bucket, serve_plain(bucket, tmp_path) as (server, _):
        yield server


@pytest.fixture
async def document(server: PlainServer) -> dict[str, Any]:
    response = await server.get("/openapi.json", key=None)
    assert response.status_code == 200
    return dict(response.json())


def list_operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield method, path, operation


async def test_every_operation_is_named_described_and_grouped(document: dict[str, Any]) -> None:
    operations = list(list_operations(document))
    tags = {tag["name"] for tag in document["tags"]}
    assert all(tag["description"] for tag in document["tags"])
    assert max(Counter(operation["operationId"] for _, _, operation in operations).values()) == 1
    for method, path, operation in operations:
        assert re.fullmatch(r"[a-z][A-Za-z]+", operation["operationId"]), path
        assert operation["summary"] and set(operation["tags"]) <= tags, (method, path)
        assert any(status.startswith("4") for status in operation["responses"]), (method, path)
        assert any(status.startswith("2") for status in operation["responses"]), (method, path)
        assert all(response["description"] for response in operation["responses"].values())
        named = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
        assert named == set(re.findall(r"\{(\w+)\}", path)), (method, path)
        assert all(one["description"] for one in operation["parameters"]), (method, path)
    assert {tag for _, _, operation in operations for tag in operation["tags"]} == tags


async def test_the_document_in_docs_is_current(document: dict[str, Any]) -> None:
    assert describe() == COMMITTED.read_text()
    assert orjson.loads(describe()) == document


async def test_operations_without_a_key_say_so_and_the_others_refuse_requests_without_one(
    server: PlainServer, document: dict[str, Any]
) -> None:
    for method, path, operation in list_operations(document):
        address = re.sub(r"\{\w+\}", "x", path)
        response = await server.request(method.upper(), address, key=None)
        assert (response.status_code == 401) is (operation.get("security") != []), (method, path)
        assert str(response.status_code) in operation["responses"], (method, path, response.status_code)
        form = operation["responses"][str(response.status_code)].get("content", {})
        assert not form or response.headers["content-type"].partition(";")[0] in form, (method, path)


async def test_no_parameter_can_have_the_character_nul(document: dict[str, Any]) -> None:
    for method, path, operation in list_operations(document):
        for parameter in operation["parameters"]:
            schema = parameter["schema"]
            # A format cannot have it, and no HTTP client sends it in a header.
            if parameter["in"] != "header" and '"format"' not in orjson.dumps(schema).decode():
                assert not Draft202012Validator(schema).is_valid("a:\0"), (method, path, parameter["name"])


async def test_nothing_is_said_of_the_form_of_events(document: dict[str, Any]) -> None:
    # OpenAPI 3.1 cannot describe them, and readers of it do not agree whether a schema is of the stream or of an event.
    streams = [
        content["text/event-stream"]["schema"]
        for _, _, operation in list_operations(document)
        for response in operation["responses"].values()
        if "text/event-stream" in (content := response.get("content", {}))
    ]
    assert streams == [{}, {}]


async def test_a_part_of_a_document_is_not_said_to_be_a_document(document: dict[str, Any]) -> None:
    answers = document["paths"]["/v1/connections/{connection}/snapshot"]["get"]["responses"]
    assert list(answers["206"]["content"]) == list(answers["200"]["content"]) == ["application/json"]
    assert answers["206"]["content"]["application/json"] == {}


async def test_each_form_of_fetched_data_is_described(server: PlainServer, document: dict[str, Any]) -> None:
    await server.upload(b'{"data":{}}')
    forms = [await server.get("/fetch-data"), await server.get("/fetch-data", stream="true")]
    described = document["paths"]["/fetch-data"]["get"]["responses"]["200"]["content"]
    assert [response.headers["content-type"] for response in forms] == list(described)


async def test_the_reference_shows_every_operation_and_every_schema(
    server: PlainServer, document: dict[str, Any]
) -> None:
    page = (await server.get("/docs", key=None)).text
    ids = Counter(re.findall(r' id="([^"]+)"', page))
    assert max(ids.values()) == 1
    assert {operation["operationId"] for _, _, operation in list_operations(document)} <= set(ids)
    assert set(document["components"]["schemas"]) <= set(ids)
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page) and "<script" not in page
