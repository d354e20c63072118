"""The fetcher's source over HTTP against the simulated phpMyAdmin and a real one: nothing lost, nothing invented."""

import asyncio
import itertools
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from kinds_of_tables import CHANGES, EVERY_VALUE, FULL_ROW, KEYLESS, KEYS, ODD, build_keyed, build_order, build_orders
from phpmyadmin_fetcher.measures import FULL_SECONDS, decode_state, measure_sums
from platform_sdk.session import FullReadState
from platforms.phpmyadmin.logins import TableOptions
from real_phpmyadmin import MariaDb
from table_copy import TableCopy, check_copy, open_copy
from table_worlds import RealWorld, TableWorld, WorldColumn, WorldTable

pytestmark = pytest.mark.integration

ROWS = 60
"""The rows of a table whose reads are disturbed. Seven are read at once."""
ORDERS = build_orders(ROWS)
UNCHANGED_STATEMENTS = 3


def list_row_statements(world: TableWorld) -> list[str]:
    """Return the statements that have asked for rows."""
    return [one for one in world.list_statements() if re.search(r" AS k0, | FROM `shop`\.[^)]*\) UNION ALL", one)]


class TestValues:
    """The document is the truth, value for value."""

    async def test_every_type_is_read_as_it_is(self, world: TableWorld) -> None:
        world.create(EVERY_VALUE)
        async with open_copy(world.login, EVERY_VALUE.name, rows=2) as copy:
            await copy.sync()
            check_copy(copy, world, EVERY_VALUE)
            assert len(copy.records) == len(EVERY_VALUE.rows)

    @pytest.mark.parametrize("minutes", [-210, 330])
    async def test_instants_have_the_offset_of_the_server(self, reality: RealWorld, minutes: int) -> None:
        reality.create(EVERY_VALUE)
        with reality.in_zone(timedelta(minutes=minutes)):
            async with open_copy(reality.login, EVERY_VALUE.name) as copy:
                await copy.sync()
                check_copy(copy, reality, EVERY_VALUE)

    async def test_odd_names_and_texts_are_kept_apart(self, world: TableWorld) -> None:
        world.create(ODD)
        async with open_copy(world.login, ODD.name) as copy:
            await copy.sync()
            check_copy(copy, world, ODD)

    async def test_without_a_key_equal_rows_are_all_there(self, world: TableWorld) -> None:
        world.create(KEYLESS)
        async with open_copy(world.login, KEYLESS.name) as copy:
            await copy.sync()
            check_copy(copy, world, KEYLESS)
            world.delete(KEYLESS, {"at": KEYLESS.rows[0]["at"]})
            world.update(KEYLESS, {"what": None}, {"what": ""})
            await copy.sync()
            check_copy(copy, world, KEYLESS)

    @pytest.mark.parametrize("kind", KEYS)
    async def test_ranges_of_every_kind_of_key_neither_miss_nor_repeat_rows(self, world: TableWorld, kind: str) -> None:
        table = build_keyed(kind)
        world.create(table)
        async with open_copy(world.login, table.name, rows=4) as copy:
            await copy.sync()
            check_copy(copy, world, table)
            assert len(copy.read) == len(copy.records) == len(table.rows)
            wanted = sorted(copy.records)[1::5]
            fetched = await copy.fetch(*wanted, "~~")
            assert [record.body for record in fetched] == [copy.records[one].body for one in wanted]

    async def test_other_types_of_a_real_server_and_a_view_are_read(self, reality: RealWorld) -> None:
        columns = (
            WorldColumn("id", "int(6) unsigned zerofill", nullable=False),
            WorldColumn("total", "decimal(8,2) unsigned zerofill"),
            WorldColumn("precise", "datetime(6)"),
            WorldColumn("instant", "timestamp(6)"),
            WorldColumn("clock", "time(6)"),
            WorldColumn("bits", "bit(64)"),
            WorldColumn("address", "inet4"),
            WorldColumn("line", "linestring"),
            WorldColumn("twice", "int(11)", definition="AS (id * 2) VIRTUAL"),
            WorldColumn("stored", "varchar(20)", definition="AS (CONCAT('n', id)) STORED"),
            WorldColumn("hidden", "int(11)", definition="INVISIBLE"),
        )
        row = {
            "id": 42, "total": "1.50", "precise": "2024-02-29 12:34:56.123456", "instant": "2024-02-29 12:34:56.000001",
            "clock": "-838:59:59.999999", "bits": 2**63 + 1, "address": "192.0.2.1", "line": "LINESTRING(0 0,1 1.5)",
            "hidden": 1,
        }  # fmt: skip
        table = WorldTable("further", columns, ("id",), (row,))
        reality.create(table)
        reality.mariadb.execute("CREATE OR REPLACE VIEW shop.seen AS SELECT id, total, clock FROM shop.further")
        view = WorldTable("seen", tuple(table.find(name) for name in ("id", "total", "clock")))
        async with open_copy(reality.login, "further") as copy, open_copy(reality.login, "seen") as seen:
            await copy.sync()
            check_copy(copy, reality, table)
            await seen.sync()
            check_copy(seen, reality, view)

    async def test_instants_of_the_hour_that_comes_twice_are_told_apart(self, reality: RealWorld) -> None:
        instants = [f"2026-10-25 0{hour}:{minute:02}:00" for hour in range(4) for minute in (0, 20, 40)]
        columns = (WorldColumn("at", "timestamp", nullable=False), WorldColumn("n", "int(11)"))
        table = WorldTable("clocks_back", columns, ("at",), tuple({"at": at, "n": 1} for at in instants))
        reality.create(table)
        with _use_zone_with_summer_time(reality.mariadb):
            async with open_copy(reality.login, table.name, rows=2) as copy:
                await copy.sync()
                assert len(copy.records) == len(copy.read) == len(instants)
                shown = [str(body["at"]) for body in copy.list_bodies()]
        assert [at[11:] for at in shown if at.startswith("2026-10-25T02")] == [
            *("02:00:00+02:00", "02:20:00+02:00", "02:40:00+02:00"),
            *("02:00:00+01:00", "02:20:00+01:00", "02:40:00+01:00"),
        ]

    async def test_csv_gives_the_same_records(self, csv_world: Any, world: TableWorld) -> None:
        without_json = csv_world(world)
        for table in (EVERY_VALUE, ODD):
            world.create(table)
            async with open_copy(without_json.login, table.name, rows=3) as copy:
                await copy.sync()
                check_copy(copy, world, table)


