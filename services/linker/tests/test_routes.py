"""The operator makes, sees and changes all links over HTTP, and the gateway those of one merchant; nobody else does."""

from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI

from linker.routes.links import build_link_routes
from linking.records import STOCK
from links_fixture import DATABASE, MERCHANT, SHOP, LinkWorld, build_product

pytestmark = pytest.mark.integration
KEYS = {"operator": "o" * 32, "gateway": "g" * 32}
CALLERS = {sha256(key.encode()).hexdigest(): caller for caller, key in KEYS.items()}
NAME = quote(SHOP, safe="")
OF_MERCHANT = f"/merchants/{MERCHANT}/links"
OF_ANOTHER = "/merchants/00000000-0000-4000-8000-00000000000b/links"
BY_GATEWAY = {"Authorization": f"Bearer {KEYS['gateway']}"}


SYNC = "00000000-0000-4000-8000-00000000000c"


class Call(NamedTuple):
    """A request to a route of links, by what follows `/links`."""

    method: str
    path: str
    body: dict[str, Any] | None = None


MAKE = Call("POST", "", {"shop": SHOP, "database": DATABASE})
CALLS = [
    Call("GET", f"/{NAME}"),
    Call("GET", f"/{NAME}/plan"),
    Call("GET", f"/{NAME}/failures"),
    Call("GET", f"/{NAME}/unbooked"),
    Call("POST", f"/{NAME}/approve", {}),
    Call("POST", f"/{NAME}/settle", {"winner": "odoo"}),
    Call("POST", f"/{NAME}/book", {}),
    Call("POST", f"/{NAME}/retry", {}),
    Call("GET", f"/{NAME}/syncs"),
    Call("POST", f"/{NAME}/syncs", {"mode": "import_all_products"}),
    Call("GET", f"/{NAME}/syncs/{SYNC}"),
    Call("POST", f"/{NAME}/syncs/{SYNC}/cancel"),
    Call("POST", f"/{NAME}/syncs/{SYNC}/requeue"),
    Call("POST", f"/{NAME}/pause"),
    Call("POST", f"/{NAME}/resume"),
    Call("POST", f"/{NAME}/end"),
]
"""One call of each route of a link."""


@pytest.fixture
async def http(world: LinkWorld) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.include_router(build_link_routes(world.database, CALLERS, on_changed=lambda: None))
    headers = {"Authorization": f"Bearer {KEYS['operator']}"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://linker", headers=headers
    ) as client:
        yield client


async def make_link(world: LinkWorld, http: httpx.AsyncClient, **settings: Any) -> httpx.Response:
    for connection in (SHOP, DATABASE):
        await world.connect(connection)
    return await http.post("/links", json={"shop": SHOP, "database": DATABASE, "settings": settings})


@pytest.mark.parametrize("path", ["/links", f"/links/{NAME}", f"/links/{NAME}/plan"])
async def test_only_the_operator_may_see_links(http: httpx.AsyncClient, path: str) -> None:
    for key in ("", KEYS["gateway"]):
        assert (await http.get(path, headers={"Authorization": f"Bearer {key}"})).status_code == 401


async def call_as_gateway(http: httpx.AsyncClient, prefix: str, call: Call) -> httpx.Response:
    return await http.request(call.method, prefix + call.path, json=call.body, headers=BY_GATEWAY)


async def test_the_gateway_uses_every_route_for_one_merchant_and_no_other(http: httpx.AsyncClient) -> None:
    for call in (Call("GET", ""), MAKE, *CALLS):
        for prefix, key in (("/links", KEYS["gateway"]), (OF_MERCHANT, KEYS["operator"]), (OF_MERCHANT, "")):
            headers = {"Authorization": f"Bearer {key}"}
            response = await http.request(call.method, prefix + call.path, json=call.body, headers=headers)
            assert response.status_code == 401, (prefix, call)


