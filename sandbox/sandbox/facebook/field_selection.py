"""The `fields` parameter of the Graph API: its syntax, and the values of a Facebook Page that it selects."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.facebook.errors import GraphError, build_unknown_field_error
from sandbox.facebook.graph_schema import PAGE_FIELDS
from sandbox.facebook.model import Page

_FIELD = re.compile(r"\s*([a-z_0-9]+)((?:\.[a-z_]+\([^()]*\))*)\s*")
_PICTURE_SIZES = {"small": 50, "normal": 100, "album": 50, "large": 200, "square": 50}
_EXTRA_FIELDS = frozenset({"picture", "tasks"})
"""Names that can be selected like page fields: the edge `picture`, and `tasks`, what a user may do on the page."""


@dataclass(frozen=True, slots=True)
class Field:
    """One selected field with its modifiers and nested fields.

    An example is `picture.type(large){url}`: its modifier is `.type(large)`, its nested field is `url`.
    """

    name: str
    modifiers: str = ""
    nested: tuple["Field", ...] = ()


def parse_fields(text: str) -> tuple[Field, ...]:
    """Parse the value of the `fields` parameter. Raises GraphError for a syntax error."""
    selection, end = _parse_list(text, 0)
    if end != len(text):
        raise GraphError(2500, f"Syntax error at character {end}: {text[end : end + 10]}")
    return selection


def _parse_list(text: str, position: int) -> tuple[tuple[Field, ...], int]:
    """Parse the comma-separated list of fields that starts at `position` of the text.

    Returns the fields and the position after the end of the list. Raises GraphError for a syntax error.
    """
    selection = []
    while True:
        match = _FIELD.match(text, position)
        if match is None:
            snippet = text[position : position + 10]
            raise GraphError(2500, f'Syntax error "Expected name" at character {position}: {snippet}')
        position = match.end()
        nested: tuple[Field, ...] = ()
        if text[position : position + 1] == "{":
            nested, position = _parse_list(text, position + 1)
            if text[position : position + 1] != "}":
                raise GraphError(2500, f'Syntax error "Expected end of string" at character {position}')
            position += 1
        selection.append(Field(match[1], match[2], nested))
        if text[position : position + 1] != ",":
            return tuple(selection), position
        position += 1


def check_fields(selection: Iterable[Field], refused_names: Iterable[str]) -> None:
    """Raise GraphError if a selected field does not exist for Facebook Pages or is among `refused_names`."""
    for field in selection:
        if field.name in refused_names or field.name not in PAGE_FIELDS | _EXTRA_FIELDS:
            raise build_unknown_field_error(field.name, "Page")


def select_fields(page: Page, selection: Iterable[Field], unstored_values: Mapping[str, Any]) -> dict[str, Any]:
    """Build the JSON object by which Graph describes a Facebook Page: `id`, and the selected fields that have a value.

    `unstored_values` has values that the page itself does not store, such as its token.
    """
    return dict(_select_pairs({**page.fields, **unstored_values, "id": page.id}, page, selection)) | {"id": page.id}


def _select_pairs(values: Mapping[str, Any], page: Page, selection: Iterable[Field]) -> Iterator[tuple[str, Any]]:
    for field in selection:
        if field.name == "picture":
            size = next((size for name, size in _PICTURE_SIZES.items() if f"({name})" in field.modifiers), 50)
            yield "picture", {"data": _select_nested(build_picture(page, size), field)}
        elif field.name in values:
            yield field.name, _select_nested(values[field.name], field)


def _select_nested(value: Any, field: Field) -> Any:
    if not field.nested:
        return value
    if isinstance(value, list):
        return [_select_nested(item, field) for item in value]
    names = [nested.name for nested in field.nested]
    return {name: value[name] for name in names if name in value} if isinstance(value, dict) else value


def build_picture(page: Page, size: int = 50) -> dict[str, Any]:
    """Build the object that describes the picture of a Facebook Page: its URL, and its width and height, `size` pixels.

    The picture's URL is the same for every size.
    """
    return {"height": size, "is_silhouette": False, "url": build_picture_url(page), "width": size}


def build_picture_url(page: Page) -> str:
    """Build the current URL of the picture of a Facebook Page.

    A new picture has another path. The signature in the query also changes with every call of `edits.drift_page`.
    """
    digest = hashlib.sha256(f"{page.id}:{page.picture}:{page.signature}".encode()).hexdigest()
    path = f"{page.id[-9:]}_{page.picture}_n.jpg"
    query = f"_nc_cat=1{page.picture % 10}&ccb=1-7&oh=00_{digest[:40]}&oe={0x6A000000 + page.signature:X}"
    return f"https://scontent.example/v/t39.30808-1/{path}?{query}"