@contextmanager
def _use_zone_with_summer_time(mariadb: MariaDb) -> Iterator[None]:
    """Give the server a zone that is at +02:00 until 2026-10-25 01:00 UTC, and at +01:00 then."""
    mariadb.execute(
        "REPLACE INTO mysql.time_zone VALUES (9999, 'N')",
        "REPLACE INTO mysql.time_zone_name VALUES ('Test/Zone', 9999)",
        "REPLACE INTO mysql.time_zone_transition VALUES (9999, 1774746000, 0), (9999, 1792890000, 1)",
        "REPLACE INTO mysql.time_zone_transition_type VALUES (9999, 0, 7200, 1, 'S'), (9999, 1, 3600, 0, 'W')",
        "SET GLOBAL time_zone = 'Test/Zone'",
    )
    try:
        yield
    finally:
        mariadb.execute("SET GLOBAL time_zone = 'SYSTEM'")


class TestChanges:
    """What changes is read, and what does not change costs next to nothing."""

    async def test_rows_that_change_while_they_are_read_are_neither_lost_nor_invented(self, world: TableWorld) -> None:
        table = build_orders(ROWS, name="moving")
        world.create(table)
        written = {(row["id"], row["name"]) for row in table.rows}
        untouched = set(written)
        stopped, edited = threading.Event(), threading.Event()

        def edit() -> None:
            for number in itertools.count(1):
                changed, deleted, new = number * 7 % ROWS + 1, number * 11 % ROWS + 1, (1000 + number, -number)
                untouched.difference_update({(one, f"row {one}") for one in (changed, deleted)})
                written.update({(changed, f"edit {number}"), *((one, f"row {one}") for one in new)})
                world.insert(table, *map(build_order, new))
                for change in (
                    lambda: world.update(table, {"id": changed}, {"name": f"edit {number}"}),  # noqa: B023
                    lambda: world.delete(table, {"id": deleted}),  # noqa: B023
                ):
                    # The row may have been deleted before.
                    with suppress(AssertionError):
                        change()
                edited.set()
                if stopped.is_set():
                    return

        async with open_copy(world.login, table.name, rows=10) as copy:
            editing = asyncio.create_task(asyncio.to_thread(edit))
            try:
                copy.begin()
                async for _ in copy.go_on():
                    # The next range is read when there was another edit.
                    edited.clear()
                    while not edited.is_set() and not editing.done():
                        await asyncio.sleep(0.01)
            finally:
                stopped.set()
                await editing
            found = {(body["id"], body["name"]) for body in copy.list_bodies()}
            assert untouched <= found <= written
            await copy.sync()
            check_copy(copy, world, table)

    @pytest.mark.parametrize("table", [ORDERS, KEYLESS], ids=["with a key", "without a key"])
    @pytest.mark.parametrize("has_times", [True, False], ids=["time of change", "sums"])
    async def test_an_unchanged_table_costs_three_statements(
        self, world: TableWorld, table: WorldTable, has_times: bool
    ) -> None:
        world.create(table)
        if has_times:
            world.delete(table, {next(iter(table.rows[0])): next(iter(table.rows[0].values()))})
        async with open_copy(world.login, table.name) as copy:
            world.clear_log()
            await copy.sync()
            assert list_row_statements(world)
            # The time of a change proves something only when it is older than the look at it.
            await _wait_for_old_update(copy)
            await copy.sync()
            if not has_times:
                world.forget_update_times()
                await copy.restart()
            world.clear_log()
            await copy.sync()
            assert (copy.read, list_row_statements(world)) == ([], [])
            assert copy.calls <= UNCHANGED_STATEMENTS
            sums = [one for one in world.list_statements() if "SUM(" in one]
            assert len(sums) == (0 if has_times else 1)
            check_copy(copy, world, table)

    async def test_a_live_checksum_tells_that_nothing_has_changed(self, world: TableWorld) -> None:
        table = build_orders(20, name="live", engine="Aria", options="checksum=1")
        world.create(table)
        async with open_copy(world.login, table.name) as copy:
            await copy.sync()
            world.forget_update_times()
            await copy.sync()
            assert copy.read == []
            await copy.restart()
            world.clear_log()
            await copy.sync()
            listed = world.list_statements()
            assert (copy.read, [one for one in listed if "SUM(" in one]) == ([], [])
            assert [one for one in listed if one.startswith("CHECKSUM")] == ["CHECKSUM TABLE `shop`.`live` QUICK"]
            world.update(table, {"id": 3}, {"note": "another"})
            await copy.sync()
            check_copy(copy, world, table)

    async def test_sums_notice_the_change_of_any_value(self, world: TableWorld) -> None:
        other = {**FULL_ROW, "id": 5, "name": "other", "long": None, "blob": None, "tiny": None}
        table = WorldTable("sums", EVERY_VALUE.columns, ("id",), (*EVERY_VALUE.rows, other))
        world.create(table)
        truth = world.read_truth(table)
        async with open_copy(world.login, table.name) as copy, copy.open_reader() as reader:
            described = await reader.describe()
            sums = await measure_sums(reader.session, described)
            for name, value in _list_changes():
                world.update(table, {"id": 5}, {name: value})
                changed, measured = world.read_truth(table), await measure_sums(reader.session, described)
                assert measured != sums or changed == truth, (name, value)
                truth, sums = changed, measured

    async def test_sums_notice_values_that_two_rows_or_columns_swap(self, world: TableWorld) -> None:
        table = build_orders(4, name="swapped")
        world.create(table)
        seen = set()
        async with open_copy(world.login, table.name) as copy:
            for one, other in (("", None), (None, ""), ("a", "b"), ("b", "a"), ("NULL", None), (None, "NULL")):
                world.update(table, {"id": 1}, {"note": one, "name": other})
                world.update(table, {"id": 2}, {"note": other, "name": one})
                seen.add(await copy.measure())
                world.update(table, {"id": 1}, {"note": one, "name": one})
                world.update(table, {"id": 2}, {"note": other, "name": other})
                seen.add(await copy.measure())
        assert len(seen) == 12

    async def test_with_a_column_that_says_when_only_newer_rows_are_read(self, world: TableWorld) -> None:
        table = build_orders(ROWS, name="timed")
        world.create(table)
        world.update(table, {"id": ROWS}, {"changed": "2026-05-01 12:00:00"})
        async with open_copy(world.login, table.name, options=TableOptions(changed_column="changed")) as copy:
            await copy.sync()
            world.update(table, {"id": 5}, {"name": "new", "changed": "2026-05-01 12:30:00"})
            await copy.sync()
            assert sorted(record.id for record in copy.read) == ["5", str(ROWS)]
            check_copy(copy, world, table)
            # It was written before the latest change that is known, and committed later.
            world.update(table, {"id": 6}, {"name": "late", "changed": "2026-05-01 12:25:00"})
            world.update(table, {"id": 7}, {"name": "newer", "changed": "2026-05-01 12:31:00"})
            await copy.sync()
            assert {"6", "7"} <= {record.id for record in copy.read} < {str(number) for number in range(1, 8)}
            check_copy(copy, world, table)
            world.delete(table, {"id": 8})
            await copy.sync()
            assert "8" in copy.records
            assert copy.previous is not None
            copy.previous = _age(copy.previous)
            await copy.sync()
            assert "8" not in copy.records
            check_copy(copy, world, table)


def _age(state: FullReadState) -> FullReadState:
    """Return a state as if all rows had been read a day before."""
    decoded = decode_state(state.text)
    assert decoded is not None
    values = {**decoded.__dict__, "full_at": decoded.full_at - FULL_SECONDS}
    return FullReadState(state.sync_id, type(decoded)(**values).encode())


async def _wait_for_old_update(copy: TableCopy) -> None:
    """Wait until the database's own clock is far enough behind the last change of the table."""
    async with copy.open_reader() as reader:
        while (table := await reader.describe()).updated_at and table.read_at - table.updated_at < 3:
            await asyncio.sleep(0.1)


def _list_changes() -> list[tuple[str, Any]]:
    """Return changes of every column, some of them to NULL. They are the same at each run."""
    found: list[tuple[str, Any]] = []

    @settings(max_examples=2, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(CHANGES)
    def collect(changes: dict[str, Any]) -> None:
        found.extend(changes.items())

    collect()
    return found
