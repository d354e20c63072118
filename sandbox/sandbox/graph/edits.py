"""Edits of pages, as their owners make them and as time does."""

from random import Random
from typing import Any

from sandbox import sample_texts
from sandbox.graph.fields import picture_url
from sandbox.graph.generator import address
from sandbox.graph.model import Page
from sandbox.graph.names import PAGE_FIELDS, WEBHOOK_FIELDS

_FIXED = frozenset({"id", "access_token", "page_token", "single_line_address"})
_ALWAYS = frozenset({"name", "category", "category_list", "link", "is_published"})
_COUNTERS = ("fan_count", "followers_count", "rating_count")
_SHAPES: dict[str, type] = {
    "name": str, "category": str, "location": dict, "hours": dict, "emails": list, "category_list": list,
    **dict.fromkeys(_COUNTERS, int),
}  # fmt: skip
"""What the values of fields are that something here is computed from."""
_BURST = ("name", "phone", "website", "description", "bio")


def edit(page: Page, values: dict[str, Any]) -> dict[str, Any]:
    """Set fields of the page that `check` has let through, None or an empty value clears one; a `picture` of any
    value is a new picture. What webhooks say of it: values by the webhooks' names.
    """
    said: dict[str, Any] = {}
    for name, value in values.items():
        if name == "picture":
            page.picture += 1
            said["picture"] = {"picture": picture_url(page)}
        elif page.fields.get(name) != _cleared(value):
            _set(page, name, _cleared(value))
            webhook = "email" if name == "emails" else name
            if webhook in WEBHOOK_FIELDS:
                said[webhook] = next(iter(value or ()), None) if name == "emails" else value
    return said


def check(values: dict[str, Any]) -> None:
    """Raise ValueError for a field that cannot be set, or not to that."""
    for name, value in values.items():
        if name == "picture":
            continue
        if name not in PAGE_FIELDS or name in _FIXED:
            raise ValueError(f"a page's {name} cannot be set")
        if _cleared(value) is None:
            if name in _ALWAYS:
                raise ValueError(f"every page has a {name}")
        elif not isinstance(value, _SHAPES.get(name, object)):
            raise ValueError(f"a page's {name} is no {type(value).__name__}")


def drift(page: Page, rng: Random) -> None:
    """What moves by itself: counters, and the address of the picture."""
    page.signature += 1
    for name in _COUNTERS:
        page.fields[name] = page.fields.get(name, 0) + rng.randrange(1, 50)
    page.fields["overall_star_rating"] = round(1 + page.fields["rating_count"] % 40 / 10, 1)


def burst(pages: list[Page], edits: int, seed: int) -> list[tuple[Page, dict[str, Any]]]:
    """That many edits over those pages, each of another field or value than the one before."""
    rng = Random(seed)
    made = []
    for index in range(edits):
        page, name = pages[index % len(pages)], _BURST[index // len(pages) % len(_BURST)]
        made.append((page, {name: _value(name, rng, index)}))
    return made


def _value(name: str, rng: Random, index: int) -> str:
    if name == "phone":
        return f"+49 30 {rng.randrange(10**5, 10**6)}{index}"
    if name == "website":
        return f"https://site-{rng.randrange(10**6)}.example/{index}"
    return f"{sample_texts.choose_title(rng)} {rng.randrange(10**6)}/{index}"


def _set(page: Page, name: str, value: Any) -> None:
    if value is None:
        page.fields.pop(name, None)
    else:
        page.fields[name] = value
    if name == "location":
        _set(page, "single_line_address", address(value) if value else None)
    if name == "category" and value is not None:
        page.fields["category_list"] = [{"id": "2200", "name": value}]


def _cleared(value: Any) -> Any:
    return None if value in ("", [], {}) else value
