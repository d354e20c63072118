"""What readers of a database need of a session at an Odoo, and the ways in which they always ask."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Protocol

from platforms.odoo.calls import Context, Domain, Row

ROWS_PER_CALL = 500
"""The most rows that are asked for at once."""
ALL: Context = {"active_test": False}
"""The context in which archived records are found as well."""
Clock = Callable[[], float]
"""Returns seconds since the Unix epoch."""


class RecordsSession(Protocol):
    """Reads the records of one database, as `platforms.odoo.session.OdooSession` does."""

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
        context: Context | None = None,
    ) -> list[Row]:
        """Return the records that meet the condition, with these fields."""
        ...

    async def search_count(self, model: str, domain: Domain, *, context: Context | None = None) -> int:
        """Return how many records meet the condition."""
        ...

    async def get_fields(self, model: str) -> Mapping[str, Row]:
        """Return the model's fields that the user may read, by name."""
        ...


async def list_pages(
    session: RecordsSession,
    model: str,
    domain: Domain,
    fields: Sequence[str],
    *,
    after: int = 0,
    context: Context | None = ALL,
) -> AsyncIterator[list[Row]]:
    """Yield the records that meet the condition in the order of their ids, page by page; archived ones too by default.

    Pages begin behind an id, not at a `write_date`: Odoo gives times in seconds and compares microseconds.
    """
    while True:
        rows = await session.search_read(
            model, [*domain, ("id", ">", after)], fields, order="id", limit=ROWS_PER_CALL, context=context
        )
        if rows:
            yield rows
        if len(rows) < ROWS_PER_CALL:
            return
        after = rows[-1]["id"]


async def list_rows(
    session: RecordsSession,
    model: str,
    field: str,
    ids: Iterable[int],
    fields: Sequence[str],
    *conditions: object,
    context: Context | None = ALL,
) -> list[Row]:
    """Return all records that have one of `ids` in `field`, archived ones too by default. No ids take no call."""
    found: list[Row] = []
    wanted = sorted(set(ids))
    for begin in range(0, len(wanted), ROWS_PER_CALL):
        domain = [(field, "in", wanted[begin : begin + ROWS_PER_CALL]), *conditions]
        async for rows in list_pages(session, model, domain, fields, context=context):
            found += rows
    return found
