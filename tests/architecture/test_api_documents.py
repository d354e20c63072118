"""The OpenAPI documents keep the rules by which generators of clients and of references read them."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

API = Path(__file__).parents[2] / "docs" / "api"
DOCUMENTS = {name: json.loads((API / f"{name}.json").read_text()) for name in ("openapi", "data-api")}
every_document = pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
JsonObject = dict[str, Any]


def list_operations(document: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    """Yield each operation, by its method and path."""
    for path, methods in document["paths"].items():
        yield from ((f"{method} {path}", operation) for method, operation in methods.items())


def list_objects(value: Any) -> Iterator[JsonObject]:
    """Yield every JSON object inside of a JSON value."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from list_objects(inner)


def list_schemas(value: JsonObject) -> list[JsonObject]:
    """Return the schemas of an operation, of its parameters, bodies, headers and responses."""
    return [found["schema"] for found in list_objects(value) if isinstance(found.get("schema"), dict)]


def list_examples(document: JsonObject) -> Iterator[tuple[JsonObject, Any]]:
    """Yield each example with the schema that it must fulfil."""
    for found in list_objects(document):
        if "example" in found and "schema" in found:
            yield found["schema"], found["example"]
        if isinstance(found.get("examples"), list):
            yield from ((found, example) for example in found["examples"])


def are_ambiguous(path: str, other: str) -> bool:
    """Return whether an address may fit both paths, of which neither has a literal segment where only it has one."""
    pairs = list(zip(path.split("/"), other.split("/"), strict=False))
    if path.count("/") != other.count("/") or any(a != b and "{" not in a + b for a, b in pairs):
        return False
    literal, other_literal = ({n for n, pair in enumerate(pairs) if "{" not in pair[side]} for side in (0, 1))
    return not (literal > other_literal or other_literal > literal)


@every_document
def test_a_document_names_its_licence_and_its_servers(document: JsonObject) -> None:
    assert document["openapi"].startswith("3.1.")
    assert document["info"]["license"]["identifier"] == "Apache-2.0"
    assert all(server["url"] and server["description"] for server in document["servers"])
    assert document["servers"]


@every_document
def test_every_operation_says_which_key_or_session_it_needs_and_how_it_succeeds_and_fails(document: JsonObject) -> None:
    known = document["components"]["securitySchemes"]
    for where, operation in list_operations(document):
        security = operation.get("security", document.get("security"))
        assert security is not None, where
        assert {name for one in security for name in one} <= set(known), where
        statuses = set(operation["responses"])
        assert any(status[0] in "23" for status in statuses) and any(status[0] == "4" for status in statuses), where


@every_document
def test_operations_have_ids_that_can_be_parts_of_addresses_and_names(document: JsonObject) -> None:
    ids = [operation["operationId"] for _, operation in list_operations(document)]
    assert max(Counter(ids).values()) == 1
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", one) for one in ids)


@every_document
def test_no_two_paths_fit_the_same_address(document: JsonObject) -> None:
    paths = list(document["paths"])
    assert all(path.startswith("/") and "?" not in path and (path == "/" or path[-1] != "/") for path in paths)
    assert not [(a, b) for a in paths for b in paths if a < b and are_ambiguous(a, b)]


def test_paths_that_differ_only_in_names_are_ambiguous() -> None:
    assert are_ambiguous("/a/{b}", "/a/{c}") and are_ambiguous("/{a}/b", "/a/{b}")
    assert not are_ambiguous("/a/{b}", "/a/b") and not are_ambiguous("/a/{b}", "/c/{b}")


@every_document
def test_schemas_are_valid_and_so_are_examples(document: JsonObject) -> None:
    components = {"components": document["components"]}
    for _, operation in list_operations(document):
        for schema in list_schemas(operation):
            Draft202012Validator.check_schema(schema)
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for schema, example in list_examples(document):
        Draft202012Validator({**schema, **components}, format_checker=FormatChecker()).validate(example)


@every_document
def test_no_schema_is_without_use(document: JsonObject) -> None:
    references = {found["$ref"] for found in list_objects(document) if isinstance(found.get("$ref"), str)}
    assert references == {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
