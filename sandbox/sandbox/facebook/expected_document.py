"""The document that merchant-sync must store for a Facebook Page, computed from the sandbox's own data.

Requests of clients do not influence it, so tests can compare it with what merchant-sync stored.
"""

from typing import Any

import orjson

from sandbox.facebook.field_selection import build_picture_url
from sandbox.facebook.model import Page

DEFAULT_FIELDS = (
    "id", "name", "category", "about", "website", "link", "verification_status", "location", "phone", "username",
    "description", "bio", "category_list", "emails", "hours", "single_line_address", "is_published", "picture",
    "fan_count", "followers_count", "overall_star_rating", "rating_count",
)  # fmt: skip
"""The page fields that merchant-sync reads by default. The document also has `email`, the first value of `emails`."""


def build_document(page: Page, fields: tuple[str, ...] = DEFAULT_FIELDS) -> bytes:
    """Build the exact bytes of the document that merchant-sync must store for a Facebook Page.

    It contains `id` and the page fields `fields`. Keys are sorted, there is no white space, and a field without a value
    is null. In the document of a deleted page, the list `data` is empty.
    """
    pages = [] if page.gone else [_build_node(page, fields)]
    return orjson.dumps({"data": pages}, option=orjson.OPT_SORT_KEYS)


def _build_node(page: Page, fields: tuple[str, ...]) -> dict[str, Any]:
    values = {**page.fields, "id": page.id, "picture": {"data": {"url": build_picture_url(page)}}}
    node = {name: values.get(name) for name in ("id", *fields)}
    if "emails" in node:
        node["email"] = next(iter(node["emails"] or ()), None)
    return node
