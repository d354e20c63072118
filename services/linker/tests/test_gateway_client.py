"""The gateway's client understands all that the linker answers, and each of its requests is accepted."""

from hashlib import sha256

import httpx
import pytest
from fastapi import FastAPI

from gateway.links.client import LinkerClient
from linker.routes.links import build_link_routes
from linking.records import STOCK
from links_fixture import DATABASE, MERCHANT, SHOP, LinkWorld, build_product
from platform_sdk.errors import RequestRejectedError

pytestmark = pytest.mark.integration
KEY = "g" * 32
CALLERS = {sha256(KEY.encode()).hexdigest(): "gateway"}
SHELF = "gid://shopify/Location/1"


def create_client(world: LinkWorld) -> LinkerClient:
    app = FastAPI()
    app.include_router(build_link_routes(world.database, CALLERS, on_changed=lambda: None))
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app))
    return LinkerClient(http, "http://linker.test", key=KEY)


async def test_a_link_is_made_shown_changed_and_ended(world: LinkWorld) -> None:
    client = create_client(world)
    world.shopify.put("s1", build_product("s1", "SKU-1", "Lamp"))
    world.odoo.put("o1", build_product("o1", "SKU-1", "Lamp of oak"))
    world.shopify.put("s2", build_product("s2", "SKU-2"))
    world.odoo.put("o3", build_product("o3", None))
    world.shopify.put("i1", {"variant": "vs1", "units": {SHELF: 5}}, STOCK)
    world.odoo.put("vo1-8", {"variant": "vo1", "units": {"8": 5}}, STOCK)
    for connection in (SHOP, DATABASE):
        await world.connect(connection)
    assert await client.fetch_link(MERCHANT, SHOP) is None
    settings = {"groups": {"content": {"authority": "hold"}}, "create_in": [], "locations": {SHELF: 8}}
    await client.create_link(MERCHANT, SHOP, DATABASE, settings)
    await world.answer_reads()
    await world.plan()

    link = await client.fetch_link(MERCHANT, SHOP)
    assert link is not None
    assert (link.state, link.conflicts, await client.list_links(MERCHANT)) == ("draft", 1, [link])
    plan = await client.fetch_plan(MERCHANT, SHOP, action="conflict")
    (line,) = plan.lines
    assert line.ids == {"shopify": "s1", "odoo": "o1"}
    assert line.values == {"shopify": "Lamp", "odoo": "Lamp of oak"}
    assert [one.ids for one in plan.unlinked] == [{"shopify": "s2", "odoo": None}]
    assert [(one.reason, one.products) for one in plan.problems] == [
        ("odoo_missing_sku", {"shopify": [], "odoo": ["o3"]})
    ]
    assert (await client.fetch_failures(MERCHANT, SHOP)).failures == []

    settlement = {"winner": "odoo", "record": "s1", "resource": "products", "field": "title"}
    await client.change_link(MERCHANT, SHOP, "settle", settlement)
    await client.change_link(MERCHANT, SHOP, "retry", {"reason": None})
    await world.plan()
    with pytest.raises(RequestRejectedError, match="the plan has changed"):
        await client.change_link(MERCHANT, SHOP, "approve", {"plan": 0})
    link = await client.fetch_link(MERCHANT, SHOP)
    assert link is not None
    await client.change_link(MERCHANT, SHOP, "approve", {"plan": link.plan_number})
    await world.change(world.shopify, "i1", {"variant": "vs1", "units": {SHELF: 1}}, STOCK)
    await client.change_link(MERCHANT, SHOP, "book", {})
    await client.change_link(MERCHANT, SHOP, "syncs", {"mode": "import_all_products"})
    (sync,) = (await client.fetch_syncs(MERCHANT, SHOP)).syncs
    assert (sync.mode, sync.state, sync.finished_at, sync.figures) == ("import_all_products", "queued", None, {})
    with pytest.raises(RequestRejectedError, match="there is no mode"):
        await client.change_link(MERCHANT, SHOP, "syncs", {"mode": "import_everything"})
    for action in ("pause", "resume", "end"):
        await client.change_link(MERCHANT, SHOP, action, {})
    assert await client.list_links(MERCHANT) == []
