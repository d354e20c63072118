"""What the description of a route says that its code does not show: its answers by status, and what it reads itself.

In the words of OpenAPI, in the form that FastAPI's `responses` and `openapi_extra` take.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi.responses import RedirectResponse
from pydantic import BaseModel

from gateway.pages.responses import Problem

Responses = dict[int | str, dict[str, Any]]

AWAY = {503: "A part of the service does not answer now: try again in a moment."}
ANYBODY: dict[str, Any] = {"security": [{}]}
"""Marks a route that takes a session into account and does without."""
_TEXT = {"type": "string"}
_PAGE = {"text/html": {"schema": _TEXT}}


def says(summary: str, *answers: Responses, **more: Any) -> dict[str, Any]:
    """What the decorator of a route is given: the good answer first, then the others."""
    responses = {status: answer for one in answers for status, answer in one.items()}
    good = next(iter(responses))
    redirecting = {"status_code": good, "response_class": RedirectResponse} if good in (302, 303) else {}
    return {"summary": summary, "responses": responses, **redirecting, **more}


def shown(model: type[BaseModel], meaning: str) -> Responses:
    """A good answer: a page for a browser, else this JSON."""
    return {200: {"description": meaning, "model": model, "content": _PAGE}}


def problems(said: Mapping[int, str]) -> Responses:
    """Errors by status, each a page for a browser, else JSON."""
    return {status: {"description": meaning, "model": Problem, "content": _PAGE} for status, meaning in said.items()}


def led(status: int, meaning: str, *, cookie: str = "") -> Responses:
    """A redirect, which may set a cookie."""
    headers = {"Location": {"description": "Where to go on", "schema": _TEXT}}
    if cookie:
        headers["Set-Cookie"] = {"description": cookie, "schema": _TEXT}
    return {status: {"description": meaning, "headers": headers}}


def text(said: Mapping[int, str]) -> Responses:
    """Answers in plain text by status."""
    content = {"text/plain": {"schema": _TEXT}}
    return {status: {"description": meaning, "content": content} for status, meaning in said.items()}


def data(model: type[BaseModel], said: Mapping[int, str]) -> Responses:
    """Answers that are JSON whatever is accepted, by status."""
    return {status: {"description": meaning, "model": model} for status, meaning in said.items()}


def query(given: Mapping[str, str], *, optional: Iterable[str] = ()) -> dict[str, Any]:
    """Parameters that a route reads from its query itself, each with what it says."""
    return {
        "parameters": [
            {"name": name, "in": "query", "required": name not in optional, "description": meaning, "schema": _TEXT}
            for name, meaning in given.items()
        ]
    }


def form(**fields: str) -> dict[str, Any]:
    """The URL-encoded form that a route reads, each field with what it says."""
    properties = {name: {**_TEXT, "description": meaning} for name, meaning in fields.items()}
    schema = {"type": "object", "properties": properties, "required": list(fields)}
    return {"requestBody": {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": schema}}}}
