"""`sync.changed` follows the ledger: every change is published, in bounded size, whichever process is killed."""

import asyncio
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import asyncpg
import orjson
import pytest
from sqlalchemy import text

from contracts.events import SyncChanged, SyncTotals
from contracts.topics import SYNC_CHANGED
from database.migrations import load_scripts, lock_and_apply_migrations
from database.pool import Database
from ledger_fixture import (
    SHOP,
    Ledger,
    build_progress,
    build_request,
    build_result,
    build_upload,
    schedule_tomorrow,
)
from merchant_sync.stack import Stack
from messaging.errors import UnavailableError
from messaging.publisher import EventPublisher, OutboundMessage
from scheduler.store import changed_connections, connections, sync_states
from scheduler.use_cases.publish_sync_states import SyncStatePublisher

pytestmark = pytest.mark.integration


class RecordingKafka:
    """Takes the place of the publisher, and keeps what was sent.

    Nothing is acknowledged until `may_acknowledge`. While `is_lost` is set, acknowledgements are lost.
    """

    def __init__(self) -> None:
        self.events: list[SyncChanged] = []
        self.is_lost = False
        self.is_sending, self.may_acknowledge = asyncio.Event(), asyncio.Event()
        self.may_acknowledge.set()

    async def send_all(self, messages: Iterable[OutboundMessage]) -> None:
        for message in messages:
            assert (message.topic, message.key) == (SYNC_CHANGED, cast(SyncChanged, message.event).connection)
            self.events.append(cast(SyncChanged, message.event))
        self.is_sending.set()
        await self.may_acknowledge.wait()
        if self.is_lost:
            raise UnavailableError("the acknowledgement was lost")


