"""Builds the parts of a route's OpenAPI description that FastAPI cannot derive from its code.

These are the responses by status, and the parameters and bodies that the route reads from the request itself. The
results have the form of FastAPI's `responses` and `openapi_extra`.
"""

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType, UnionType
from typing import Any

from fastapi.responses import RedirectResponse
from pydantic import BaseModel

from gateway.pages.responses import Problem

Responses = dict[int | str, dict[str, Any]]

UNAVAILABLE = {503: "A part of the service does not answer now: try again in a moment."}
OPTIONAL_SESSION: dict[str, Any] = {"security": [{}]}
"""Marks a route that works with and without a session."""
_TEXT = {"type": "string"}
_PAGE = {"text/html": {"schema": _TEXT}}
FORM, JSON = "application/x-www-form-urlencoded", "application/json"


def describe_route(summary: str, *responses: Responses, **more: Any) -> dict[str, Any]:
    """Return the arguments of a route's decorator that describe the route in the OpenAPI document.

    The first of `responses` describes success. `more` are further arguments, passed through.
    """
    by_status = {status: response for described in responses for status, response in described.items()}
    first = next(iter(by_status))
    redirect = {"status_code": first, "response_class": RedirectResponse} if first in (302, 303) else {}
    return {"summary": summary, "responses": by_status, **redirect, **more}


def describe_page(model: type[BaseModel] | UnionType, meaning: str) -> Responses:
    """Describe a successful response: an HTML page for a browser, otherwise JSON of this model (or of one of them)."""
    return {200: {"description": meaning, "model": model, "content": _PAGE}}


def describe_either(first: type[BaseModel], second: type[BaseModel], meaning: str) -> Responses:
    """Describe a successful response that is JSON of one of two models."""
    return {200: {"description": meaning, "model": first | second}}


def describe_problems(meanings: Mapping[int, str]) -> Responses:
    """Describe errors by status. Each is an HTML page for a browser, otherwise JSON."""
    return {
        status: {"description": meaning, "model": Problem, "content": _PAGE} for status, meaning in meanings.items()
    }


def describe_redirect(status: int, meaning: str, *, cookie: str = "") -> Responses:
    """Describe a redirect. `cookie` describes the cookie that it sets; empty where it sets none."""
    headers = {"Location": {"description": "Where to go on", "schema": _TEXT}}
    if cookie:
        headers["Set-Cookie"] = {"description": cookie, "schema": _TEXT}
    return {status: {"description": meaning, "headers": headers}}


def describe_continuation(meaning: str) -> Responses:
    """Describe what follows a form: a redirect, or for a browser a page that goes to the same place."""
    return {**describe_redirect(303, meaning), 200: {"description": f"The same as a page. {meaning}", "content": _PAGE}}


def describe_text(meanings: Mapping[int, str]) -> Responses:
    """Describe responses in plain text, by status."""
    content = {"text/plain": {"schema": _TEXT}}
    return {status: {"description": meaning, "content": content} for status, meaning in meanings.items()}


def describe_json(model: type[BaseModel], meanings: Mapping[int, str]) -> Responses:
    """Describe responses by status that are always JSON, whatever the client accepts."""
    return {status: {"description": meaning, "model": model} for status, meaning in meanings.items()}


def describe_query(parameters: Mapping[str, str], *, optional: Iterable[str] = ()) -> dict[str, Any]:
    """Describe the query parameters that a route reads from the request. `parameters` are descriptions by name."""
    return {
        "parameters": [
            {"name": name, "in": "query", "required": name not in optional, "description": meaning, "schema": _TEXT}
            for name, meaning in parameters.items()
        ]
    }


def describe_form(fields: Mapping[str, str], *, optional: Collection[str] = ()) -> dict[str, Any]:
    """Describe the URL-encoded form that a route reads. `fields` are descriptions by field name."""
    return _describe_body({FORM: fields}, optional)


def describe_form_or_json(
    fields: Mapping[str, str],
    *,
    form_only: Mapping[str, str],
    json_only: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    optional: Collection[str] = (),
) -> dict[str, Any]:
    """Describe a body that may be a form or JSON.

    Both have `fields`, of which those in `optional` may be left out. The form also has the fields of `form_only`; JSON
    may have the members of `json_only`, whose schemas these are.
    """
    body = _describe_body({FORM: {**fields, **form_only}, JSON: fields}, optional)
    body["requestBody"]["content"][JSON]["schema"]["properties"] |= json_only
    return body


def _describe_body(fields_by_media: Mapping[str, Mapping[str, str]], optional: Collection[str] = ()) -> dict[str, Any]:
    content = {
        media: {
            "schema": {
                "type": "object",
                "properties": {name: {**_TEXT, "description": meaning} for name, meaning in fields.items()},
                "required": [name for name in fields if name not in optional],
            }
        }
        for media, fields in fields_by_media.items()
    }
    return {"requestBody": {"required": True, "content": content}}
