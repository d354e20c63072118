"""What is described is what is there: committed and served alike, every public route, every topic, on a safe page."""

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.openapi.models import OpenAPI
from fastapi.routing import iter_route_contexts
from faststream.specification.asyncapi.v3_0_0.schema import ApplicationSchema

from contracts.topics import list_topics
from gateway.applications import create_applications
from platforms.registry import PLATFORMS
from truth import COMMITTED, OPENAPI, hold_true

DOCUMENTS = ("openapi.json", "asyncapi.json")
METHODS = {"get", "post"}


def committed(name: str) -> Any:
    return json.loads((COMMITTED / name).read_text())


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in OPENAPI["paths"].items():
        yield from ((method, path, operation) for method, operation in methods.items())


def references(node: Any) -> Iterator[str]:
    """Every `$ref` within."""
    if isinstance(node, dict):
        yield from ([node["$ref"]] if isinstance(node.get("$ref"), str) else [])
    for one in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from references(one)


def test_the_command_writes_what_is_committed(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "gateway.pages.api_docs", str(tmp_path)], check=True, timeout=60)
    for name in DOCUMENTS:
        old = (COMMITTED / name).read_text()
        assert (tmp_path / name).read_text() == old, "a contract changed: look at it, then run `make contracts`"


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_what_is_served_is_what_is_committed(storeless: Any, name: str) -> None:
    answer = await storeless.browser.get(f"/docs/{name}")
    assert answer.headers["content-type"] == "application/json"
    assert answer.text == (COMMITTED / name).read_text()


def test_every_public_route_is_described_and_nothing_else_is(storeless: Any) -> None:
    public, handlers, _ = create_applications(storeless.parts, {})
    routes = iter_route_contexts(public._app._app.routes)
    there = {(method.lower(), route.path_format) for route in routes for method in route.methods}
    there |= {("post", handler.path) for handler in handlers}
    assert there == {(method, path) for method, path, _ in operations()}
    assert not [path for _, path in there if path.startswith("/internal")]


async def test_what_is_not_configured_is_not_described(storeless: Any, no_facebook: Any) -> None:
    storeless.restart(storeless.settings, facebook=no_facebook)
    served = (await storeless.new_browser().get("/docs/openapi.json")).json()
    assert [path for path in served["paths"] if "facebook" in path] == ["/facebook/login"]
    assert "/shopify/webhook" in served["paths"]


def test_both_documents_have_the_form_of_their_standard() -> None:
    assert OpenAPI.model_validate(OPENAPI).openapi.startswith("3.1")
    asyncapi = committed("asyncapi.json")
    assert ApplicationSchema.model_validate(asyncapi).asyncapi == "3.0.0"
    for document in (OPENAPI, asyncapi):
        for reference in references(document):
            found = document
            for step in reference.removeprefix("#/").split("/"):
                found = found[step.replace("~1", "/")]


def test_every_operation_is_whole() -> None:
    ids = Counter(operation["operationId"] for _, _, operation in operations())
    assert max(ids.values()) == 1
    for method, path, operation in operations():
        assert method in METHODS and operation["summary"] and len(operation["tags"]) == 1, path
        inside = {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"}
        assert inside == set(re.findall(r"{(\w+)}", path))
        assert "422" not in operation["responses"]
        assert all(one["description"] for one in operation["responses"].values())


def test_every_topic_is_described_with_those_who_speak_and_hear() -> None:
    asyncapi = committed("asyncapi.json")
    topics = list_topics(tuple(PLATFORMS))
    assert list(asyncapi["channels"]) == [topic.name for topic in topics]
    kept = {name: one["bindings"]["kafka"]["topicConfiguration"] for name, one in asyncapi["channels"].items()}
    assert all(one.get("retention.ms") or name == "connection.changed" for name, one in kept.items())
    for topic in topics:
        for action, services in (("send", topic.producers), ("receive", topic.consumers)):
            assert services
            assert all(f"{service}.{action}.{topic.name}" in asyncapi["operations"] for service in services)


async def test_people_read_all_of_it_on_one_page_that_needs_nothing_else(storeless: Any) -> None:
    answer = await storeless.new_browser("text/html").get("/docs")
    page = answer.text
    ids = Counter(re.findall(r' id="([^"]+)"', page))
    assert max(ids.values()) == 1
    assert {operation["operationId"] for _, _, operation in operations()} <= set(ids)
    assert {topic.name for topic in list_topics(tuple(PLATFORMS))} <= set(ids)
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page) and "<script" not in page
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


async def test_programs_are_told_where_the_documents_are(storeless: Any) -> None:
    told = (await storeless.browser.get("/docs")).json()
    assert set(told) == {"openapi", "asyncapi"}
    for address in told.values():
        assert (await storeless.browser.get(address)).status_code == 200


@pytest.mark.parametrize(
    ("status", "given"),
    [
        (418, {"json": {}}),
        (404, {"text": "none"}),
        (200, {"json": {"openapi": "/docs/openapi.json"}}),
        (200, {"json": {"openapi": "/", "asyncapi": "/", "more": 1}}),
        (200, {"json": {"openapi": "/", "asyncapi": 7}}),
    ],
)
async def test_an_answer_that_is_not_as_described_would_be_found(status: int, given: dict[str, Any]) -> None:
    request = httpx.Request("GET", "http://gateway.test/docs")
    with pytest.raises(AssertionError):
        await hold_true(httpx.Response(status, request=request, **given))
