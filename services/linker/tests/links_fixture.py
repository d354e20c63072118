"""The linker on a schema of its own, with simulated feeds of a shop and of a database of Odoo."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from uuid import UUID

import orjson
from sqlalchemy import text

from contracts.events import ConnectionChanged, FeedEntry, RecordChanged, RecordsRead, SyncChanged
from database.pool import Database
from linker.handlers import ChangesHandler, ConnectionStateHandler, ReadsHandler, SyncStateHandler
from linker.store import links, pairs, plans, records, sides
from linker.store.links import Link
from linker.store.sides import LinkSide
from linker.use_cases import link_states
from linker.use_cases.feed_pages import FeedPages
from linker.use_cases.planner import LinkPlanner
from linking.records import PRODUCTS, STOCK, VARIANTS, ExtractOptions, LinkedRecord, MatchKeys
from linking.settings import LinkSettings

SHOP, DATABASE = "shopify:acme.myshopify.com", "odoo:acme.example.com/production"
CONNECTIONS = {"shopify": SHOP, "odoo": DATABASE}
MERCHANT = UUID("00000000-0000-4000-8000-00000000000a")
SCOPES = ("read_products", "read_inventory", "write_products", "write_inventory", "read_locations")
FEED = UUID("00000000-0000-4000-8000-00000000000f")
OTHER_FEED = UUID("00000000-0000-4000-8000-0000000000f2")


class SimulatedReader:
    """Reads products of the form `{"title": ..., "variants": [{"id", "sku", ...}]}`, and currencies of `account`.

    Stock has the form `{"variant": ..., "units": {location: number}}`.
    """

    LINKED_RESOURCES: ClassVar = {PRODUCTS: PRODUCTS, STOCK: STOCK}

    def extract_record(
        self, resource: str, record_id: str, body: Mapping[str, Any], options: ExtractOptions
    ) -> LinkedRecord | None:
        if resource == STOCK:
            return LinkedRecord(STOCK, record_id, body["units"], parent=body["variant"])
        if resource != PRODUCTS:
            return None
        if "title" not in body:
            raise ValueError("a product without a title")
        children = tuple(
            LinkedRecord(
                VARIANTS,
                variant["id"],
                {name: value for name, value in variant.items() if name not in ("id", "archived", "is_stocked")},
                MatchKeys(variant.get("sku"), variant.get("barcode")),
                parent=record_id,
                is_archived=variant.get("archived", False),
                is_stocked=variant.get("is_stocked", True),
            )
            for variant in body["variants"]
        )
        values = {name: value for name, value in body.items() if name not in ("variants", "archived", "lacking")}
        lacking = tuple(body.get("lacking", ()))
        is_archived = body.get("archived", False)
        return LinkedRecord(
            PRODUCTS,
            record_id,
            values,
            children=children,
            is_archived=is_archived,
            is_in_domain=not lacking,
            lacking=lacking,
        )

    def extract_currency(self, resource: str, body: Mapping[str, Any]) -> str | None:
        return body["currency"] if resource == "account" else None


def build_product(record_id: str, sku: str | None, title: str = "Lamp", **fields: Any) -> dict[str, Any]:
    """Return the body of a product with one variant, whose id is the product's with `v` in front of it."""
    own = {name: fields.pop(name) for name in ("barcode", "price") if name in fields}
    return {"title": title, "variants": [{"id": f"v{record_id}", "sku": sku, **own}], **fields}


def build_entry(
    record_id: str, sequence: int, body: dict[str, Any] | None, resource: str = PRODUCTS, *, read_at: int = 0
) -> FeedEntry:
    return FeedEntry(
        resource=resource,
        id=record_id,
        sequence=sequence,
        operation="delete" if body is None else "update",
        read_at=read_at,
        changed_at=1_000 + sequence,
        body=body,
    )


class SimulatedFeed:
    """The records of one connection, its feed of changes, and the answers to requests for reads."""

    def __init__(self, connection: str) -> None:
        self.connection, self.feed, self.epoch, self.sequence = connection, FEED, 1, 0
        self.entries: dict[tuple[str, str], FeedEntry] = {}

    def put(
        self, record_id: str, body: dict[str, Any] | None, resource: str = PRODUCTS, *, read_at: int = 0
    ) -> FeedEntry:
        """Change a record, or delete it for None."""
        self.sequence += 1
        entry = build_entry(record_id, self.sequence, body, resource, read_at=read_at)
        self.entries[resource, record_id] = entry
        return entry

    def build_page(self, entries: Sequence[FeedEntry], *, after: int, **fields: Any) -> bytes:
        """Return the page of changes with these entries, which continues the feed after this number."""
        through = max([after, *(entry.sequence for entry in entries)])
        page = {"feed": self.feed, "epoch": self.epoch, "through": through, **fields}
        return (
            RecordChanged(connection=self.connection, after=after, changes=tuple(entries), **page)
            .model_dump_json()
            .encode()
        )

    def build_read(self, read_id: UUID, *, page_size: int = 500, **fields: Any) -> list[bytes]:
        """Return the pages of a read of the present state."""
        entries = [entry for entry in self.entries.values() if entry.body is not None]
        cuts = [entries[start : start + page_size] for start in range(0, len(entries), page_size)] or [[]]
        head = {"connection": self.connection, "feed": self.feed, "epoch": self.epoch, "read_id": read_id, **fields}
        return [
            RecordsRead(
                page=number,
                records=tuple(cut),
                changes_follow=self.sequence if number == len(cuts) - 1 else None,
                **head,
            )
            .model_dump_json()
            .encode()
            for number, cut in enumerate(cuts)
        ]