class Published:
    """The ledger with a process that publishes its states."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.kafka = RecordingKafka()
        self.publisher = self.create_process()

    def create_process(self) -> SyncStatePublisher:
        return SyncStatePublisher(self.ledger.database.transaction, cast(EventPublisher, self.kafka))

    async def age_marks(self) -> None:
        await self.ledger.execute("UPDATE changed_connections SET changed_at = changed_at - interval '1 hour'")

    async def publish(self) -> list[SyncChanged]:
        """Publish what has changed, as after a quarter of a second, and return the events."""
        await self.age_marks()
        before = len(self.kafka.events)
        while await self.publisher.run_once():
            pass
        return self.kafka.events[before:]

    async def read_state(self) -> SyncChanged:
        """Return the only event that the changes since the last call have caused."""
        (event,) = await self.publish()
        return event

    async def count_marks(self) -> int:
        async with self.ledger.database.transaction() as tx:
            return int((await tx.execute(text("SELECT count(*) FROM changed_connections"))).scalar_one())


@pytest.fixture
def published(ledger: Ledger) -> Published:
    return Published(ledger)


async def test_the_published_state_follows_a_full_sync_from_its_request_to_the_bucket(published: Published) -> None:
    ledger, sync_id = published.ledger, uuid4()
    await ledger.change_connection(wanted_sync=sync_id)
    requested = await published.read_state()
    (sync,) = requested.syncs
    assert (sync.sync_id, sync.mode, sync.cause, sync.state) == (sync_id, "full", "connect", "queued")
    assert (requested.connection, requested.epoch, requested.fully_read) == (SHOP, 1, False)
    assert requested.next_poll_at is not None
    await ledger.dispatch()
    started = await published.read_state()
    assert (started.syncs[0].state, started.syncs[0].started_at is not None) == ("running", True)
    totals = SyncTotals(read_id=sync_id, pages=1, records=20, changed=20)
    await ledger.data_stored(SHOP, [build_upload(0).model_copy(update={"totals": (totals,), "upload": None})])
    counted = await published.read_state()
    assert (counted.syncs[0].records, counted.syncs[0].changed) == (20, 20)
    await ledger.progress(SHOP, [build_progress(sync_id, "completed", step=1)])
    await ledger.data_stored(SHOP, [build_result(sync_id, sequence=7, object_check=1)])
    stored = await published.read_state()
    assert (stored.syncs[0].state, stored.syncs[0].sequence, stored.fully_read) == ("storing", 7, True)
    assert stored.last_success_at is None
    await ledger.data_stored(SHOP, [build_upload(7, object_check=1)])
    ended = await published.read_state()
    assert (ended.syncs[0].state, ended.last_success_at) == ("success", ended.syncs[0].finished_at)
    assert ended.last_success_at is not None and ended.last_error is None
    revisions = [event.revision for event in published.kafka.events]
    assert all(earlier < later for earlier, later in pairwise(revisions))


async def test_a_failure_a_block_and_a_cancellation_are_published(published: Published) -> None:
    ledger = published.ledger
    first = await ledger.start_full_sync(cause="manual")
    await ledger.progress(SHOP, [build_progress(first, "failed", step=1, retryable=False, reason="it is closed")])
    failed = await published.read_state()
    assert (failed.last_error, failed.syncs[0].reason, failed.syncs[0].state) == ("it is closed",) * 2 + ("failed",)
    second, request = uuid4(), await ledger.request_webhook()
    await ledger.change_connection(revision=2, wanted_sync=second, wanted_cause="manual")
    await ledger.progress(SHOP, [build_progress(request, "blocked", reason="frozen")])
    blocked = await published.read_state()
    assert blocked.blocked == "frozen"
    assert {sync.sync_id: sync.coalesced_into for sync in blocked.syncs}[request] == second
    await ledger.change_connection(revision=3, epoch=2, state="uninstalled")
    cancelled = await published.read_state()
    assert {sync.state for sync in cancelled.syncs if sync.sync_id != first} == {"cancelled"}
    assert (cancelled.epoch, cancelled.blocked, cancelled.next_poll_at) == (2, None, None)
    assert cancelled.last_error == "it is closed", "a cancelled sync has not succeeded"


async def test_of_a_redacted_connection_only_its_epoch_and_revision_are_published(published: Published) -> None:
    ledger = published.ledger
    await ledger.start_full_sync()
    await ledger.request_webhook()
    before = await published.read_state()
    await ledger.change_connection(revision=2, epoch=2, state="redacted")
    redacted = await published.read_state()
    assert redacted == SyncChanged(connection=SHOP, epoch=2, revision=redacted.revision)
    assert redacted.revision > before.revision


async def test_a_state_is_bounded_however_many_webhooks_wait_and_shows_what_was_requested(
    published: Published,
) -> None:
    ledger = published.ledger
    ended = await ledger.start_full_sync(cause="manual")
    await ledger.progress(SHOP, [build_progress(ended, "failed", step=1, retryable=False, reason="x" * 9_000)])
    running, by_hand = uuid4(), uuid4()
    await ledger.change_connection(revision=2, wanted_sync=running)
    await ledger.requests(SHOP, [build_request(by_hand, cause="manual")])
    await ledger.requests(SHOP, [build_request(uuid4(), f"p{number}") for number in range(3_000)])
    state = await published.read_state()
    assert len(state.syncs) == 33
    assert {running, by_hand, ended} <= {sync.sync_id for sync in state.syncs}
    assert len(state.model_dump_json()) < 20_000
    assert [sync.requested_at for sync in state.syncs] == sorted((s.requested_at for s in state.syncs), reverse=True)


async def test_what_has_not_ended_comes_before_what_has_and_then_what_ended_last(published: Published) -> None:
    ledger = published.ledger
    await ledger.change_connection()
    requests = [build_request(uuid4(), f"p{number}") for number in range(60)]
    await ledger.requests(SHOP, requests)
    waiting, *ended = (request.sync_id for request in requests)
    for minutes, sync_id in enumerate(ended):
        await ledger.execute(
            f"UPDATE syncs SET state = 'success', finished_at = now() - interval '{minutes} minutes' "
            f"WHERE sync_id = '{sync_id}'"
        )
    state = await published.read_state()
    assert {sync.sync_id for sync in state.syncs} == {waiting, *ended[:29]}


async def test_changes_within_a_moment_are_one_event_and_a_quiet_ledger_is_none(published: Published) -> None:
    ledger = published.ledger
    await ledger.change_connection()
    for number in range(5):
        await ledger.request_webhook(f"p{number}")
    assert len((await published.read_state()).syncs) == 5
    assert await published.publish() == [] and await published.count_marks() == 0


async def test_a_mark_waits_for_further_ones_for_a_quarter_of_a_second(published: Published) -> None:
    await published.ledger.change_connection()
    async with published.ledger.database.transaction() as tx:  # in which the time stands still
        for age, expected in ((249, []), (250, [SHOP])):
            await tx.execute(text(f"UPDATE changed_connections SET changed_at = now() - interval '{age} ms'"))
            assert await changed_connections.take_due(tx, 10) == expected


async def test_a_second_scheduler_publishes_nothing_while_the_first_one_does(published: Published) -> None:
    ledger = published.ledger
    await ledger.change_connection()
    await published.age_marks()
    published.kafka.may_acknowledge.clear()
    first = asyncio.create_task(published.publisher.run_once())
    await published.kafka.is_sending.wait()
    await ledger.request_webhook()
    await ledger.execute(f"INSERT INTO changed_connections VALUES ('{SHOP}', now() - interval '1 hour')")
    async with asyncio.timeout(60):
        assert not await published.create_process().run_once()
    assert len(published.kafka.events) == 1
    published.kafka.may_acknowledge.set()
    await first
    assert len((await published.read_state()).syncs) == 1


async def test_two_schedulers_publish_rising_revisions_and_at_last_the_present_state(published: Published) -> None:
    ledger = published.ledger
    await ledger.change_connection()

    async def publish_repeatedly() -> None:
        process = published.create_process()
        for _ in range(30):
            await published.age_marks()
            await process.run_once()

    async def change_repeatedly() -> None:
        for number in range(30):
            await ledger.request_webhook(f"p{number}")

    await asyncio.gather(publish_repeatedly(), publish_repeatedly(), change_repeatedly())
    await published.publish()
    revisions = [event.revision for event in published.kafka.events]
    assert all(earlier < later for earlier, later in pairwise(revisions)), "each revision once, and in order"
    assert len(published.kafka.events[-1].syncs) == 30


async def test_a_process_that_is_killed_after_publishing_leaves_it_to_be_published_again(published: Published) -> None:
    ledger = published.ledger
    await ledger.change_connection()
    await published.age_marks()
    published.kafka.is_lost = True
    with pytest.raises(UnavailableError):
        await published.publisher.run_once()
    published.kafka.is_lost = False
    request = await ledger.request_webhook()
    again = await published.read_state()
    (first, _) = published.kafka.events
    assert again.revision > first.revision and [sync.sync_id for sync in again.syncs] == [request]


async def test_a_change_that_is_not_committed_yet_is_published_after_its_commit(published: Published) -> None:
    ledger = published.ledger
    await ledger.change_connection()
    request = await ledger.request_webhook()
    await published.publish()
    async with ledger.database.transaction() as tx:
        await tx.execute(text("UPDATE syncs SET records = 5 WHERE sync_id = :id"), {"id": request})
        assert await published.publish() == []
    assert (await published.read_state()).syncs[0].records == 5


async def test_revisions_rise_also_after_a_backup_was_restored(published: Published) -> None:
    ledger = published.ledger
    await ledger.change_connection()
    before = await published.read_state()
    await ledger.execute("SELECT setval('sync_state_revisions', 1, false)")
    await ledger.request_webhook()
    assert (await published.read_state()).revision > before.revision


async def list_tables_of_the_state(ledger: Ledger) -> set[str]:
    """Return the tables that the queries read with which a state is loaded, as Postgres plans them."""

    def walk(plan: dict[str, Any]) -> Iterator[str]:
        yield from [plan["Relation Name"]] if "Relation Name" in plan else []
        for child in plan.get("Plans", []):
            yield from walk(child)

    tables: set[str] = set()
    async with ledger.database.transaction() as tx:
        for statement in (sync_states._LOAD_CONNECTIONS, sync_states._LOAD_SYNCS):
            explain = text(f"EXPLAIN (FORMAT JSON) {statement.text}")
            plan = (await tx.execute(explain, {"names": [SHOP]})).scalar_one()
            plans = plan if isinstance(plan, list) else orjson.loads(plan)
            tables.update(walk(plans[0]["Plan"]))
    return tables


async def test_no_statement_can_change_what_is_published_without_a_mark(published: Published) -> None:
    ledger = published.ledger
    changes = {
        "connections": [
            f"INSERT INTO connections (connection, revision, epoch, state) VALUES ('{SHOP}', 1, 1, 'connected')",
            "UPDATE connections SET blocked = 'frozen'",
        ],
        "syncs": [
            "INSERT INTO syncs (sync_id, connection, epoch, cause, mode, requested_at) "
            f"VALUES (gen_random_uuid(), '{SHOP}', 1, 'poll', 'full', now())",
            "UPDATE syncs SET state = 'running'",
            "DELETE FROM syncs",
        ],
    }
    assert await list_tables_of_the_state(ledger) == set(changes), "each table that the state shows has its triggers"
    for statement in (one for statements in changes.values() for one in statements):
        await ledger.execute(statement)
        assert await published.count_marks() == 1, statement
        assert await published.publish() != []


async def test_connections_of_before_an_upgrade_are_published_once(postgres: Stack) -> None:
    url, schema = postgres.build_admin_database_url(), f"ledger_{uuid4().hex[:8]}"
    db = await asyncpg.connect(url, server_settings={"search_path": schema})
    scripts = load_scripts("scheduler")
    try:
        await lock_and_apply_migrations(db, schema, [one for one in scripts if Path(one.name).stem < "0009"])
        await db.execute(
            "INSERT INTO connections (connection, revision, epoch, state) "
            "SELECT 'shopify:' || n, 1, 1, 'connected' FROM generate_series(1, 250) n"
        )
    finally:
        await db.close()
    database = Database(url, schema=schema)
    await database.migrate("scheduler")
    published = Published(Ledger(database))
    names = [event.connection for event in await published.publish()]
    assert (len(names), len(set(names))) == (250, 250)
    assert await published.publish() == []
    await published.ledger.execute(f'DROP SCHEMA "{schema}" CASCADE')
    await database.close()


async def test_the_next_poll_is_published_only_when_it_changes(published: Published) -> None:
    ledger, run = published.ledger, schedule_tomorrow(SHOP)
    await ledger.change_connection()
    await published.publish()
    for expected in (1, 0):
        async with ledger.database.transaction() as tx:
            await connections.schedule_poll(tx, SHOP, run)
        assert len(await published.publish()) == expected
    await ledger.execute("UPDATE connections SET next_poll_at = now(), poll_slot = now()")
    await ledger.dispatcher.start_polls()
    polled = await published.read_state()
    assert [sync.cause for sync in polled.syncs] == ["poll"]
    assert polled.next_poll_at is not None and polled.next_poll_at > polled.syncs[0].requested_at
