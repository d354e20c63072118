"""Decides what a full sync reads: everything, what has changed, or nothing because nothing has."""

from collections.abc import AsyncIterator
from dataclasses import replace

import structlog

from odoo_fetcher.cursors import ReadCursor
from odoo_fetcher.database_reader import DatabaseReader
from odoo_fetcher.read_state import ReadState, decode_state
from odoo_fetcher.small_readers import MODELS, WAREHOUSES
from odoo_fetcher.stock_reader import LOCATION, QUANT
from odoo_fetcher.watched_models import PRODUCTS, STOCK, SeenRow, WatchedModel, list_watched_models
from odoo_fetcher.windows import Window, WindowLook, open_window
from platform_sdk.errors import AccessDeniedError
from platform_sdk.session import FullReadState
from platforms.odoo.calls import Domain
from platforms.odoo.reading import ALL, RecordsSession, list_pages

log = structlog.get_logger()


async def plan_read(reader: DatabaseReader, previous: FullReadState | None) -> ReadCursor:
    """Return where a full sync begins. `previous` is what the one before has left.

    What is known of the database's changes is asked for before any record is read, so that a later change shows at the
    next full sync.
    """
    before = decode_state(previous.text) if previous else None
    if previous is None or before is None or before.is_due_for_full_read(reader.fields.digest, reader.now()):
        return await plan_everything(reader)
    cursor = await _plan_changes(reader, before)
    return await plan_everything(reader) if cursor is None else replace(cursor, continues=previous.sync_id)


async def plan_everything(reader: DatabaseReader) -> ReadCursor:
    """Return the beginning of a read of everything that the user may read."""
    now, skipped = reader.now(), dict[str, str]()
    for resource in reader.list_resources():
        if resource != PRODUCTS and (reason := await _find_refusal(reader.session, resource)):
            skipped[resource] = reason
    state = ReadState(reader.fields.digest, full_at=now, rare_at=now, skipped=skipped)
    windows, counts = dict[str, Window](), dict[str, int]()
    for model in list_watched_models(reader.fields, skipped):
        try:
            window = await _open(reader.session, model, now)
        except AccessDeniedError as error:
            log.info("changes cannot be watched", model=model.model, reason=error.reason)
            continue
        windows[model.model] = window
        if model.is_counted:
            counts[model.model] = await _count_before(reader.session, model, window.since)
    resources = tuple(resource for resource in reader.list_resources() if resource not in skipped)
    return ReadCursor(replace(state, windows=windows, counts=counts), reader.read_clock(), resources)


async def _plan_changes(reader: DatabaseReader, before: ReadState) -> ReadCursor | None:
    """Return the beginning of a read of the changes; None where records were deleted, and nothing tells which."""
    now, session = reader.now(), reader.session
    is_rare_look = before.is_due_for_rare_look(now)
    windows, counts = dict(before.windows), dict(before.counts)
    changed, gone = dict[str, tuple[int, ...]](), dict[str, tuple[SeenRow, ...]]()
    touched = set[str]()
    for model in list_watched_models(reader.fields, before.skipped):
        window = before.windows.get(model.model)
        if window is None or (model.is_rare and not is_rare_look):
            continue
        look = await _look(session, model, window, now)
        windows[model.model] = look.build_next()
        if groups := look.find_changed_groups():
            changed[model.model] = tuple(sorted(groups))
        if rows := look.list_gone():
            gone[model.model] = tuple(rows)
        if groups or rows:
            touched |= {resource for resource in (PRODUCTS, STOCK) if model.is_about(resource)}
        if model.is_counted:
            since = windows[model.model].since
            # The later count first: what is deleted between the two is missing in the second one.
            if since != window.since:
                counts[model.model] = await _count_before(session, model, since)
            count = await _count_before(session, model, window.since)
            if count != before.counts[model.model]:
                log.info("records were deleted", model=model.model, known=before.counts[model.model], count=count)
                return None
    state = replace(before, windows=windows, counts=counts, rare_at=now if is_rare_look else before.rare_at)
    small = [one for one in reader.list_resources() if is_rare_look and one in MODELS and one not in before.skipped]
    listed = [one for one in (PRODUCTS, STOCK) if one in touched and one not in before.skipped]
    resources = (*small, *listed)
    return ReadCursor(state, reader.read_clock(), resources, changed=changed, gone=gone)


def build_window_domain(model: WatchedModel, since: str) -> Domain:
    """Return the condition of the records in a window of a model that begins at `since`."""
    return [*model.condition, *([("write_date", ">=", since)] if since else [])]


async def _find_refusal(session: RecordsSession, resource: str) -> str | None:
    """Return why the user may not read a resource; None where they may."""
    models = {STOCK: (QUANT, LOCATION), WAREHOUSES: (MODELS[WAREHOUSES], LOCATION)}
    try:
        for model in models.get(resource) or (MODELS[resource],):
            await session.search_count(model, [], context=ALL)
    except AccessDeniedError as error:
        return error.reason
    return None


async def _open(session: RecordsSession, model: WatchedModel, now: float) -> Window:
    latest = await session.search_read(
        model.model, list(model.condition), ["write_date"], order="write_date desc, id desc", limit=1, context=ALL
    )
    window = open_window(str(latest[0]["write_date"] or "") if latest else "", now)
    return (await _look(session, model, window, now)).build_next()


async def _look(session: RecordsSession, model: WatchedModel, window: Window, now: float) -> WindowLook:
    look = WindowLook(window, now, model.remembers)
    async for rows in _list_written(session, model, window.since):
        look.add(rows)
    return look


async def _list_written(
    session: RecordsSession, model: WatchedModel, since: str
) -> AsyncIterator[list[tuple[SeenRow, str]]]:
    fields = ("id", "write_date", *model.fields)
    async for rows in list_pages(session, model.model, build_window_domain(model, since), fields):
        yield [(model.select(row), str(row["write_date"] or "")) for row in rows]


async def _count_before(session: RecordsSession, model: WatchedModel, since: str) -> int:
    domain: Domain = [("create_date", "<", since)] if since else [("id", "=", 0)]
    return await session.search_count(model.model, domain, context=ALL)