async def test_a_link_of_another_merchant_is_not_there_by_any_route(world: LinkWorld, http: httpx.AsyncClient) -> None:
    for connection in (SHOP, DATABASE):
        await world.connect(connection)
    assert (await call_as_gateway(http, OF_ANOTHER, MAKE)).status_code == 404
    made = await call_as_gateway(http, OF_MERCHANT, MAKE)
    assert (made.status_code, made.json()["merchant"]) == (201, str(MERCHANT))
    for call in CALLS:
        for prefix in (OF_ANOTHER, "/merchants/none/links"):
            assert (await call_as_gateway(http, prefix, call)).status_code == 404, call
    assert (await call_as_gateway(http, OF_ANOTHER, Call("GET", ""))).json() == {"links": []}
    assert (await call_as_gateway(http, OF_ANOTHER, MAKE)).status_code == 404
    link = (await call_as_gateway(http, OF_MERCHANT, CALLS[0])).json()
    assert (link, (await http.get("/links")).json()["links"]) == (made.json(), [made.json()])
    assert (await call_as_gateway(http, OF_MERCHANT, Call("GET", ""))).json() == {"links": [link]}


async def test_a_merchant_pauses_resumes_and_ends_a_link(world: LinkWorld, http: httpx.AsyncClient) -> None:
    await make_link(world, http)
    paused = (await call_as_gateway(http, OF_MERCHANT, Call("POST", f"/{NAME}/pause"))).json()
    assert (paused["state"], paused["reason"]) == ("paused", "paused by a merchant")
    for action, state in (("resume", "reading"), ("end", "ended")):
        assert (await call_as_gateway(http, OF_MERCHANT, Call("POST", f"/{NAME}/{action}"))).json()["state"] == state


async def test_a_link_says_what_its_shop_must_grant_and_where(world: LinkWorld, http: httpx.AsyncClient) -> None:
    await make_link(world, http, locations={"gid://shopify/Location/1": 8})
    link = (await http.get(f"/links/{NAME}")).json()
    assert (link["missing_scopes"], link["grant_query"]) == ([], "")
    await world.connect(SHOP, revision=2, scopes=("read_products", "read_inventory", "write_products"))
    link = (await http.get(f"/links/{NAME}")).json()
    assert (link["missing_scopes"], link["grant_query"]) == (["write_inventory", "read_locations"], "link=stock")


async def test_a_link_is_made_and_shown_with_all_its_settings(world: LinkWorld, http: httpx.AsyncClient) -> None:
    made = await make_link(world, http, sku_format="sku-bin")
    assert made.status_code == 201
    link = made.json()
    assert (link["shop"], link["database"], link["state"]) == (SHOP, DATABASE, "reading")
    assert (link["settings"]["sku_format"], link["settings"]["on_odoo_archive"]) == ("sku-bin", "draft")
    assert {side: feed["state"] for side, feed in link["sides"].items()} == {"shopify": "reading", "odoo": "reading"}
    assert (await http.get(f"/links/{NAME}")).json() == link
    assert (await http.get("/links")).json() == {"links": [link]}


async def test_what_is_refused_is_answered_with_its_reason(world: LinkWorld, http: httpx.AsyncClient) -> None:
    assert (await http.get(f"/links/{NAME}")).status_code == 404
    assert (await http.post(f"/links/{NAME}/pause")).status_code == 404
    assert (await make_link(world, http, color="red")).status_code == 422
    await make_link(world, http)
    again = await make_link(world, http)
    assert (again.status_code, again.json()["detail"]) == (409, f"{SHOP} has a link already")
    assert (await http.post(f"/links/{NAME}/delete")).status_code == 422


async def test_a_plan_shows_values_before_and_after_and_what_is_not_matched(
    world: LinkWorld, http: httpx.AsyncClient
) -> None:
    world.shopify.put("s1", build_product("s1", "SKU-1", "Lamp"))
    world.odoo.put("o1", build_product("o1", "SKU-1", "Lamp of oak"))
    world.shopify.put("s2", build_product("s2", "SKU-2"))
    world.odoo.put("o3", build_product("o3", None))
    await world.draft_link(create_in=[])
    plan = (await http.get(f"/links/{NAME}/plan")).json()
    (line,) = plan["lines"]
    assert (line["target"], line["before"], line["after"]) == ("shopify", "Lamp", "Lamp of oak")
    assert plan["counts"] == [
        {
            "resource": "products",
            "field": "title",
            "action": "conflict",
            "reason": "first_match",
            "target": "shopify",
            "lines": 1,
        }
    ]
    assert plan["unlinked_counts"] == [{"resource": "products", "reason": "missing_in_odoo", "count": 1}]
    assert [one["shopify_id"] for one in plan["unlinked"]] == ["s2"]
    assert plan["problem_counts"] == {"odoo_missing_sku": 1}
    assert (await http.get(f"/links/{NAME}/plan?limit=0")).json()["lines"] == []


