"""Cursors and states come back from their texts, and begin anew where they must."""

from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.source import FullReadEnd
from phpmyadmin_fetcher.cursors import ReadCursor, decode_cursor
from phpmyadmin_fetcher.measures import (
    Changes,
    ReadState,
    Sums,
    decode_state,
    has_same_update,
    is_due_for_full_read,
    mark_as_read,
)
from platforms.phpmyadmin.columns import Column, TableDescription, UniqueKey
from platforms.phpmyadmin.statements import KeyPosition

ID = Column("id", "int", "int(11)", is_nullable=False)
TIMES = st.floats(0, 4e9)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
STATES = st.builds(
    ReadState,
    digest=TEXTS,
    full_at=TIMES,
    read_at=TIMES,
    count=st.none() | st.integers(0, 2**62),
    updated_at=st.none() | TIMES,
    checksum=st.none() | TEXTS,
    sums=st.none() | st.builds(Sums, st.integers(0, 2**62), TEXTS, TEXTS),
    changes=st.none() | st.builds(Changes, st.integers(0, 2**62), TEXTS),
    changes_seen_at=TIMES,
    is_settled=st.booleans(),
)
CURSORS = st.builds(
    ReadCursor,
    state=STATES,
    started_at=st.integers(0, 2**50),
    attempt=st.integers(1, 9),
    after=st.lists(TEXTS, max_size=3).map(tuple),
    sent=st.integers(0, 2**40),
    zero_dates=st.integers(0, 9),
    ends_read=st.booleans(),
    continues=st.none() | st.uuids(),
    since=TEXTS,
)


def build_table(**more: Any) -> TableDescription:
    key = UniqueKey("PRIMARY", (ID,))
    return TableDescription(
        **{"database": "shop", "name": "orders", "columns": (ID,), "key": key, "read_at": 5000.0, **more}
    )


def count_as(count: str) -> Any:
    """A session at a database that counts so many rows."""

    class Session:
        async def fetch_single(self, statement: str, limits: Any) -> dict[str, str]:
            """The number of rows."""
            assert "COUNT(*)" in statement
            return {"c0": count}

    return Session()


@given(STATES)
def test_a_state_comes_back_from_its_text(state: ReadState) -> None:
    assert decode_state(state.encode()) == state
    FullReadEnd((), 0, state=state.encode())


@given(CURSORS)
def test_a_cursor_comes_back_from_its_text(cursor: ReadCursor) -> None:
    assert decode_cursor(cursor.encode()) == cursor


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "null", "5", '"x"', '{"sums": 5, "changes": null}', '{"digest": "a"}']
)
def test_a_text_of_another_version_is_no_state(text: str) -> None:
    assert decode_state(text) is None


def test_a_cursor_with_a_state_of_another_version_is_refused() -> None:
    values = orjson.loads(ReadCursor(ReadState("a", 1, 2), 3).encode())
    with pytest.raises(ValueError, match="not a cursor"):
        decode_cursor(orjson.dumps({**values, "state": "{}"}).decode())


@given(CURSORS)
def test_a_cursor_advances_behind_the_last_row(cursor: ReadCursor) -> None:
    place = cursor.advance(KeyPosition(("7", "8")), 5, (3, 4), 2)
    assert place.position == KeyPosition(("7", "8"))
    assert (place.sent, place.zero_dates) == (cursor.sent + 5, cursor.zero_dates + 2)
    assert place.hashes == (str(int(cursor.hashes[0]) + 3), str(int(cursor.hashes[1]) + 4))
    assert place.advance(None, 0, (0, 0), 0) == place


@given(CURSORS)
def test_another_attempt_reads_the_same_rows_and_ends_no_read(cursor: ReadCursor) -> None:
    again = cursor.begin_next_attempt()
    assert (again.attempt, again.position, again.sent, again.ends_read) == (cursor.attempt + 1, None, 0, False)
    assert (again.since, again.continues, again.state) == (cursor.since, cursor.continues, cursor.state)


