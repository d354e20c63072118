"""Link syncs: what they wait for, what they end with, and that a request is neither doubled nor lost."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from contracts.events import SyncChanged, SyncState
from linker.client import SyncRefusedError
from linker.store import link_syncs
from linker.store.link_syncs import LinkSync
from linker.use_cases.link_states import lock_link, pause_link
from linker.use_cases.link_sync_runner import PAUSE_SECONDS, LinkSyncRunner
from linker.use_cases.link_syncs import LinkHealth, cancel_link_sync, request_link_sync, requeue_link_sync
from linker.use_cases.old_writes import OldWrites
from links_fixture import DATABASE, SHOP, LinkWorld, SimulatedFeed, build_product
from links_writers import Writers, approve, link_pair
from messaging.errors import UnavailableError
from platform_sdk.errors import NotFoundError, RequestRejectedError

pytestmark = pytest.mark.integration
EXPORT_ALL, EXPORT_SOME, REGULAR = "export_all_products", "export_batch_products", "import_then_export_products"


class SimulatedGateway:
    """A gateway that notes what it is asked for, and starts syncs or raises `error`."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[str, ...]]] = []
        self.started: list[UUID] = []
        self.error: Exception | None = None

    async def request_sync(self, connection: str, products: Sequence[str]) -> UUID:
        """Return the id of a new sync."""
        if self.error:
            raise self.error
        self.asked.append((connection, tuple(products)))
        self.started.append(uuid4())
        return self.started[-1]


class SyncWorld:
    """A linker with the tasks that carry out link syncs."""

    def __init__(self, world: LinkWorld) -> None:
        self.world, self.gateway = world, SimulatedGateway()
        self.seconds = 1_000.0
        self.runner = LinkSyncRunner(world.database.transaction, self.gateway, lambda: self.seconds)  # type: ignore[arg-type]
        self.revision = 100

    async def request(self, mode: str, *ids: str) -> LinkSync:
        async with self.world.database.transaction() as tx:
            return await request_link_sync(tx, await lock_link(tx, SHOP), mode, ids)

    async def run(self) -> None:
        while await self.runner.run_once():
            pass

    async def read(self, sync: LinkSync) -> LinkSync:
        async with self.world.database.transaction() as tx:
            found = await link_syncs.get(tx, sync.link, sync.id)
        assert found is not None
        return found

    async def run_to(self, sync: LinkSync) -> str:
        await self.run()
        return (await self.read(sync)).state

    async def end_source(self, feed: SimulatedFeed, state: str = "success", **fields: Any) -> None:
        """Say that the sync of a connection that was started last has ended."""
        self.revision += 1
        ended = SyncState(
            sync_id=self.gateway.started[-1], mode="full", cause="manual", state=state, requested_at=1, **fields
        )
        event = SyncChanged(connection=feed.connection, epoch=1, revision=self.revision, syncs=(ended,))
        await self.world.syncs(feed.connection, [event])


@pytest.fixture
def syncs(world: LinkWorld) -> SyncWorld:
    return SyncWorld(world)


async def test_a_sync_of_what_has_changed_ends_when_it_is_written(
    world: LinkWorld, writers: Writers, syncs: SyncWorld
) -> None:
    await link_pair(world)
    await world.change(world.odoo, "o1", build_product("o1", "SKU-1", "Lamp of oak"))
    sync = await syncs.request(REGULAR)
    assert await syncs.run_to(sync) == "running"
    (request,) = await writers.pop()
    await writers.answer(request, calls=1, points=10)
    assert await syncs.run_to(sync) == "success"
    found = await syncs.read(sync)
    assert found.figures == {
        "planned": 1, "written": 1, "unchanged": 0, "held": 0, "errors": 0, "attempts": 1, "calls": 1, "points": 10
    }  # fmt: skip
    assert syncs.gateway.asked == [], "what is stored is known: nothing is read"
    again = await syncs.request(REGULAR)
    assert await syncs.run_to(again) == "success"
    assert set((await syncs.read(again)).figures.values()) == {0} and await writers.pop() == []
    async with world.database.transaction() as tx:
        assert await link_syncs.find_mark(tx, again) == (await syncs.read(again)).started_at


