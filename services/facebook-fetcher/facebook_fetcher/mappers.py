"""Maps a Facebook Page to its record, in the form of the snapshot document."""

from collections.abc import Iterable, Mapping
from typing import Any

from contracts.events import Record
from platforms.facebook.fields import PageField

RESOURCE = "page"
VOLATILE_FIELDS = frozenset({"picture", "fan_count", "followers_count", "overall_star_rating", "rating_count"})
"""The fields that change without an edit of the Page: counters, and the picture, whose signed URL rotates."""


def map_page(page_id: str, page: Mapping[str, Any], fields: Iterable[PageField], read_at: int) -> Record:
    """Return the record of a Page, with all of `fields`, including those that the Graph API refuses.

    The Graph API omits fields that are empty; the record has them as None. A Page has no field `email`, so the record's
    `email` is the first of `emails`. A Page has no time of change either, so versions of it are compared by `read_at`
    (Unix time, ms).
    """
    values = {field.name: page.get(field.name) for field in fields}
    if "emails" in values:
        values["email"] = _find_first_email(values["emails"])
    return Record(
        resource=RESOURCE,
        id=page_id,
        read_at=read_at,
        body={name: value for name, value in values.items() if name not in VOLATILE_FIELDS},
        volatile_fields={name: value for name, value in values.items() if name in VOLATILE_FIELDS},
    )


def build_tombstone(page_id: str, read_at: int) -> Record:
    """Return a tombstone: the note that the Page was requested at `read_at` (Unix time, ms) and does not exist."""
    return Record(resource=RESOURCE, id=page_id, read_at=read_at)


def _find_first_email(emails: object) -> str | None:
    return next((email for email in emails if isinstance(email, str)), None) if isinstance(emails, list) else None
