"""Changes of Facebook Pages: edits by their owners, and drift.

Drift changes counters and picture URLs without an edit.
"""

from random import Random
from typing import Any

from sandbox import sample_texts
from sandbox.facebook.field_selection import build_picture_url
from sandbox.facebook.generator import format_address
from sandbox.facebook.graph_schema import PAGE_FIELDS, WEBHOOK_FIELDS
from sandbox.facebook.model import Page

_READ_ONLY = frozenset({"id", "access_token", "page_token", "single_line_address"})
_REQUIRED = frozenset({"name", "category", "category_list", "link", "is_published"})
_COUNTERS = ("fan_count", "followers_count", "rating_count")
_TYPES: dict[str, type] = {
    "name": str, "category": str, "location": dict, "hours": dict, "emails": list, "category_list": list,
    **dict.fromkeys(_COUNTERS, int),
}  # fmt: skip
"""The Python type that a new value must have, by page field. Fields that are not listed take values of any type."""
_BURST_FIELDS = ("name", "phone", "website", "description", "bio")


def edit_and_build_webhook_changes(page: Page, values: dict[str, Any]) -> dict[str, Any]:
    """Set `values`, by page field, in the Facebook Page. Return the new values that webhooks report, by webhook field.

    The caller has checked the values with `check_values`. None or an empty value clears a field. Any value of `picture`
    gives the page a new picture. Fields whose value does not change are not reported.
    """
    changes: dict[str, Any] = {}
    for name, value in values.items():
        if name == "picture":
            page.picture += 1
            changes["picture"] = {"picture": build_picture_url(page)}
        elif page.fields.get(name) != _replace_empty_by_none(value):
            _set_with_derived_fields(page, name, _replace_empty_by_none(value))
            webhook_field = "email" if name == "emails" else name
            if webhook_field in WEBHOOK_FIELDS:
                changes[webhook_field] = next(iter(value or ()), None) if name == "emails" else value
    return changes


def check_values(values: dict[str, Any]) -> None:
    """Raise ValueError if `values` has a field that cannot be set, or a value that the field cannot have."""
    for name, value in values.items():
        if name == "picture":
            continue
        if name not in PAGE_FIELDS or name in _READ_ONLY:
            raise ValueError(f"a page's {name} cannot be set")
        if _replace_empty_by_none(value) is None:
            if name in _REQUIRED:
                raise ValueError(f"every page has a {name}")
        elif not isinstance(value, _TYPES.get(name, object)):
            raise ValueError(f"a page's {name} is no {type(value).__name__}")


def drift_page(page: Page, rng: Random) -> None:
    """Change the counters and ratings of the Facebook Page, and the signature in the URL of its picture."""
    page.signature += 1
    for name in _COUNTERS:
        page.fields[name] = page.fields.get(name, 0) + rng.randrange(1, 50)
    page.fields["overall_star_rating"] = round(1 + page.fields["rating_count"] % 40 / 10, 1)


def generate_burst(pages: list[Page], count: int, seed: int) -> list[tuple[Page, dict[str, Any]]]:
    """Generate `count` edits, of the Facebook Pages in turn. Return for each edit the page and the new value by field.

    Each edit sets another field or another value than the page's previous edit, so that every edit changes something.
    The same seed gives the same values.
    """
    rng = Random(seed)
    edits = []
    for index in range(count):
        page, name = pages[index % len(pages)], _BURST_FIELDS[index // len(pages) % len(_BURST_FIELDS)]
        edits.append((page, {name: _generate_value(name, rng, index)}))
    return edits


def _generate_value(name: str, rng: Random, index: int) -> str:
    if name == "phone":
        return f"+49 30 {rng.randrange(10**5, 10**6)}{index}"
    if name == "website":
        return f"https://site-{rng.randrange(10**6)}.example/{index}"
    return f"{sample_texts.choose_title(rng)} {rng.randrange(10**6)}/{index}"


def _set_with_derived_fields(page: Page, name: str, value: Any) -> None:
    if value is None:
        page.fields.pop(name, None)
    else:
        page.fields[name] = value
    if name == "location":
        _set_with_derived_fields(page, "single_line_address", format_address(value) if value else None)
    if name == "category" and value is not None:
        page.fields["category_list"] = [{"id": "2200", "name": value}]


def _replace_empty_by_none(value: Any) -> Any:
    """Return the value, or None if it is empty. None clears a field."""
    return None if value in ("", [], {}) else value