class LinkWorld:
    """The linker's handlers and its planner on a schema of their own, between two simulated feeds."""

    def __init__(self, database: Database) -> None:
        self.database = database
        transaction, pages = database.transaction, FeedPages(dict.fromkeys(CONNECTIONS, SimulatedReader()))
        self.connections = ConnectionStateHandler(transaction)
        self.syncs = SyncStateHandler(transaction, on_changed=lambda: None)
        self.changes = ChangesHandler(transaction, pages, on_changed=lambda: None)
        self.reads = ReadsHandler(transaction, pages, on_changed=lambda: None)
        self.planner = LinkPlanner(transaction, record_planned=lambda _: None, wake_outbox=lambda: None)
        self.shopify, self.odoo = SimulatedFeed(SHOP), SimulatedFeed(DATABASE)

    async def connect(self, connection: str, *, is_fully_read: bool = True, **fields: Any) -> None:
        """Let a connection be connected, by default with all of its data read."""
        state = {"revision": 1, "epoch": 1, "state": "connected", "merchant": MERCHANT, "scopes": SCOPES, **fields}
        await self.connections(connection, [ConnectionChanged(connection=connection, **state)])
        if is_fully_read:
            await self.finish_full_sync(connection, epoch=state["epoch"])

    async def finish_full_sync(self, connection: str, *, epoch: int = 1) -> None:
        event = SyncChanged(connection=connection, epoch=epoch, revision=1, fully_read=True)
        await self.syncs(connection, [event])

    async def create_link(self, **settings: Any) -> Link:
        """Connect both sides and link them."""
        for connection in (SHOP, DATABASE):
            await self.connect(connection)
        return await self.create_link_of_connected(**settings)

    async def create_link_of_connected(self, **settings: Any) -> Link:
        async with self.database.transaction() as tx:
            await link_states.create_link(tx, SHOP, DATABASE, LinkSettings(**settings))
        return await self.get_link()

    async def draft_link(self, **settings: Any) -> Link:
        """Link both sides, answer the requests for reads, and plan."""
        await self.create_link(**settings)
        await self.answer_reads()
        await self.plan()
        return await self.get_link()

    async def answer_reads(self, **fields: Any) -> None:
        """Answer all requests for reads in the outbox."""
        for message in await self.pop_messages("read.requested"):
            feed = next(feed for feed in (self.shopify, self.odoo) if feed.connection == message["connection"])
            await self.reads(feed.connection, feed.build_read(UUID(message["read_id"]), **fields))

    async def change(
        self,
        feed: SimulatedFeed,
        record_id: str,
        body: dict[str, Any] | None,
        resource: str = PRODUCTS,
        *,
        read_at: int = 0,
    ) -> None:
        """Change a record of one side, publish it on the feed, and plan."""
        after = feed.sequence
        entry = feed.put(record_id, body, resource, read_at=read_at)
        await self.changes(feed.connection, [feed.build_page([entry], after=after)])
        await self.plan()

    async def plan(self) -> None:
        while await self.planner.run_once():
            pass

    async def pop_messages(self, topic: str) -> list[dict[str, Any]]:
        """Delete and return the messages of a topic in the outbox, in their order."""
        async with self.database.transaction() as tx:
            sql = text("DELETE FROM outbox WHERE topic = :topic RETURNING id, body")
            rows = sorted(await tx.execute(sql, {"topic": topic}), key=lambda row: int(row.id))
        return [orjson.loads(row.body) for row in rows]

    async def get_link(self) -> Link:
        async with self.database.transaction() as tx:
            link_id = (await tx.execute(text("SELECT id FROM links ORDER BY created_at DESC LIMIT 1"))).scalar_one()
            link = await links.get(tx, link_id)
        assert link is not None
        return link

    async def get_side(self, side: str) -> LinkSide:
        link = await self.get_link()
        async with self.database.transaction() as tx:
            return next(one for one in await sides.list_by_link(tx, link.id) if one.side == side)

    async def list_titles(self, side: str) -> dict[str, str]:
        """Return the titles of the known products of one side by id."""
        link = await self.get_link()
        async with self.database.transaction() as tx:
            sql = text("SELECT record_id FROM side_records WHERE link = :link AND side = :side")
            ids = (await tx.execute(sql, {"link": link.id, "side": side})).scalars().all()
            known = await records.load(tx, link.id, side, ids)
        return {one.id: one.record.values["title"] for one in known.values() if one.record}

    async def list_pairs(self, resource: str = PRODUCTS) -> list[tuple[str | None, str | None, str, str | None]]:
        """Return the pairs as (id in Shopify, id in Odoo, state, reason), sorted."""
        link = await self.get_link()
        async with self.database.transaction() as tx:
            stored = await pairs.list_stored(tx, link.id, None)
        listed = [(one.shopify_id, one.odoo_id, one.state, one.reason) for one in stored if one.resource == resource]
        return sorted(listed, key=str)

    async def list_lines(self) -> list[tuple[str, str, str, str | None]]:
        """Return the lines of the plan as (field, action, reason, target)."""
        link = await self.get_link()
        async with self.database.transaction() as tx:
            lines = await plans.list_lines(tx, link.id, 1000)
        return [(line["field"], line["action"], line["reason"], line["target"]) for line in lines]

    async def list_problems(self) -> list[dict[str, Any]]:
        link = await self.get_link()
        async with self.database.transaction() as tx:
            return await pairs.list_problems(tx, link.id, 1000)

    async def count_rows(self, table: str) -> int:
        async with self.database.transaction() as tx:
            return int((await tx.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())
