"""The API documents: committed and served alike, every public route, every topic, and a safe page."""

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

from contracts.topics import LINK_CHANGED, list_topics
from gateway.applications import create_applications
from platforms.registry import DESTINATIONS, PLATFORMS
from response_checks import COMMITTED, OPENAPI, check_response

DOCUMENTS = ("openapi.json", "asyncapi.json")
METHODS = {"get", "post"}


def load_committed(name: str) -> Any:
    return json.loads((COMMITTED / name).read_text())


def list_operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in OPENAPI["paths"].items():
        yield from ((method, path, operation) for method, operation in methods.items())


def find_references(node: Any) -> Iterator[str]:
    """Finds every `$ref` inside of a JSON value."""
    if isinstance(node, dict):
        yield from ([node["$ref"]] if isinstance(node.get("$ref"), str) else [])
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from find_references(child)


def test_the_command_writes_the_committed_documents(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "gateway.pages.api_docs", str(tmp_path)], check=True, timeout=60)
    for name in DOCUMENTS:
        old = (COMMITTED / name).read_text()
        assert (tmp_path / name).read_text() == old, "a contract changed: look at it, then run `make contracts`"


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_the_served_documents_are_the_committed_ones(world_without_database: Any, name: str) -> None:
    response = await world_without_database.browser.get(f"/docs/{name}")
    assert response.headers["content-type"] == "application/json"
    assert response.text == (COMMITTED / name).read_text()


def test_exactly_the_public_routes_are_described(world_without_database: Any) -> None:
    public, handlers, _ = create_applications(world_without_database.parts, {})
    routes = iter_route_contexts(public._app._app._app.routes)
    routes_by_method = {(method.lower(), route.path_format) for route in routes for method in route.methods}
    routes_by_method |= {("post", handler.path) for handler in handlers}
    assert routes_by_method == {(method, path) for method, path, _ in list_operations()}
    assert not [path for _, path in routes_by_method if path.startswith("/internal")]


async def test_a_platform_that_is_not_configured_is_not_described(
    world_without_database: Any, no_facebook: Any
) -> None:
    world_without_database.restart(world_without_database.settings, facebook=no_facebook)
    served = (await world_without_database.create_browser().get("/docs/openapi.json")).json()
    assert [path for path in served["paths"] if "facebook" in path] == ["/facebook/login", "/facebook/prove"]
    assert "/shopify/webhook" in served["paths"]


def test_both_documents_are_valid_by_their_standards() -> None:
    assert OpenAPI.model_validate(OPENAPI).openapi.startswith("3.1")
    asyncapi = load_committed("asyncapi.json")
    assert ApplicationSchema.model_validate(asyncapi).asyncapi == "3.0.0"
    for document in (OPENAPI, asyncapi):
        for reference in find_references(document):
            value = document
            for step in reference.removeprefix("#/").split("/"):
                value = value[step.replace("~1", "/")]


def test_every_operation_is_described_completely() -> None:
    ids = Counter(operation["operationId"] for _, _, operation in list_operations())
    assert max(ids.values()) == 1
    for method, path, operation in list_operations():
        assert method in METHODS and operation["summary"] and len(operation["tags"]) == 1, path
        path_parameters = {
            parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "path"
        }
        assert path_parameters == set(re.findall(r"{(\w+)}", path))
        assert "422" not in operation["responses"]
        assert all(response["description"] for response in operation["responses"].values())


def test_every_topic_is_described_with_its_producers_and_consumers() -> None:
    asyncapi = load_committed("asyncapi.json")
    topics = list_topics(PLATFORMS, DESTINATIONS)
    assert list(asyncapi["channels"]) == [topic.name for topic in topics]
    configurations = {
        name: channel["bindings"]["kafka"]["topicConfiguration"] for name, channel in asyncapi["channels"].items()
    }
    assert all(
        configuration.get("retention.ms") or "compact" in configuration["cleanup.policy"]
        for configuration in configurations.values()
    )
    for topic in topics:
        for action, services in (("send", topic.producers), ("receive", topic.consumers)):
            # Links are published for readers outside alone.
            assert services or (action == "receive" and (topic.observers or topic.name == LINK_CHANGED))
            assert all(f"{service}.{action}.{topic.name}" in asyncapi["operations"] for service in services)


async def test_one_self_contained_page_shows_the_whole_documentation(world_without_database: Any) -> None:
    response = await world_without_database.create_browser("text/html").get("/docs")
    page = response.text
    ids = Counter(re.findall(r' id="([^"]+)"', page))
    assert max(ids.values()) == 1
    assert {operation["operationId"] for _, _, operation in list_operations()} <= set(ids)
    assert {topic.name for topic in list_topics(PLATFORMS, DESTINATIONS)} <= set(ids)
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page) and "<script" not in page
    assert response.headers["content-security-policy"].startswith("default-src 'none'")


async def test_json_clients_get_the_addresses_of_the_documents(world_without_database: Any) -> None:
    addresses = (await world_without_database.browser.get("/docs")).json()
    assert set(addresses) == {"openapi", "asyncapi"}
    for address in addresses.values():
        assert (await world_without_database.browser.get(address)).status_code == 200


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (418, {"json": {}}),
        (404, {"text": "none"}),
        (200, {"json": {"openapi": "/docs/openapi.json"}}),
        (200, {"json": {"openapi": "/", "asyncapi": "/", "more": 1}}),
        (200, {"json": {"openapi": "/", "asyncapi": 7}}),
    ],
)
async def test_a_response_that_differs_from_its_description_is_detected(status: int, content: dict[str, Any]) -> None:
    request = httpx.Request("GET", "http://gateway.test/docs")
    with pytest.raises(AssertionError):
        await check_response(httpx.Response(status, request=request, **content))
