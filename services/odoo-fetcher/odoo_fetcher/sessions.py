"""What the fetcher needs of a session at an Odoo: a few methods, which `platforms.odoo.session` implements."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

Row = dict[str, Any]
"""A record as Odoo gives it: its fields by name."""
Domain = list[Any]
"""A search condition in Odoo's own form, e.g. `[("id", ">", 5)]`."""
ALL = {"active_test": False}
"""The context in which archived records are found as well."""


class RecordsSession(Protocol):
    """Reads the records of one database. Its methods raise the errors of `platform_sdk` and `platforms.odoo.errors`."""

    async def authenticate(self) -> int:
        """Return the user's id. A key that was removed shows only here at once."""
        ...

    async def search_read(
        self,
        model: str,
        domain: Domain,
        fields: Sequence[str],
        *,
        order: str = "id",
        limit: int | None = None,
        offset: int = 0,
        context: Mapping[str, object] | None = None,
    ) -> list[Row]:
        """Return the records that meet the condition, with these fields."""
        ...

    async def search_count(
        self, model: str, domain: Domain, *, context: Mapping[str, object] | None = None
    ) -> int:
        """Return how many records meet the condition."""
        ...

    async def get_fields(self, model: str) -> Mapping[str, Mapping[str, Any]]:
        """Return the model's fields that the user may read, by name."""
        ...
