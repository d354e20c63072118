"""The `fields` parameter: names with modifiers and nested names, and what a page answers to them."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.graph.failures import GraphError, no_field
from sandbox.graph.model import Page
from sandbox.graph.names import PAGE_FIELDS

_FIELD = re.compile(r"\s*([a-z_0-9]+)((?:\.[a-z_]+\([^()]*\))*)\s*")
_SIZES = {"small": 50, "normal": 100, "album": 50, "large": 200, "square": 50}
_EXTRA = frozenset({"picture", "tasks"})
"""Edges and fields of an account that may be asked for like fields."""


@dataclass(frozen=True, slots=True)
class Field:
    """One thing asked for, such as `picture.type(large){url}`."""

    name: str
    modifiers: str = ""
    nested: tuple["Field", ...] = field(default=())


def parse(text: str) -> tuple[Field, ...]:
    """What `text` asks for. Raises GraphError."""
    found, end = _list(text, 0)
    if end != len(text):
        raise GraphError(2500, f"Syntax error at character {end}: {text[end : end + 10]}")
    return found


def _list(text: str, at: int) -> tuple[tuple[Field, ...], int]:
    found = []
    while True:
        match = _FIELD.match(text, at)
        if match is None:
            raise GraphError(2500, f"Syntax error \"Expected name\" at character {at}: {text[at : at + 10]}")
        at = match.end()
        nested: tuple[Field, ...] = ()
        if text[at : at + 1] == "{":
            nested, at = _list(text, at + 1)
            if text[at : at + 1] != "}":
                raise GraphError(2500, f"Syntax error \"Expected end of string\" at character {at}")
            at += 1
        found.append(Field(match[1], match[2], nested))
        if text[at : at + 1] != ",":
            return tuple(found), at
        at += 1


def check(asked: Iterable[Field], refused: Iterable[str]) -> None:
    """Raise GraphError for the first field that a page does not have."""
    for wanted in asked:
        if wanted.name in refused or wanted.name not in PAGE_FIELDS | _EXTRA:
            raise no_field(wanted.name, "Page")


def read(page: Page, asked: Iterable[Field], more: Mapping[str, Any]) -> dict[str, Any]:
    """The page's node: `id` always, of the rest what is asked for and filled in. `more` is what a page does not hold
    itself, such as its token.
    """
    return dict(_pairs({**page.fields, **more, "id": page.id}, page, asked)) | {"id": page.id}


def _pairs(values: Mapping[str, Any], page: Page, asked: Iterable[Field]) -> Iterator[tuple[str, Any]]:
    for wanted in asked:
        if wanted.name == "picture":
            size = next((size for name, size in _SIZES.items() if f"({name})" in wanted.modifiers), 50)
            yield "picture", {"data": _nested(picture(page, size), wanted)}
        elif wanted.name in values:
            yield wanted.name, _nested(values[wanted.name], wanted)


def _nested(value: Any, wanted: Field) -> Any:
    if not wanted.nested:
        return value
    if isinstance(value, list):
        return [_nested(item, wanted) for item in value]
    names = [inner.name for inner in wanted.nested]
    return {name: value[name] for name in names if name in value} if isinstance(value, dict) else value


def picture(page: Page, size: int = 50) -> dict[str, Any]:
    """The page's picture. Its address is signed anew whenever the page drifts; it is the same for every size."""
    return {"height": size, "is_silhouette": False, "url": picture_url(page), "width": size}


def picture_url(page: Page) -> str:
    """Where the picture is for the time being."""
    digest = hashlib.sha256(f"{page.id}:{page.picture}:{page.signature}".encode()).hexdigest()
    path = f"{page.id[-9:]}_{page.picture}_n.jpg"
    query = f"_nc_cat=1{page.picture % 10}&ccb=1-7&oh=00_{digest[:40]}&oe={0x6A000000 + page.signature:X}"
    return f"https://scontent.example/v/t39.30808-1/{path}?{query}"