async def test_a_sync_waits_for_what_is_not_planned_yet(world: LinkWorld, syncs: SyncWorld) -> None:
    await link_pair(world)
    after = world.odoo.sequence
    entry = world.odoo.put("o1", build_product("o1", "SKU-1", "Lamp of oak"))
    await world.changes(DATABASE, [world.odoo.build_page([entry], after=after)])
    sync = await syncs.request("export_changed_products")
    assert await syncs.run_to(sync) == "running"
    assert (await syncs.read(sync)).plan_number is None
    await world.plan()
    await syncs.run()
    assert (await syncs.read(sync)).plan_number is not None


async def test_a_decision_that_comes_later_is_not_waited_for(
    world: LinkWorld, writers: Writers, syncs: SyncWorld
) -> None:
    await link_pair(world)
    await world.change(world.odoo, "o1", build_product("o1", "SKU-1", "Lamp of oak"))
    sync = await syncs.request(REGULAR)
    await syncs.run()
    (request,) = await writers.pop()
    await world.change(world.odoo, "o1", build_product("o1", "SKU-1", "Lamp of elm"))
    await writers.answer(request)
    assert len(await writers.pop()) == 1, "the later edit is under way"
    assert await syncs.run_to(sync) == "success"


async def test_a_sync_of_everything_reads_the_source_and_waits_for_its_data(world: LinkWorld, syncs: SyncWorld) -> None:
    await link_pair(world)
    sync = await syncs.request(EXPORT_ALL)
    assert await syncs.run_to(sync) == "running"
    assert syncs.gateway.asked == [(DATABASE, ())]
    assert await syncs.run_to(sync) == "running"
    await syncs.end_source(world.odoo, "running")
    assert await syncs.run_to(sync) == "running"
    await syncs.end_source(world.odoo, "storing", sequence=world.odoo.sequence + 1)
    assert await syncs.run_to(sync) == "running", "the change feed has not brought its data yet"
    await world.change(world.odoo, "o1", build_product("o1", "SKU-1", "Lamp", tags=["new"]))
    assert await syncs.run_to(sync) == "success"
    assert len(syncs.gateway.asked) == 1


async def test_certain_products_are_read_at_their_platform(world: LinkWorld, syncs: SyncWorld) -> None:
    await link_pair(world)
    sync = await syncs.request("import_one_product", "s1")
    await syncs.run()
    assert syncs.gateway.asked == [(SHOP, ("s1",))]
    await syncs.end_source(world.shopify, sequence=world.shopify.sequence)
    assert await syncs.run_to(sync) == "success"


async def test_a_sync_fails_with_its_source_and_can_be_requeued(world: LinkWorld, syncs: SyncWorld) -> None:
    await link_pair(world)
    sync = await syncs.request(EXPORT_SOME, "o1")
    await syncs.run()
    await syncs.end_source(world.odoo, "failed", reason="Odoo does not answer")
    assert await syncs.run_to(sync) == "failed"
    found = await syncs.read(sync)
    assert (found.reason_code, found.message) == ("run_failed", f"{DATABASE}: Odoo does not answer")
    async with world.database.transaction() as tx:
        again = await requeue_link_sync(tx, await lock_link(tx, SHOP), sync.id)
        with pytest.raises(RequestRejectedError, match="it is queued"):
            await requeue_link_sync(tx, await lock_link(tx, SHOP), again.id)
    assert (again.mode, again.ids, again.state) == (sync.mode, ("o1",), "queued")
    await syncs.run()
    await syncs.end_source(world.odoo)
    assert await syncs.run_to(again) == "success"


async def test_an_account_that_must_sign_in_fails_the_sync_and_a_silent_gateway_does_not(
    world: LinkWorld, syncs: SyncWorld
) -> None:
    await link_pair(world)
    sync = await syncs.request(EXPORT_ALL)
    syncs.gateway.error = UnavailableError("gateway: down")
    assert await syncs.run_to(sync) == "running"
    syncs.gateway.error = SyncRefusedError(f"{DATABASE}: it is reauthorise", is_disconnected=True)
    assert await syncs.run_to(sync) == "running", "the gateway is not asked again at once"
    syncs.seconds += PAUSE_SECONDS
    assert await syncs.run_to(sync) == "failed"
    found = await syncs.read(sync)
    assert (found.reason_code, found.message) == ("access_denied", f"{DATABASE}: it is reauthorise")


