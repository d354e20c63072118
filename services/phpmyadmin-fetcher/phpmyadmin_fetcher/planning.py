"""Decides what a full sync reads: all rows, those that have changed, or none because nothing has."""

from dataclasses import replace

from phpmyadmin_fetcher.cursors import ReadCursor
from phpmyadmin_fetcher.measures import (
    OVERLAP_SECONDS,
    Changes,
    ReadState,
    decode_state,
    has_same_update,
    is_due_for_full_read,
    mark_as_read,
    measure_changes,
    measure_sums,
    read_checksum,
)
from phpmyadmin_fetcher.table_reader import TableReader
from platform_sdk.session import FullReadState
from platforms.phpmyadmin.columns import TableDescription


async def plan_read(
    reader: TableReader, table: TableDescription, previous: FullReadState | None, *, started_at: int
) -> ReadCursor:
    """Return where the read begins: at all rows, at the changed ones, or at its end if nothing has changed.

    Nothing has changed where the cursor continues another full sync and has no `since`. What is known of the table is
    asked for before any row is read, so that a later change shows at the next full sync. `previous` is the state of the
    latest full sync, `started_at` (ms) the beginning of this one.
    """
    before = decode_state(previous.text) if previous else None
    session, changed = reader.session, reader.find_changed_column(table)
    fresh = ReadState(table.digest, full_at=table.read_at, read_at=table.read_at, updated_at=table.updated_at)
    if previous is None or before is None or is_due_for_full_read(before, table):
        if changed is None:
            return ReadCursor(fresh, started_at)
        changes = await measure_changes(session, table, changed)
        return ReadCursor(_add_changes(fresh, changes, table.read_at), started_at)
    unchanged = ReadCursor(mark_as_read(before, table), started_at, continues=previous.sync_id)
    if await has_same_update(session, table, before):
        return unchanged
    checksum = await read_checksum(session, table)
    if checksum is not None and checksum == before.checksum:
        return unchanged
    if changed is not None:
        return _plan_by_changes(fresh, before, unchanged, await measure_changes(session, table, changed))
    if before.sums is not None and await measure_sums(session, table) == before.sums:
        return replace(unchanged, state=replace(unchanged.state, checksum=checksum))
    return ReadCursor(fresh, started_at)


def _plan_by_changes(fresh: ReadState, before: ReadState, unchanged: ReadCursor, changes: Changes) -> ReadCursor:
    """Return where the read begins, by the column that says when a row was changed.

    Equal numbers of rows and equal latest changes prove nothing at once: what was written shortly before may have been
    committed since. So the rows around that time are read once more after a while, and then they prove it.
    """
    if before.changes is None or not before.changes.latest:
        return ReadCursor(_add_changes(fresh, changes, fresh.read_at), unchanged.started_at)
    newer = replace(unchanged, since=before.changes.latest)
    fresh = replace(fresh, full_at=before.full_at)
    if changes != before.changes:
        return replace(newer, state=_add_changes(fresh, changes, fresh.read_at))
    if before.is_settled:
        return unchanged
    state = _add_changes(fresh, changes, before.changes_seen_at)
    return replace(newer, state=replace(state, is_settled=fresh.read_at - state.changes_seen_at >= OVERLAP_SECONDS))


def _add_changes(state: ReadState, changes: Changes, seen_at: float) -> ReadState:
    return replace(state, changes=changes, changes_seen_at=seen_at, count=changes.count)
