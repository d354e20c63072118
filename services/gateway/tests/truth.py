"""Holds what the public listener answers against the committed description of it."""

import json
import re
from pathlib import Path
from typing import Any

import httpx

COMMITTED = Path(__file__).parents[3] / "docs" / "api"
OPENAPI: dict[str, Any] = json.loads((COMMITTED / "openapi.json").read_text())
NOWHERE = "there is no such page"
TYPES: dict[str, Any] = {"string": str, "integer": int, "boolean": bool, "null": type(None), "array": list}


def operation(method: str, path: str) -> dict[str, Any] | None:
    """What is said of a request, None where nothing is: there is no such route."""
    for template, operations in sorted(OPENAPI["paths"].items(), key=lambda item: "{" in item[0]):
        pattern = re.sub(r"\\{\w+\\}", "(?s:.+)" if "{account}" in template else "[^/]+", re.escape(template))
        if re.fullmatch(pattern, path) and method.lower() in operations:
            said: dict[str, Any] = operations[method.lower()]
            return said
    return None


async def hold_true(answer: httpx.Response) -> None:
    """An httpx hook: status, media type and JSON of an answer are as described."""
    await answer.aread()
    said = operation(answer.request.method, answer.request.url.path)
    if said is None or (answer.is_server_error and answer.status_code == 500) or NOWHERE in answer.text.lower():
        return
    where = f"{answer.request.method} {answer.request.url.path} {answer.status_code}"
    described = said["responses"].get(str(answer.status_code))
    assert described is not None, f"{where} is not described"
    media = answer.headers.get("content-type", "").partition(";")[0]
    content = described.get("content", {})
    assert media in content or not answer.content, f"{where}: {media} is not described"
    if media == "application/json":
        assert troubles(content[media]["schema"], answer.json()) == [], where


def troubles(schema: dict[str, Any], value: Any, at: str = "$") -> list[str]:
    """Where `value` is not as `schema` says, as far as our own schemas go."""
    if "$ref" in schema:
        return troubles(OPENAPI["components"]["schemas"][schema["$ref"].rpartition("/")[2]], value, at)
    if "anyOf" in schema:
        tried = [troubles(one, value, at) for one in schema["anyOf"]]
        return min(tried, key=len)
    if schema.get("type") == "object":
        return in_object(schema, value, at) if isinstance(value, dict) else [f"{at} is no object"]
    if "const" in schema or "enum" in schema:
        return [] if value in schema.get("enum", [schema.get("const")]) else [f"{at} is {value!r}"]
    if "type" in schema and not isinstance(value, TYPES[schema["type"]]):
        return [f"{at} is {value!r}"]
    items = enumerate(value) if isinstance(value, list) else ()
    return [trouble for n, one in items for trouble in troubles(schema["items"], one, f"{at}[{n}]")]


def in_object(schema: dict[str, Any], value: dict[str, Any], at: str) -> list[str]:
    """The same for an object: everything required is there, and nothing that is not described."""
    known, more = schema.get("properties"), schema.get("additionalProperties")
    found = [f"{at}.{name} is missing" for name in schema.get("required", []) if name not in value]
    for name, one in value.items():
        if known and name in known:
            found += troubles(known[name], one, f"{at}.{name}")
        elif isinstance(more, dict):
            found += troubles(more, one, f"{at}.{name}")
        elif known and not more:
            found.append(f"{at}.{name} is not described")
    return found