async def test_a_sync_of_a_draft_waits_for_the_approval(world: LinkWorld, writers: Writers, syncs: SyncWorld) -> None:
    world.shopify.put("s1", build_product("s1", "SKU-1", "Lamp"))
    world.odoo.put("o1", build_product("o1", "SKU-1", "Lamp of oak"))
    await world.draft_link()
    async with world.database.transaction() as tx:
        await tx.execute(text("UPDATE pairs SET shopify_base = '{\"title\": \"Lamp\"}', is_planned = false"))
        await tx.execute(text("UPDATE pairs SET odoo_base = shopify_base"))
    await world.plan()
    sync = await syncs.request("export_changed_products")
    assert await syncs.run_to(sync) == "draft"
    assert "writes 1 fields once it is approved" in ((await syncs.read(sync)).message or "")
    await approve(world)
    assert await syncs.run_to(sync) == "running"
    (request,) = await writers.pop()
    await writers.answer(request)
    assert await syncs.run_to(sync) == "success"
    assert (await syncs.read(sync)).message is None


async def test_a_sync_of_a_draft_that_has_conflicts_alone_waits_for_the_approval(
    world: LinkWorld, writers: Writers, syncs: SyncWorld
) -> None:
    world.shopify.put("s1", build_product("s1", "SKU-1", "Lamp"))
    world.odoo.put("o1", build_product("o1", "SKU-1", "Lamp of oak"))
    await world.draft_link()
    sync = await syncs.request(REGULAR)
    assert await syncs.run_to(sync) == "draft"
    await approve(world)
    (request,) = await writers.pop()
    await writers.answer(request)
    assert await syncs.run_to(sync) == "success"


async def test_a_sync_of_a_draft_waits_for_the_conflicts_that_the_approval_decides(
    world: LinkWorld, writers: Writers, syncs: SyncWorld
) -> None:
    world.shopify.put("s1", build_product("s1", "SKU-1", "Lamp"))
    world.odoo.put("o1", build_product("o1", "SKU-1", "Lamp of oak"))
    world.shopify.put("s2", build_product("s2", "SKU-2", "Chair"))
    await world.draft_link()
    sync = await syncs.request(REGULAR)
    assert await syncs.run_to(sync) == "draft"
    await approve(world)
    title, creation = await writers.pop()
    assert (title["operation"], creation["operation"]) == ("update", "create")
    await writers.answer(creation, record="o2")
    assert await syncs.run_to(sync) == "running"
    await writers.answer(title)
    assert await syncs.run_to(sync) == "success"
    assert (await syncs.read(sync)).figures["written"] == 2


async def test_a_refused_write_is_an_error_of_the_sync_and_does_not_fail_it(
    world: LinkWorld, writers: Writers, syncs: SyncWorld
) -> None:
    await link_pair(world)
    await world.change(world.odoo, "o1", build_product("o1", "SKU-1", "Lamp of oak"))
    sync = await syncs.request("export_changed_products")
    await syncs.run()
    (request,) = await writers.pop()
    await writers.answer(request, "refused", reason_code="shopify_data", message="no")
    assert await syncs.run_to(sync) == "success"
    assert (await syncs.read(sync)).figures["errors"] == 1
    again = await syncs.request(EXPORT_ALL)
    await syncs.run()
    await world.plan()
    assert len(await writers.pop()) == 1, "a sync of everything makes failed writes again"
    assert (await syncs.read(again)).state == "running"


async def test_a_queued_request_is_not_doubled_and_one_that_runs_covers_no_new_one(
    world: LinkWorld, syncs: SyncWorld
) -> None:
    await link_pair(world)
    first = await syncs.request(EXPORT_SOME, "o1", "o2")
    assert (await syncs.request(EXPORT_SOME, "o2", "o1", "o2")).id == first.id
    other = await syncs.request(EXPORT_SOME, "o1")
    assert other.id != first.id
    await syncs.run()
    second = await syncs.request(EXPORT_SOME, "o1", "o2")
    assert second.id != first.id
    assert [(await syncs.read(one)).state for one in (first, other, second)] == ["running", "queued", "queued"]
    await syncs.end_source(world.odoo)
    await syncs.run()
    assert [(await syncs.read(one)).state for one in (first, other, second)] == ["success", "running", "queued"]


