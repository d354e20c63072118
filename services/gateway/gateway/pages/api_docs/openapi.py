"""The public routes as an OpenAPI 3.1 document: FastAPI's own, and the webhook routes, which come before it."""

import re
from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI

from gateway.pages.responses import WEBHOOK_ANSWERS, Done, Problem
from gateway.platforms import Platform

INFO = {
    "title": "merchant-sync gateway",
    "version": "1.0.0",
    "description": (
        "All that is reached from outside: signing in, a merchant's own data, deletion, and the platforms' webhooks. "
        "An answer is a page where `Accept` names `text/html` before `application/json`, else JSON."
    ),
}
_SAID = {
    200: "Kafka has all of it, or nothing has to be done.",
    400: "It is no such delivery.",
    401: "The signature is missing, doubled or wrong.",
    408: "The body did not come in time.",
    413: "The body is too large.",
    503: "Kafka's word did not come in time: deliver it again.",
}


def openapi_document(app: FastAPI, platforms: Iterable[Platform]) -> dict[str, Any]:
    """The document of `app`'s routes and of these platforms' webhooks."""
    made = app.openapi()
    paths: dict[str, Any] = made["paths"]
    for platform in platforms:
        paths.setdefault(f"/{platform.slug}/webhook", {})["post"] = _webhook(platform)
    for path, operations in paths.items():
        for method, operation in operations.items():
            operation["operationId"] = "_".join([method, *re.findall(r"\w+", path)])
            operation["responses"].pop("422", None)  # FastAPI's guess: no parameter here is anything but text
    kept = {name: schema for name, schema in made["components"]["schemas"].items() if "ValidationError" not in name}
    ours = {model.__name__: model.model_json_schema(mode="serialization") for model in (Done, Problem)}
    components = {**made["components"], "schemas": dict(sorted((kept | ours).items()))}
    return {"openapi": made["openapi"], "info": INFO, "paths": paths, "components": components}


def _webhook(platform: Platform) -> dict[str, Any]:
    return {
        "tags": ["Platforms"],
        "summary": f"Deliveries of {platform.title}",
        "parameters": [
            {
                "name": header.name,
                "in": "header",
                "required": header.required,
                "description": header.description,
                "schema": {"type": "string"},
            }
            for header in platform.delivery_headers
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
        "responses": {str(status): _answer(status, body) for status, body in WEBHOOK_ANSWERS.items()},
    }


def _answer(status: int, body: dict[str, str]) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/" + (Done if status == 200 else Problem).__name__}
    return {"description": _SAID[status], "content": {"application/json": {"schema": schema, "example": body}}}
