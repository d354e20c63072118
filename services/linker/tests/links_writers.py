"""Both platforms' writers in the tests of the linker, and a link of which what it has decided is written."""

from datetime import UTC, datetime
from typing import Any

from contracts.events import WriteCompleted
from linker.handlers import WritesHandler
from linker.use_cases.approvals import approve_draft
from linker.use_cases.link_states import lock_link
from links_fixture import SHOP, LinkWorld, build_product

WRITTEN_AT = datetime(2026, 11, 1, 12, 0, 0, tzinfo=UTC)


class Writers:
    """Both platforms' writers: they answer the requests in the linker's outbox."""

    def __init__(self, world: LinkWorld) -> None:
        self.world = world
        self.handler = WritesHandler(world.database.transaction, on_changed=lambda: None)

    async def pop(self) -> list[dict[str, Any]]:
        """Return the requests for writes that wait, of both sides."""
        found = await self.world.pop_messages("write.requested.shopify")
        return found + await self.world.pop_messages("write.requested.odoo")

    async def answer(self, request: dict[str, Any], outcome: str = "applied", **fields: Any) -> None:
        """Say what came of a write, by default that it was made, and plan."""
        if outcome in ("applied", "unchanged"):
            fields = {"values": request["fields"], "version": WRITTEN_AT, "read_at": 5_000, **fields}
        record = fields.pop("record", request["record"])
        copied = {name: request[name] for name in ("write_id", "link_id", "connection", "epoch", "attempt")}
        event = WriteCompleted(**copied, record=record, outcome=outcome, **fields)
        await self.handler(request["connection"], [event])
        await self.world.plan()


async def approve(world: LinkWorld, plan: int | None = None) -> None:
    async with world.database.transaction() as tx:
        await approve_draft(tx, await lock_link(tx, SHOP), plan)
    await world.plan()


async def link_pair(world: LinkWorld, **settings: Any) -> None:
    """Link a shop and a database with one product that is the same on both sides, and approve it."""
    world.shopify.put("s1", build_product("s1", "SKU-1"))
    world.odoo.put("o1", build_product("o1", "SKU-1"))
    await world.draft_link(**settings)
    await approve(world)
