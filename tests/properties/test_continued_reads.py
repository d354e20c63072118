"""A full sync that succeeds leaves what the platform has, whatever it continues and whatever has happened before.

The platform is a model: a table whose source either lists what has changed since a full sync, or finds by a checksum
that nothing has. Fetcher's handlers, writer and scheduler are the real ones, on a real PostgreSQL, without Kafka. In
between records change, are read by themselves, and change back; steps are killed and run again; databases are restored.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from connector.handlers.dependencies import HandlerDependencies
from connector.handlers.full_sync import FullSyncHandler
from connector.handlers.incremental import IncrementalHandler
from connector.source import Checkpoint, FullReadEnd, FullReadStep, IncrementalReadStep, RangeEnd, RecordBatch
from contracts.events import FullSyncStepRequested, Record, RecordIds, SyncProgressed, SyncRequested
from database.pool import Database
from ledger_fixture import SHOP, Ledger, build_request
from merchant_sync.stack import Stack
from messaging.errors import UnavailableError
from messaging.publisher import OutboundMessage
from platform_sdk.session import SyncContext
from platform_sdk.tokens import AccessToken
from writer_builders import make_connection
from writer_harness import Writer

PROPERTY = settings(max_examples=40, suppress_health_check=list(HealthCheck))
RESOURCE = "products"
BEGINNING = 1_700_000_000_000
SECOND, MINUTE = 1_000, 60_000

Change = tuple[str, str | None]
"""A record's id and its new value; None deletes it."""


@dataclass
class ModelTable:
    """A table, and the source that reads it, two records at a time. Before each response the next of `turns` happens.

    With `lists_changes` the source lists what has changed since the full sync before; otherwise it compares checksums.
    """

    lists_changes: bool
    rows: dict[str, str] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    """The number of the last change of each record, also of a deleted one."""
    turns: list[Change] = field(default_factory=list)
    now: int = BEGINNING

    def apply(self, change: Change) -> None:
        """Change a record."""
        record_id, value = change
        self.changed[record_id] = max(self.changed.values(), default=0) + 1
        if value is None:
            self.rows.pop(record_id, None)
        else:
            self.rows[record_id] = value

    async def read_records(
        self, _context: SyncContext, ids: RecordIds, _cursor: str | None
    ) -> AsyncGenerator[IncrementalReadStep, None]:
        """Read these records in one response."""
        yield self._read(ids[RESOURCE])

    async def read_all(self, context: SyncContext, cursor: str | None) -> AsyncGenerator[FullReadStep, None]:
        """Read what has changed, or everything."""
        if cursor in (None, "everything"):
            started_at, state = self.now, self._take_state()
            if context.previous is not None and cursor is None:
                sent = self._list_changes(json.loads(context.previous.text), state)
                if sent is not None:
                    end = {"state": json.dumps(state), "continues": context.previous.sync_id}
                    if sent:
                        yield self._read(sent)
                        yield RangeEnd(RESOURCE, 0, 1, "unused", len(sent))
                    id_ranges = ((RESOURCE, 0),) if sent else ()
                    yield FullReadEnd(id_ranges, started_at, retry_cursor="everything", **end)
                    return
            position = {"after": "", "sent": 0, "started_at": started_at, "changes": state["changes"], "rows": []}
        else:
            position = json.loads(cursor or "")
        async for step in self._read_everything(position):
            yield step

    async def _read_everything(self, position: dict[str, Any]) -> AsyncGenerator[FullReadStep, None]:
        while ids := sorted(record_id for record_id in self.rows if record_id > position["after"])[:2]:
            batch = self._read(ids, exists=True)
            yield batch
            rows = [[record.id, (record.body or {})["title"]] for record in batch.records]
            sent = position["sent"] + len(rows)
            position = {**position, "after": ids[-1], "sent": sent, "rows": [*position["rows"], *rows]}
            yield Checkpoint(json.dumps(position))
        yield RangeEnd(RESOURCE, 0, 1, "unused", position["sent"])
        # The number is of before the first record; the rows are what was listed, not what the table was at any time.
        state = json.dumps({"changes": position["changes"], "rows": position["rows"]})
        yield FullReadEnd(((RESOURCE, 0),), position["started_at"], state=state)

    def measure_remaining_rate_limits(self) -> dict[str, float]:
        """There is no rate limit."""
        return {}

    def _take_state(self) -> dict[str, Any]:
        self._pass_time()
        return {"changes": max(self.changed.values(), default=0), "rows": sorted(self.rows.items())}

    def _list_changes(self, seen: dict[str, Any], state: dict[str, Any]) -> list[str] | None:
        """Return the ids of the records that have changed; None if everything must be read."""
        if self.lists_changes:
            return sorted(record_id for record_id, number in self.changed.items() if number > seen["changes"])
        return [] if seen["rows"] == [list(row) for row in state["rows"]] else None

    def _read(self, ids: Iterable[str], *, exists: bool = False) -> RecordBatch:
        """Read records in one response; those that do not exist are tombstones, or left out if they are listed."""
        read_at = self.now
        self._pass_time()
        found = [(record_id, self.rows.get(record_id)) for record_id in ids]
        records = [
            Record(resource=RESOURCE, id=record_id, read_at=read_at, body=None if value is None else {"title": value})
            for record_id, value in found
            if value is not None or not exists
        ]
        return RecordBatch(RESOURCE, tuple(records))

    def _pass_time(self) -> None:
        self.now += SECOND
        if self.turns:
            self.apply(self.turns.pop(0))