@given(CURSORS)
def test_a_read_of_altered_columns_reads_all_rows_and_proves_nothing_for_the_next(cursor: ReadCursor) -> None:
    table = build_table()
    again = cursor.restart(table)
    assert again.state == ReadState(table.digest, full_at=5000.0, read_at=5000.0)
    assert (again.attempt, again.position, again.sent) == (cursor.attempt + 1, None, 0)
    assert (again.since, again.continues) == ("", None)
    assert (again.started_at, again.ends_read) == (cursor.started_at, cursor.ends_read)


@given(CURSORS)
def test_a_read_in_place_of_the_changes_alone_is_a_first_one(cursor: ReadCursor) -> None:
    again = cursor.read_everything()
    assert (again.attempt, again.position, again.since, again.continues) == (1, None, "", None)
    assert again.state.sums is None and again.state.changes is None and again.state.updated_at is None


@pytest.mark.parametrize(
    ("before", "now", "read_at", "is_old"),
    [
        (None, None, 5000.0, False),
        (100.0, None, 5000.0, False),
        (None, 100.0, 5000.0, False),
        (100.0, 100.0, 5000.0, True),
        (100.0, 101.0, 5000.0, False),
        (101.0, 100.0, 5000.0, False),
        (4998.0, 4998.0, 5000.0, True),
        (4998.5, 4998.5, 5000.0, False),
        (5000.0, 5000.0, 5000.0, False),
        (5001.0, 5001.0, 5000.0, False),
    ],
)
async def test_only_the_same_time_well_before_the_look_proves_that_nothing_has_changed(
    before: float | None, now: float | None, read_at: float, is_old: bool
) -> None:
    state = ReadState("a", full_at=0, read_at=read_at, count=7, updated_at=before)
    assert await has_same_update(count_as("7"), build_table(updated_at=now), state) is is_old


@pytest.mark.parametrize(("before", "now"), [(7, "0"), (7, "8"), (None, "7")])
async def test_the_same_time_proves_nothing_without_the_same_number_of_rows(before: int | None, now: str) -> None:
    state = ReadState("a", full_at=0, read_at=5000.0, count=before, updated_at=100.0)
    assert not await has_same_update(count_as(now), build_table(updated_at=100.0), state)


@pytest.mark.parametrize(("hours", "is_due"), [(0, False), (23.9, False), (24, True), (48, True), (-1, True)])
def test_all_rows_are_due_after_a_day_and_where_the_clock_was_set_back(hours: float, is_due: bool) -> None:
    table = build_table(read_at=1e6)
    state = ReadState(table.digest, full_at=1e6 - hours * 3600, read_at=1e6)
    assert is_due_for_full_read(state, table) is is_due


@pytest.mark.parametrize(
    "change",
    [
        {"columns": (ID, Column("b", "int", "int", is_nullable=False))},
        {"columns": (Column("id", "int", "int(11) unsigned", is_nullable=False),)},
        {"columns": (Column("id", "int", "int(11)", is_nullable=False, has_json=True),)},
        {"columns": (Column("b", "int", "int(11)", is_nullable=False),)},
        {"key": None},
    ],
)
def test_all_rows_are_due_where_columns_or_the_key_are_others(change: dict[str, Any]) -> None:
    state = ReadState(build_table().digest, full_at=5000.0, read_at=5000.0)
    assert not is_due_for_full_read(state, build_table())
    assert is_due_for_full_read(state, build_table(**change))


def test_an_unchanged_table_keeps_when_it_was_read_whole() -> None:
    state = ReadState("a", full_at=1.0, read_at=2.0, sums=Sums(1, "2", "3"), updated_at=None)
    marked = mark_as_read(state, build_table(updated_at=9.0))
    assert marked == ReadState("a", full_at=1.0, read_at=5000.0, sums=Sums(1, "2", "3"), updated_at=9.0)


def test_what_a_read_continues_is_kept_in_its_cursor() -> None:
    sync_id = UUID(int=5)
    assert decode_cursor(ReadCursor(ReadState("a", 1, 2), 3, continues=sync_id).encode()).continues == sync_id
