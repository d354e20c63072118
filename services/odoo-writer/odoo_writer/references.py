"""Finds the categories and tags that products refer to by name, and makes those that are missing.

They are made just before a product is written that refers to them. One that was made by a write whose outcome is not
known is found by its name at the next attempt.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from linking.records import Value
from linking.values import normalise_case
from odoo_writer.refusals import RefusedWriteError
from odoo_writer.sessions import WritingSession, create_records
from platform_sdk.errors import AccessDeniedError, PermanentError, RetryLaterError
from platforms.odoo.calls import Domain, Row
from platforms.odoo.linking import CATEGORY_SEPARATOR, ROOT_CATEGORY
from platforms.odoo.reading import list_pages

CATEGORY, TAG = "product.category", "product.tag"
NAMES_PER_CALL = 100
_SPECIAL = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})


class ReferenceFinder:
    """The categories and tags of a database. `load` reads those with the names that a batch needs."""

    def __init__(self, session: WritingSession) -> None:
        self._session = session
        self._categories: dict[int, Row] = {}
        self._tags: list[Row] = []

    async def load(self, product_types: Iterable[Value], tags: Iterable[Value]) -> None:
        """Read the categories and tags of these names. Each value is one of a product; others than texts are left."""
        texts = {one.strip() for one in product_types if isinstance(one, str)}
        names = {name for one in tags if isinstance(one, list) for name in split_tags(one)}
        if texts or any(one is None for one in product_types):
            domain = [("name", "in", sorted({*texts, ROOT_CATEGORY}))]
            async for rows in list_pages(self._session, CATEGORY, domain, ("id", "name", "parent_id")):
                self._categories |= {row["id"]: row for row in rows}
        self._tags += await find_by_name(self._session, TAG, names, ("id", "name"))

    async def find_category(self, product_type: Value) -> int | bool:
        """Return the id of the category for a product type; False where no product type has no category.

        Raises RefusedWriteError for a name that several categories have, or that would be read as another one.
        """
        name = product_type.strip() if isinstance(product_type, str) else ""
        known = self._categories.values()
        root = next((row["id"] for row in known if row["name"] == ROOT_CATEGORY and not row["parent_id"]), False)
        if not name:
            return root
        if CATEGORY_SEPARATOR in name or name == ROOT_CATEGORY:
            raise RefusedWriteError(f"no category of Odoo can have the name {name!r}")
        found = [row["id"] for row in known if row["name"].strip() == name]
        if len(found) > 1:
            raise RefusedWriteError(f"{len(found)} categories of Odoo have the name {name!r}")
        if found:
            return int(found[0])
        (number,) = await create_records(self._session, CATEGORY, [{"name": name, "parent_id": root}])
        self._categories[number] = {"id": number, "name": name, "parent_id": root}
        return number

    async def find_tags(self, tags: Value, present: Collection[int] = ()) -> list[int]:
        """Return the ids of the tags of these names. Of several with one name that in `present` is taken."""
        names = split_tags(tags or [])
        chosen = {name: choose_by_name(self._tags, name, present) for name in names}
        missing = [name for name, number in chosen.items() if number is None]
        if missing:
            created = await make_by_name(self._session, TAG, [{"name": name} for name in missing])
            self._tags += [{"id": number, "name": name} for number, name in zip(created, missing, strict=True)]
            chosen |= dict(zip(missing, created, strict=True))
        return [number for number in chosen.values() if number is not None]


async def find_by_name(
    session: WritingSession, model: str, names: Collection[str], fields: Sequence[str], *conditions: object
) -> list[Row]:
    """Return the records that have one of these names, whatever their case. No names take no call."""
    wanted, found = sorted(names), list[Row]()
    for begin in range(0, len(wanted), NAMES_PER_CALL):
        leaves = [("name", "=ilike", name.translate(_SPECIAL)) for name in wanted[begin : begin + NAMES_PER_CALL]]
        domain: Domain = [*conditions, *["|"] * (len(leaves) - 1), *leaves]
        async for rows in list_pages(session, model, domain, fields, context=None):
            found += rows
    return found


async def make_by_name(session: WritingSession, model: str, values: Sequence[Row], *conditions: object) -> list[int]:
    """Create records that were not found by their names, and return their ids.

    Raises RetryLaterError where Odoo refuses it because there is one by now: a call that was not answered may end late.
    """
    try:
        return await create_records(session, model, values)
    except PermanentError as error:
        names = {str(one["name"]) for one in values}
        if isinstance(error, AccessDeniedError) or not await find_by_name(session, model, names, ("id",), *conditions):
            raise
        raise RetryLaterError(f"made meanwhile: {model}", seconds=1.0, escalates=True) from None


def choose_by_name(rows: Iterable[Row], name: str, preferred: Collection[int] = ()) -> int | None:
    """Return the id of the record with a name: a preferred one, one of the same case, or the oldest; None for none."""
    key = normalise_case(name)
    found = [row for row in rows if normalise_case(row["name"]) == key]
    best = min(found, key=lambda row: (row["id"] not in preferred, row["name"] != name, row["id"]), default=None)
    return None if best is None else int(best["id"])


def split_tags(tags: Sequence[Any]) -> list[str]:
    """Return the names of tags, each once whatever its case. A comma separates them. Raises ValueError for others."""
    if not isinstance(tags, list | tuple) or not all(isinstance(one, str) for one in tags):
        raise ValueError("not a list of texts")
    names: Mapping[str, str] = {
        normalise_case(name): name for text in reversed(tags) for part in text.split(",") if (name := part.strip())
    }
    return sorted(names.values())