@dataclass
class KillingPublisher:
    """Keeps messages. After `limit` of them the process is killed."""

    messages: list[OutboundMessage] = field(default_factory=list)
    limit: int | None = None

    async def send_all(self, messages: Iterable[OutboundMessage]) -> None:
        """Keep messages one by one."""
        for message in messages:
            if self.limit is not None and len(self.messages) >= self.limit:
                raise UnavailableError("killed")
            self.messages.append(message)


class ConstantTokens:
    """Gives a token of the first epoch."""

    async def get_token(self, connection: str, epoch: int, *, fresh: bool = False) -> AccessToken:
        """Return the token."""
        return AccessToken(connection, epoch, "t")

    async def replace_rejected_token(self, token: AccessToken) -> AccessToken:
        """No token is rejected here."""
        raise AssertionError


class Trip:
    """One connection's way through fetcher, writer and scheduler."""

    def __init__(self, ledger: Ledger, writer: Writer, table: ModelTable) -> None:
        self.ledger, self.writer, self.table = ledger, writer, table
        self._publisher = KillingPublisher()
        dependencies = HandlerDependencies(table, ConstantTokens(), self._publisher, elapsed=lambda: table.now / 1000)  # type: ignore[arg-type]
        self._full = FullSyncHandler(dependencies, seconds=3)
        self._incremental = IncrementalHandler(dependencies, seconds=3)
        self._revision = 0
        self._backup: tuple[Any, Any] | None = None
        self.continued = 0

    async def sync(self, turns: list[Change], kill: int | None) -> bool:
        """Run a full sync while `turns` happen, of which one step is killed. Return whether it has succeeded."""
        sync_id, cause = uuid4(), "manual" if self._revision else "connect"
        self.table.turns, self._publisher.limit = turns, kill
        self._revision += 1
        await self.ledger.change_connection(revision=self._revision, wanted_sync=sync_id, wanted_cause=cause)
        await self.ledger.make_owed_due()
        await self.ledger.dispatch()
        await self._pump()
        self.table.turns = []
        return await self.ledger.get_state(sync_id) == "storing"

    async def refresh(self, record_id: str) -> None:
        """Read one record by itself."""
        request = build_request(uuid4(), record_id, cause="manual")
        await self.ledger.requests(SHOP, [request])
        await self._run(self._incremental, request)
        await self._pump()

    async def back_up(self) -> None:
        """Keep what both services have stored."""
        self._backup = await _save_writer(self.writer.database), await _save_ledger(self.ledger.database)

    async def restore(self, *, writer: bool) -> None:
        """Restore what one of the services had stored when both were backed up last."""
        if self._backup is not None and writer:
            await _restore_writer(self.writer.database, self._backup[0])
        elif self._backup is not None:
            await _restore_ledger(self.ledger.database, self._backup[1])

    async def load_rows(self) -> dict[str, str]:
        """Return what the writer has stored."""
        return await self.writer.load_titles()

    async def _pump(self) -> None:
        for _ in range(60):
            messages = await self.ledger.pop_messages()
            if not messages:
                return
            for message in messages:
                if "step" in message:
                    await self._run(self._full, FullSyncStepRequested.model_validate(message))
                else:
                    await self._run(self._incremental, SyncRequested.model_validate(message))
        raise AssertionError("the full sync does not end")

    async def _run(self, handler: Any, request: FullSyncStepRequested | SyncRequested) -> None:
        try:
            await handler(SHOP, [request])
        except UnavailableError:
            self._publisher.limit = None
            await self._deliver()
            await handler(SHOP, [request])
        await self._deliver()

    async def _deliver(self) -> None:
        messages, self._publisher.messages = self._publisher.messages, []
        for message in messages:
            if isinstance(message.event, SyncProgressed):
                await self.ledger.progress(SHOP, [message.event])
                continue
            ingest = self.writer.ingest_full_read if message.topic.endswith(".full") else self.writer.ingest
            stored = await ingest(message.event)
            # The database's clock is that of the model.
            async with self.writer.database.transaction() as tx:
                await tx.execute(_SET_CLOCK, {"now": self.table.now})
            if stored:
                await self.ledger.data_stored(SHOP, stored)
            continues = getattr(message.event, "continues", None)
            is_success = any(result.status == "success" for event in stored for result in event.results)
            self.continued += continues is not None and is_success


