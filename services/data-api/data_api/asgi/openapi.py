"""Builds the OpenAPI 3.1 document from the table of operations."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema

from data_api.asgi.operations import Answer, Operation

INFO = {
    "title": "merchant-sync data API",
    "version": "1.0.0",
    "summary": "Every merchant's data at once, over HTTP, live, with keys.",
    "description": (
        "Reads what is stored of merchants' connections, and tells of changes as they happen. No request causes a call "
        "to a platform, except one that asks for a refresh. A key is made on the connection's page."
    ),
    "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
}
_TEXT_PATTERN = r"^[^\x00]*$"
"""What an address may have: the dispatcher refuses one with the character NUL."""
_REF = "#/components/schemas/{model}"
_SECURITY_SCHEMES = {
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "A key, as it was shown once."},
    "bearer": {"type": "http", "scheme": "bearer", "description": "The same key, as a bearer token."},
}
_RATE_LIMIT_HEADERS = {
    "Retry-After": "Seconds until a request may succeed.",
    "RateLimit": "What is left of the limit that was exceeded.",
    "RateLimit-Policy": "The limit that was exceeded.",
}


class PlainError(BaseModel):
    """An error outside of `/v1`."""

    model_config = ConfigDict(extra="allow")
    status: str = Field(examples=["error"])
    message: str = Field(examples=["send a key in the header X-API-Key, or as Authorization: Bearer"])


class ProblemDetails(BaseModel):
    """An error of `/v1`, in the form of RFC 9457."""

    model_config = ConfigDict(extra="allow")
    type: str = Field(examples=["about:blank"])
    title: str = Field(examples=["Not Found"])
    status: int | str = Field(examples=[404])
    detail: str = Field(examples=["there is no such connection"])


def build_openapi_document(operations: Iterable[Operation], tags: Mapping[str, str]) -> dict[str, Any]:
    """Return the OpenAPI document of `operations`. `tags` are their groups, each with its description."""
    operations = tuple(operations)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _describe(operation)
    return {
        "openapi": "3.1.0",
        "info": INFO,
        "servers": [{"url": "/", "description": "This service."}],
        "tags": [{"name": name, "description": description} for name, description in tags.items()],
        "security": [{"apiKey": []}, {"bearer": []}],
        "paths": paths,
        "components": {"securitySchemes": _SECURITY_SCHEMES, "schemas": _build_schemas(operations)},
    }


def format_document(document: dict[str, Any]) -> str:
    """Return a document as indented JSON text that ends with a newline."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _build_schemas(operations: Iterable[Operation]) -> dict[str, Any]:
    models: dict[type[BaseModel], None] = {PlainError: None, ProblemDetails: None}
    for operation in operations:
        models.update(dict.fromkeys(answer.model for answer in operation.answers.values() if answer.model))
    bodies = dict.fromkeys(operation.body for operation in operations if operation.body)
    _, answered = models_json_schema([(model, "serialization") for model in models], ref_template=_REF)
    _, accepted = models_json_schema([(model, "validation") for model in bodies], ref_template=_REF)
    schemas = {**answered.get("$defs", {}), **accepted.get("$defs", {})}
    return dict(sorted(schemas.items()))


def _describe(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.operation_id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": list(_list_parameters(operation)),
        "responses": {str(status): _describe_answer(answer) for status, answer in operation.answers.items()},
    }
    described["responses"] |= {str(status): error for status, error in sorted(_describe_errors(operation).items())}
    if operation.description:
        described["description"] = operation.description
    if operation.scope is None:
        described["security"] = []
    else:
        described["description"] = f"{operation.description}\n\nThe key needs the scope `{operation.scope}`.".strip()
    if operation.body is not None:
        schema = {"$ref": _REF.format(model=operation.body.__name__)}
        is_required = any(one.is_required() for one in operation.body.model_fields.values())
        described["requestBody"] = {"required": is_required, "content": {"application/json": {"schema": schema}}}
    return described


