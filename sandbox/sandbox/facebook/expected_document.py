"""What a page's object must be, computed from the sandbox's own page and from nothing that a client said."""

from typing import Any

import orjson

from sandbox.facebook.field_selection import picture_url
from sandbox.facebook.model import Page

KEYS = (
    "id", "name", "category", "about", "website", "link", "verification_status", "location", "phone", "username",
    "description", "bio", "category_list", "emails", "hours", "single_line_address", "is_published", "picture",
    "fan_count", "followers_count", "overall_star_rating", "rating_count",
)  # fmt: skip
"""What is asked for when nobody says otherwise; `email` comes with `emails`."""


def document(page: Page, keys: tuple[str, ...] = KEYS) -> bytes:
    """The exact bytes of the page's object: keys sorted, no blanks, null for what is not filled in. A page that is
    gone leaves an empty list.
    """
    pages = [] if page.gone else [_node(page, keys)]
    return orjson.dumps({"data": pages}, option=orjson.OPT_SORT_KEYS)


def _node(page: Page, keys: tuple[str, ...]) -> dict[str, Any]:
    values = {**page.fields, "id": page.id, "picture": {"data": {"url": picture_url(page)}}}
    node = {key: values.get(key) for key in ("id", *keys)}
    if "emails" in node:
        node["email"] = next(iter(node["emails"] or ()), None)
    return node