async def test_a_link_is_paused_resumed_and_ended(world: LinkWorld, http: httpx.AsyncClient) -> None:
    await make_link(world, http)
    for action, state in (("pause", "paused"), ("resume", "reading"), ("end", "ended")):
        assert (await http.post(f"/links/{NAME}/{action}")).json()["state"] == state
    assert (await http.get(f"/links/{NAME}")).status_code == 404
    assert (await http.get("/links")).json() == {"links": []}


async def test_conflicts_are_listed_alone_and_sales_are_booked(world: LinkWorld, http: httpx.AsyncClient) -> None:
    shelf = "gid://shopify/Location/1"
    for number, (sold, counted) in enumerate([(3, 10), (5, 5)]):
        world.shopify.put(f"s{number}", build_product(f"s{number}", f"SKU-{number}"))
        world.odoo.put(f"o{number}", build_product(f"o{number}", f"SKU-{number}"))
        world.shopify.put(f"i{number}", {"variant": f"vs{number}", "units": {shelf: sold}}, STOCK)
        world.odoo.put(f"vo{number}-8", {"variant": f"vo{number}", "units": {"8": counted}}, STOCK)
    await make_link(world, http, locations={shelf: 8})
    await world.answer_reads()
    await world.plan()
    lines = (await http.get(f"/links/{NAME}/plan", params={"action": "conflict"})).json()["lines"]
    assert [(one["shopify_id"], one["before"], one["after"]) for one in lines] == [("vs0", 3, 10)]
    assert (await http.get(f"/links/{NAME}/plan", params={"action": "write"})).json()["lines"] == []
    await world.change(world.shopify, "i1", {"variant": "vs1", "units": {shelf: 1}}, STOCK)
    assert (await http.get(f"/links/{NAME}")).json()["unbooked_units"] == 4
    (unbooked,) = (await http.get(f"/links/{NAME}/unbooked")).json()["unbooked"]
    assert unbooked == {"name": "SKU-1", "shopify_id": "vs1", "odoo_id": "vo1", "location": shelf, "units": 4}
    refused = await http.post(f"/links/{NAME}/book", json={"record": "vs0"})
    assert (refused.status_code, refused.json()["detail"]) == (404, "nothing is unbooked there")
    assert (await http.post(f"/links/{NAME}/book", json={"quantity": 3})).json() == {"units": 3}
    assert (await http.get(f"/links/{NAME}")).json()["unbooked_units"] == 1


async def test_syncs_are_requested_shown_cancelled_and_requeued(world: LinkWorld, http: httpx.AsyncClient) -> None:
    await make_link(world, http)
    syncs = f"/links/{NAME}/syncs"
    asked = await http.post(syncs, json={"mode": "export_batch_products", "ids": ["8", "7", "7"]})
    assert asked.status_code == 202, asked.text
    sync = asked.json()
    assert (sync["state"], sync["ids"], sync["scope"], sync["targets"]) == ("queued", ["7", "8"], "ids", ["shopify"])
    assert (await http.post(syncs, json={"mode": "export_batch_products", "ids": ["7", "8"]})).json() == sync
    assert (await http.get(f"{syncs}/{sync['id']}")).json() == sync
    cancelled = (await http.post(f"{syncs}/{sync['id']}/cancel")).json()
    assert (cancelled["id"], cancelled["state"]) == (sync["id"], "cancelled") and cancelled["finished_at"]
    again = (await http.post(f"{syncs}/{sync['id']}/requeue")).json()
    assert (again["state"], again["ids"]) == ("queued", ["7", "8"])
    assert [one["id"] for one in (await http.get(syncs)).json()["syncs"]] == [again["id"], sync["id"]]
    refused = await http.post(syncs, json={"mode": "import_everything"})
    assert refused.status_code == 400 and "import_all_products" in refused.json()["detail"]
    missing = await http.get(f"{syncs}/{SYNC}")
    assert (missing.status_code, missing.json()["detail"]) == (404, "the link has no such sync")
    assert (await http.post(f"{syncs}/{sync['id']}/end")).status_code in (404, 405, 422)
