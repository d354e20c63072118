"""Compares responses of the public listener with the committed OpenAPI document."""

import json
import re
from pathlib import Path
from typing import Any

import httpx

COMMITTED = Path(__file__).parents[3] / "docs" / "api"
OPENAPI: dict[str, Any] = json.loads((COMMITTED / "openapi.json").read_text())
NOT_FOUND_TEXT = "there is no such page"
TYPES: dict[str, Any] = {"string": str, "integer": int, "boolean": bool, "null": type(None), "array": list}


def find_operation(method: str, path: str) -> dict[str, Any] | None:
    """Finds the described operation of a request; None if there is no such route."""
    for template, operations in sorted(OPENAPI["paths"].items(), key=lambda item: "{" in item[0]):
        has_slashes = "{account}" in template or "{connection}" in template
        pattern = re.sub(r"\\{\w+\\}", "(?s:.+)" if has_slashes else "[^/]+", re.escape(template))
        if re.fullmatch(pattern, path) and method.lower() in operations:
            operation: dict[str, Any] = operations[method.lower()]
            return operation
    return None


async def check_response(response: httpx.Response) -> None:
    """Checks that status, media type and JSON of a response are as described. This is an httpx hook."""
    await response.aread()
    operation = find_operation(response.request.method, response.request.url.path)
    if (
        operation is None
        or (response.is_server_error and response.status_code == 500)
        or NOT_FOUND_TEXT in response.text.lower()
    ):
        return
    where = f"{response.request.method} {response.request.url.path} {response.status_code}"
    described = operation["responses"].get(str(response.status_code))
    assert described is not None, f"{where} is not described"
    media = response.headers.get("content-type", "").partition(";")[0]
    content = described.get("content", {})
    assert media in content or not response.content, f"{where}: {media} is not described"
    if media == "application/json":
        assert find_violations(content[media]["schema"], response.json()) == [], where


def find_violations(schema: dict[str, Any], value: Any, at: str = "$") -> list[str]:
    """Lists where `value` violates `schema`. Only the keywords of our own schemas are supported."""
    if "$ref" in schema:
        return find_violations(OPENAPI["components"]["schemas"][schema["$ref"].rpartition("/")[2]], value, at)
    if "anyOf" in schema:
        violations = [find_violations(option, value, at) for option in schema["anyOf"]]
        return min(violations, key=len)
    if schema.get("type") == "object":
        return find_object_violations(schema, value, at) if isinstance(value, dict) else [f"{at} is no object"]
    if "const" in schema or "enum" in schema:
        return [] if value in schema.get("enum", [schema.get("const")]) else [f"{at} is {value!r}"]
    if "type" in schema and not isinstance(value, TYPES[schema["type"]]):
        return [f"{at} is {value!r}"]
    items = enumerate(value) if isinstance(value, list) else ()
    return [violation for n, item in items for violation in find_violations(schema["items"], item, f"{at}[{n}]")]


def find_object_violations(schema: dict[str, Any], value: dict[str, Any], at: str) -> list[str]:
    """Lists the violations of an object: missing and undescribed properties, and violations inside of them."""
    properties, additional = schema.get("properties"), schema.get("additionalProperties")
    violations = [f"{at}.{name} is missing" for name in schema.get("required", []) if name not in value]
    for name, item in value.items():
        if properties and name in properties:
            violations += find_violations(properties[name], item, f"{at}.{name}")
        elif isinstance(additional, dict):
            violations += find_violations(additional, item, f"{at}.{name}")
        elif properties and not additional:
            violations.append(f"{at}.{name} is not described")
    return violations