_SET_CLOCK = text("""
UPDATE records SET changed_at = to_timestamp(:now / 1000.0) WHERE changed_at > now() - interval '1 day'
""")
_LIST_TABLES = text("""
SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename NOT IN ('feed', 'schema_versions')
""")
_WRITER_COLUMNS = "sequence, full_read_epoch, last_full_read, settled_sequence, listed_sequence"


async def _save_writer(database: Database) -> Any:
    async with database.transaction() as tx:
        tables = {
            name: (await tx.execute(text(f"SELECT CAST(json_agg(t) AS text) FROM {name} t"))).scalar() or "[]"
            for name in ("records", "bodies", "direct_reads")
        }
        return tables, (await tx.execute(text(f"SELECT {_WRITER_COLUMNS} FROM connections"))).mappings().one()


async def _restore_writer(database: Database, saved: Any) -> None:
    tables, columns = saved
    async with database.transaction() as tx:
        await tx.execute(text("DELETE FROM sync_results"))
        for name, rows in tables.items():
            await tx.execute(text(f"DELETE FROM {name}"))
            insert = (
                f"INSERT INTO {name} SELECT * FROM json_populate_recordset(CAST(NULL AS {name}), CAST(:rows AS json))"
            )
            await tx.execute(text(insert), {"rows": rows})
        assignments = ", ".join(f"{name} = :{name}" for name in columns)
        await tx.execute(text(f"UPDATE connections SET {assignments}"), dict(columns))


async def _save_ledger(database: Database) -> Any:
    async with database.transaction() as tx:
        return (await tx.execute(text("SELECT previous_sync, previous_state FROM connections"))).mappings().one()


async def _restore_ledger(database: Database, saved: Any) -> None:
    sql = "UPDATE connections SET previous_sync = :previous_sync, previous_state = :previous_state"
    async with database.transaction() as tx:
        await tx.execute(text(sql), dict(saved))


async def _empty(database: Database) -> None:
    """Delete all rows but those that a schema begins with."""
    async with database.transaction() as tx:
        tables = (await tx.execute(_LIST_TABLES)).scalars()
        await tx.execute(text(f"TRUNCATE {', '.join(tables)}"))


async def _create_databases(stack: Stack) -> list[Database]:
    databases = []
    for service in ("scheduler", "spaces_writer"):
        database = Database(stack.build_admin_database_url(), schema=f"continued_{service}")
        await database.migrate(service)
        databases.append(database)
    return databases


IDS = st.sampled_from("abcde")
CHANGES = st.tuples(IDS, st.sampled_from(["1", "2", None]))
CHANGE = st.tuples(st.just("change"), CHANGES)
REFRESH = st.tuples(st.just("refresh"), IDS)
SYNC = st.tuples(st.just("sync"), st.lists(CHANGES, max_size=6), st.none() | st.integers(0, 8))
QUIET_SYNC = st.just(("sync", [], None))
OTHER = st.sampled_from([("back up",), ("restore writer",), ("restore scheduler",)])
ACTIONS = st.lists(CHANGE | CHANGE | REFRESH | REFRESH | SYNC | QUIET_SYNC | OTHER, max_size=14)


async def act(trip: Trip, action: tuple[Any, ...], pause: int) -> None:
    """Let one thing happen, some seconds after the one before. A full sync during which nothing changes is checked."""
    trip.table.now += pause * SECOND
    match action:
        case ("change", change):
            trip.table.apply(change)
        case ("refresh", record_id):
            await trip.refresh(record_id)
        case ("sync", turns, kill):
            is_success = await trip.sync(list(turns), kill)
            assert not is_success or turns or await trip.load_rows() == trip.table.rows
        case ("back up",):
            await trip.back_up()
        case (name,):
            await trip.restore(writer=name == "restore writer")


def test_a_full_sync_that_succeeds_leaves_what_the_platform_has(postgres: Stack) -> None:
    continued = {True: 0, False: 0}
    with asyncio.Runner() as runner:
        databases = runner.run(_create_databases(postgres))

        async def run(lists_changes: bool, actions: list[tuple[Any, ...]], pause: int) -> None:
            for database in databases:
                await _empty(database)
            ledger, writer = Ledger(databases[0]), Writer(databases[1])
            await writer.update_connection(make_connection())
            trip = Trip(ledger, writer, ModelTable(lists_changes))
            for action in [("change", ("a", "1")), ("sync", [], None), *actions]:
                await act(trip, action, pause)
            trip.table.now += 2 * MINUTE
            successes = [await trip.sync([], None) for _ in range(3)]
            assert successes[-1], "two full syncs after each other at the latest succeed"
            assert await trip.load_rows() == trip.table.rows
            continued[lists_changes] += trip.continued

        @PROPERTY
        @given(st.booleans(), ACTIONS, st.sampled_from([1, 20, 100]))
        def check(lists_changes: bool, actions: list[tuple[Any, ...]], pause: int) -> None:
            runner.run(run(lists_changes, actions, pause))

        check()
        for database in databases:
            runner.run(database.close())
    assert min(continued.values()) > 10, "both ways to continue are tried"
