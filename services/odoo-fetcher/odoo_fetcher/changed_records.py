"""Finds which products, and whose stock, the changes in the windows are about."""

from collections.abc import AsyncIterator, Iterable

from odoo_fetcher.cursors import ReadCursor
from odoo_fetcher.planning import build_window_domain
from odoo_fetcher.read_state import ReadState
from odoo_fetcher.watched_models import PRODUCTS, Lookup, SeenRow, WatchedModel
from odoo_fetcher.windows import get_group
from platforms.odoo.field_values import read_reference
from platforms.odoo.reading import ROWS_PER_CALL, RecordsSession, list_pages

MAX_COLLECTED = 2_000
"""How many ids are found at once. However many have changed, no more are in memory."""


class LowestIds:
    """Collects the lowest ids above `after`, each with the locations that are told of it."""

    def __init__(self, after: int, limit: int = MAX_COLLECTED) -> None:
        self._after = after
        self._limit = limit
        self._found: dict[int, set[int]] = {}

    def add(self, number: int, locations: Iterable[int] = ()) -> None:
        """Take in an id."""
        if number <= self._after:
            return
        self._found.setdefault(number, set()).update(locations)
        if len(self._found) >= 2 * self._limit:
            self._found = self.list_lowest()

    def list_lowest(self) -> dict[int, set[int]]:
        """Return the lowest ids in their order, with their locations."""
        return {number: self._found[number] for number in sorted(self._found)[: self._limit]}


async def find_changed(
    session: RecordsSession, models: Iterable[WatchedModel], before: ReadState, cursor: ReadCursor
) -> dict[int, set[int]]:
    """Return the ids of the next records of the cursor's resource that may have changed, with their locations.

    They are templates, or products whose stock may have. `before` is what the full sync before has left.
    """
    found = LowestIds(cursor.place.after)
    for model in models:
        if not model.is_about(cursor.resource):
            continue
        for row in cursor.gone.get(model.model, ()):
            _add(model, row, cursor.resource, found)
        groups = frozenset(cursor.changed.get(model.model, ()))
        if not groups:
            continue
        async for rows in _list_changed(session, model, before, groups):
            lookup = model.template_lookup if cursor.resource == PRODUCTS else model.product_lookup
            if lookup is not None:
                async for number in _look_up(session, lookup, [row[0] for row in rows]):
                    found.add(number)
            for row in rows:
                _add(model, row, cursor.resource, found)
    return found.list_lowest()


def _add(model: WatchedModel, row: SeenRow, resource: str, found: LowestIds) -> None:
    if resource == PRODUCTS:
        found.add(model.get(row, model.template))
    else:
        found.add(model.get(row, model.product), filter(None, (model.get(row, name) for name in model.locations)))


async def _list_changed(
    session: RecordsSession, model: WatchedModel, before: ReadState, groups: frozenset[int]
) -> AsyncIterator[list[SeenRow]]:
    domain = build_window_domain(model, before.windows[model.model].since)
    async for rows in list_pages(session, model.model, domain, ("id", *model.fields)):
        yield [model.select(row) for row in rows if get_group(row["id"]) in groups]


async def _look_up(session: RecordsSession, lookup: Lookup, ids: list[int]) -> AsyncIterator[int]:
    for begin in range(0, len(ids), ROWS_PER_CALL):
        domain = [(lookup.field, lookup.operator, ids[begin : begin + ROWS_PER_CALL])]
        async for rows in list_pages(session, lookup.model, domain, tuple({"id", lookup.result})):
            for row in rows:
                yield row["id"] if lookup.result == "id" else read_reference(row[lookup.result]) or 0