def _list_parameters(operation: Operation) -> Iterator[dict[str, Any]]:
    for parameter in operation.path_parameters:
        yield {
            "name": parameter.name,
            "in": "path",
            "required": True,
            "description": parameter.description,
            "schema": {"type": "string", "pattern": _TEXT_PATTERN},
            "example": parameter.example,
        }
    for name, description in operation.header_parameters.items():
        schema = {"type": "string"}
        if name in operation.header_patterns:
            schema["pattern"] = operation.header_patterns[name]
        yield {"name": name, "in": "header", "description": description, "schema": schema}
    if operation.parameters is None:
        return
    query = operation.parameters.model_json_schema(mode="validation", ref_template=_REF)
    required = query.get("required", ())
    for name, parameter_schema in query.get("properties", {}).items():
        description = parameter_schema.pop("description", "")
        _exclude_nul(parameter_schema)
        yield {
            "name": name,
            "in": "query",
            "required": name in required,
            "description": description,
            "schema": parameter_schema,
        }


def _exclude_nul(schema: dict[str, Any]) -> None:
    """Say of text without a form of its own that it cannot have the character NUL."""
    for one in (schema, *schema.get("anyOf", ())):
        if one.get("type") == "string" and not one.keys() & {"pattern", "format", "enum", "const"}:
            one["pattern"] = _TEXT_PATTERN


def _describe_answer(answer: Answer) -> dict[str, Any]:
    described: dict[str, Any] = {"description": answer.description}
    if answer.headers:
        described["headers"] = _describe_headers(answer.headers)
    if answer.is_empty:
        return described
    content: dict[str, Any] = {}
    if answer.model is not None:
        content["schema"] = {"$ref": _REF.format(model=answer.model.__name__)}
    elif answer.schema is not None:
        content["schema"] = dict(answer.schema)
    if answer.example is not None:
        content["example"] = answer.example
    described["content"] = {answer.media_type: content}
    if answer.is_also_stream:
        # OpenAPI 3.1 cannot describe the events of a stream one by one.
        described["content"]["text/event-stream"] = {"schema": {}}
    return described


def _describe_errors(operation: Operation) -> dict[int, dict[str, Any]]:
    """Return the errors of what the operation declares, and its own, by status."""
    errors = dict(operation.error_answers)
    errors.setdefault(400, "The request is malformed; a key was sent in its address, for example.")
    if operation.body is not None:
        errors.setdefault(413, "The body is too large.")
        errors.setdefault(415, "The body is not JSON.")
    if operation.scope is not None:
        errors.setdefault(401, "There is no key, or it is unknown, revoked or expired.")
        errors.setdefault(403, "The key lacks the scope.")
        errors.setdefault(429, "The key has used up a limit.")
        errors.setdefault(503, "A part of the service does not answer now.")
    return {status: _describe_error(operation, status, text) for status, text in errors.items()}


def _describe_error(operation: Operation, status: int, description: str) -> dict[str, Any]:
    is_problem = operation.errors == "problem"
    model = ProblemDetails if is_problem else PlainError
    media_type = "application/problem+json" if is_problem else "application/json"
    described: dict[str, Any] = {
        "description": description,
        "content": {media_type: {"schema": {"$ref": _REF.format(model=model.__name__)}}},
    }
    if status == 401:
        described["headers"] = _describe_headers({"WWW-Authenticate": "How to send a key."})
    if status == 429:
        described["headers"] = _describe_headers(_RATE_LIMIT_HEADERS)
    if status == 503:
        described["headers"] = _describe_headers({"Retry-After": _RATE_LIMIT_HEADERS["Retry-After"]})
    return described


def _describe_headers(headers: Mapping[str, str]) -> dict[str, Any]:
    return {name: {"description": text, "schema": {"type": "string"}} for name, text in headers.items()}