@pytest.mark.parametrize(
    ("mode", "ids", "reason"),
    [
        ("import_everything", (), "there is no mode 'import_everything', but import_then_export_products, "),
        (EXPORT_ALL, ("o1",), "export_all_products takes no ids"),
        (EXPORT_SOME, (), "export_batch_products needs the ids of 1 to 250 products of odoo"),
        (EXPORT_SOME, tuple(map(str, range(251))), "needs the ids of 1 to 250 products"),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused(
    world: LinkWorld, syncs: SyncWorld, mode: str, ids: tuple[str, ...], reason: str
) -> None:
    await link_pair(world)
    with pytest.raises(RequestRejectedError, match=reason):
        await syncs.request(mode, *ids)


async def test_a_sync_is_cancelled_by_a_person_and_with_its_link(world: LinkWorld, syncs: SyncWorld) -> None:
    await link_pair(world)
    first, second = await syncs.request(EXPORT_ALL), await syncs.request(REGULAR)
    await syncs.run()
    async with world.database.transaction() as tx:
        link = await lock_link(tx, SHOP)
        assert (await cancel_link_sync(tx, link, first.id)).state == "cancelled"
        with pytest.raises(RequestRejectedError, match="has ended: cancelled"):
            await cancel_link_sync(tx, link, first.id)
        with pytest.raises(NotFoundError):
            await cancel_link_sync(tx, link, uuid4())
        await pause_link(tx, link, "by the operator")
    assert await syncs.run_to(second) == "cancelled"
    assert (await syncs.read(second)).message == "the link is paused"
    with pytest.raises(RequestRejectedError, match="the link is paused"):
        await syncs.request(REGULAR)


async def test_a_sync_that_waits_for_a_day_has_failed(world: LinkWorld, syncs: SyncWorld) -> None:
    await link_pair(world)
    sync = await syncs.request(EXPORT_ALL)
    await syncs.run()
    async with world.database.transaction() as tx:
        await tx.execute(text("UPDATE link_syncs SET started_at = now() - interval '25 hours'"))
    assert await syncs.run_to(sync) == "failed"
    assert (await syncs.read(sync)).reason_code == "stale_run"


async def test_a_link_is_checked_once_in_a_while(
    world: LinkWorld, syncs: SyncWorld, count_syncs: Callable[[], Any]
) -> None:
    await link_pair(world)
    health = LinkHealth(world.database.transaction, seconds=3600)
    await health.run_once()
    assert await count_syncs() == 0, "the link is too young"
    async with world.database.transaction() as tx:
        await tx.execute(text("UPDATE links SET created_at = now() - interval '2 hours'"))
    for _ in range(2):
        await health.run_once()
    assert await count_syncs() == 1
    await syncs.run()
    await health.run_once()
    assert await count_syncs() == 1
    async with world.database.transaction() as tx:
        await tx.execute(text("UPDATE link_syncs SET finished_at = now() - interval '2 hours'"))
    await health.run_once()
    assert await count_syncs() == 1, "one was requested a moment ago"
    async with world.database.transaction() as tx:
        await tx.execute(text("UPDATE link_syncs SET requested_at = now() - interval '2 hours'"))
    await health.run_once()
    assert await count_syncs() == 2
    await LinkHealth(world.database.transaction, seconds=0).run_once()
    assert await count_syncs() == 2


async def test_old_syncs_are_deleted_but_the_mark_stays(
    world: LinkWorld, syncs: SyncWorld, count_syncs: Callable[[], Any]
) -> None:
    await link_pair(world)
    for _ in range(2):
        await syncs.request(REGULAR)
        await syncs.run()
    last = await syncs.request(EXPORT_ALL)
    await syncs.run()
    await syncs.end_source(world.odoo, "failed")
    await syncs.run()
    async with world.database.transaction() as tx:
        await tx.execute(text("UPDATE link_syncs SET finished_at = finished_at - interval '8 days'"))
    await OldWrites(world.database.transaction).run_once()
    assert await count_syncs() == 1 and await world.count_rows("ended_syncs") == 0
    async with world.database.transaction() as tx:
        assert await link_syncs.get(tx, last.link, last.id) is None


@pytest.fixture
def count_syncs(world: LinkWorld) -> Callable[[], Any]:
    return lambda: world.count_rows("link_syncs")
