"""Finds the records that values of products name, and makes those that are missing: categories and tags."""

from collections.abc import Sequence

from platforms.odoo.reading import list_pages
from platforms.odoo.session import OdooSession

CATEGORY, TAG = "product.category", "product.tag"
ROOT = "All"
"""The name of the category that stands for none, where a database has it."""


class NamedRecords:
    """Finds and makes categories and tags of one database. What was found is kept as long as a batch lasts."""

    def __init__(self, session: OdooSession) -> None:
        self._session = session
        self._tags: dict[str, int] | None = None

    async def find_category(self, name: str | None) -> int | bool:
        """Return the id of the category of this name, made if there is none; for None the root, or False."""
        rows = await self._session.search_read(
            CATEGORY, [("name", "=", name or ROOT)], ("id", "parent_id"), order="id", limit=100
        )
        if name is None:
            return next((int(row["id"]) for row in rows if not row["parent_id"]), False)
        if rows:
            return int(rows[0]["id"])
        root = await self.find_category(None)
        (made,) = await self._session.write(CATEGORY, "create", vals_list=[{"name": name, "parent_id": root}])
        return int(made)

    async def find_tags(self, names: Sequence[str]) -> list[int]:
        """Return the ids of the tags of these names, without case; missing ones are made."""
        if self._tags is None:
            self._tags = {
                str(row["name"]).casefold(): int(row["id"])
                async for rows in list_pages(self._session, TAG, [], ("id", "name"))
                for row in rows
            }
        missing = list(dict.fromkeys(name for name in names if name.casefold() not in self._tags))
        if missing:
            made = await self._session.write(TAG, "create", vals_list=[{"name": name} for name in missing])
            self._tags |= {name.casefold(): int(number) for name, number in zip(missing, made, strict=True)}
        return sorted({self._tags[name.casefold()] for name in names})
