"""The record of a page, in the form in which the document shows it."""

from collections.abc import Iterable, Mapping
from typing import Any

from contracts.events import Record
from facebook_fetcher.fields import PageField

RESOURCE = "page"
VOLATILE = frozenset({"picture", "fan_count", "followers_count", "overall_star_rating", "rating_count"})
"""What moves by itself: a signed address that rotates, and counters."""


def page_record(page_id: str, page: Mapping[str, Any], fields: Iterable[PageField], read_at: int) -> Record:
    """All of `fields`, asked for or refused: Graph leaves out what a page has not filled in, and here it is null.

    Pages have no `email`: it is the first of `emails`. They have no time of change either, so readings compare by
    `read_at`.
    """
    shown = {field.name: page.get(field.name) for field in fields}
    if "emails" in shown:
        shown["email"] = _first(shown["emails"])
    return Record(
        resource=RESOURCE,
        id=page_id,
        read_at=read_at,
        body={name: value for name, value in shown.items() if name not in VOLATILE},
        volatile_fields={name: value for name, value in shown.items() if name in VOLATILE},
    )


def gone(page_id: str, read_at: int) -> Record:
    """The page was asked for and is not there."""
    return Record(resource=RESOURCE, id=page_id, read_at=read_at)


def _first(emails: object) -> str | None:
    return next((email for email in emails if isinstance(email, str)), None) if isinstance(emails, list) else None
