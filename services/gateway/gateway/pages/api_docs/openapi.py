"""Builds the OpenAPI 3.1 document of the public routes.

The webhooks are handled before FastAPI, so they are added to the document that FastAPI generates.
"""

import re
from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI

from gateway.pages.responses import WEBHOOK_RESPONSES, Problem, Success
from platform_sdk.adapters import PlatformAdapter, Webhooks

INFO = {
    "title": "merchant-sync gateway",
    "version": "1.0.0",
    "description": (
        "Everything that is reached from outside: signing in, a merchant's own data, disconnecting and deleting, and "
        "the platforms' webhooks. A response is a page where `Accept` names `text/html` before `application/json`, "
        "otherwise JSON."
    ),
    "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
}
_HEADERS_TOO_LARGE = {"description": "The headers are too large. The response is empty."}
_WEBHOOK_MEANINGS = {
    200: "Kafka has all of it, or nothing has to be done.",
    400: "It is no such delivery.",
    401: "The signature is missing, doubled or wrong.",
    408: "The body did not come in time.",
    413: "The body is too large.",
    429: "Too many deliveries of this sender were refused. A valid delivery is never answered like this.",
    500: "An error of the gateway: deliver it again.",
    503: "Kafka's acknowledgement did not come in time: deliver it again.",
}


def build_openapi_document(app: FastAPI, adapters: Iterable[PlatformAdapter]) -> dict[str, Any]:
    """Return the OpenAPI document of `app`'s routes and of these platforms' webhooks."""
    generated = app.openapi()
    paths: dict[str, Any] = generated["paths"]
    for adapter in adapters:
        if adapter.webhooks is not None:
            paths.setdefault(f"/{adapter.slug}/webhook", {})["post"] = _describe_webhook(adapter, adapter.webhooks)
    for path, operations in paths.items():
        for method, operation in operations.items():
            operation["operationId"] = "_".join([method, *re.findall(r"\w+", path)])
            # FastAPI adds 422 wherever there are parameters, but all of ours are text, which is always valid.
            operation["responses"].pop("422", None)
            operation["responses"]["431"] = _HEADERS_TOO_LARGE
            # An empty list says that no session is needed.
            operation.setdefault("security", [])
    schemas = {
        name: schema for name, schema in generated["components"]["schemas"].items() if "ValidationError" not in name
    }
    schemas |= {model.__name__: model.model_json_schema(mode="serialization") for model in (Success, Problem)}
    components = {**generated["components"], "schemas": dict(sorted(schemas.items()))}
    return {
        "openapi": generated["openapi"],
        "info": INFO,
        "servers": [{"url": "/", "description": "This gateway."}],
        "paths": paths,
        "components": components,
    }


def _describe_webhook(adapter: PlatformAdapter, webhooks: Webhooks) -> dict[str, Any]:
    return {
        "tags": ["Platforms"],
        "summary": f"Deliveries of {adapter.manifest.title}",
        "parameters": [
            {
                "name": header.name,
                "in": "header",
                "required": header.required,
                "description": header.description,
                "schema": {"type": "string"},
            }
            for header in webhooks.headers
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
        "responses": {str(status): _describe_response(status, body) for status, body in WEBHOOK_RESPONSES.items()},
    }


def _describe_response(status: int, body: dict[str, str]) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/" + (Success if status == 200 else Problem).__name__}
    content = {"application/json": {"schema": schema, "example": body}}
    return {"description": _WEBHOOK_MEANINGS[status], "content": content}
