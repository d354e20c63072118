"""Connections, refreshes and syncs over HTTP, and reads that wait for a sync."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from jsonschema import Draft202012Validator

from api_builders import ACME, MERCHANT, NOW_MS, OPERATOR_KEY, OTHER, make_connection, make_sync, make_syncs
from contracts.events import LinkChanged
from data_api.client.gateway import RefreshRefusal, RefreshRefusedError, RequestedSync
from data_api.routes.v1 import syncs
from data_api.use_cases import connection_reads
from stream_server import wait_until
from v1_server import OTHER_KEY, OTHER_ROOT, V1


async def test_a_connection_is_shown_with_what_is_stored_of_it(v1: V1) -> None:
    await v1.feed.fill(3)
    await v1.feed.fill(2, resource="orders")
    last = await v1.feed.write("0000000", None)
    v1.apply_syncs(make_syncs(make_sync(state="success"), last_success_at=NOW_MS - 90_000, next_poll_at=NOW_MS))
    connection = (await v1.get("")).json()
    assert connection == {
        "connection": ACME,
        "platform": "shop-platform",
        "account": "acme.example",
        "state": "connected",
        "last_success_at": "2026-11-30T00:51:50Z",
        "freshness_seconds": 90.0,
        "last_error": None,
        "next_poll_at": "2026-11-30T00:53:20Z",
        "blocked": None,
        "sequence": last,
        "records": {"orders": 2, "products": 2},
        "open_sync": None,
        "sign_in_url": None,
        "links": [],
    }
    await v1.feed.write("9", {})
    assert (await v1.get("")).json()["records"] == {"orders": 2, "products": 3}


async def test_a_connection_that_needs_a_sign_in_says_where(v1: V1) -> None:
    v1.state.apply_connection(make_connection(revision=2, state="reauthorise"))
    sync = make_sync()
    v1.apply_syncs(make_syncs(sync))
    connection = (await v1.get("")).json()
    assert connection["sign_in_url"] == "https://connect.example/connections/shop-platform%3Aacme.example"
    assert connection["open_sync"] == str(sync.sync_id)


def make_link(**fields: Any) -> LinkChanged:
    defaults: dict[str, Any] = {"odoo": "books:acme.example/db", "link_id": UUID(int=1), "merchant": MERCHANT}
    values = {"connection": ACME, "revision": 1, "state": "active", "pairs": {"linked": 7}, "planned_fields": 2}
    return LinkChanged(**{**defaults, **values, **fields})


async def test_the_links_of_a_connection_are_shown_without_the_other_accounts_name(v1: V1) -> None:
    v1.state.apply_connection(make_connection("books:acme.example/db"))
    v1.state.apply_link(make_link(reason="books:acme.example/db: the account was detached"))
    link = {"platform": "books", "state": "active", "pairs": {"linked": 7}, "planned_fields": 2}
    assert (await v1.get("")).json()["links"] == [link]
    assert "acme.example/db" not in (await v1.get("")).text
    path = "/v1/connections/books%3Aacme.example%2Fdb"
    assert (await v1.get(path, key=OPERATOR_KEY)).json()["links"] == [{**link, "platform": "shop-platform"}]
    v1.state.apply_link(make_link(revision=1, state="paused"))
    assert (await v1.get("")).json()["links"] == [link], "an older event changes nothing"
    v1.state.apply_link(make_link(revision=2, merchant=UUID(int=9), state="paused"))
    assert (await v1.get("")).json()["links"] == [], "the link of a former owner is not shown"
    v1.state.apply_link(make_link(revision=3, odoo="books:other.example/db"))
    assert (await v1.get(path, key=OPERATOR_KEY)).json()["links"] == []
    v1.state.apply_link(make_link(revision=4, state="ended"))
    assert (await v1.get("")).json()["links"] == []


async def test_a_key_lists_its_own_connections_page_by_page(v1: V1) -> None:
    assert [shown["connection"] for shown in (await v1.get("/v1/connections")).json()["connections"]] == [ACME]
    first = (await v1.get("/v1/connections", key=OPERATOR_KEY, limit=1)).json()
    assert [shown["connection"] for shown in first["connections"]] == [OTHER]
    second = (await v1.get("/v1/connections", key=OPERATOR_KEY, limit=1, cursor=first["next_cursor"])).json()
    assert [shown["connection"] for shown in second["connections"]] == [ACME] and second["next_cursor"] is None
    assert second["connections"][0]["sequence"] == 0 and first["connections"][0]["sequence"] is None
    assert (await v1.get(OTHER_ROOT)).content == (await v1.get("/v1/connections/shop:none")).content


@pytest.mark.parametrize(("cursor", "status"), [("x", 400), ("", 400), ("AB", 400), ("6f 6f", 400), ("ff", 200)])
async def test_what_the_document_says_of_the_cursors_of_connections_is_true(
    v1: V1, document: dict[str, Any], cursor: str, status: int
) -> None:
    parameters = {one["name"]: one for one in document["paths"]["/v1/connections"]["get"]["parameters"]}
    is_allowed = Draft202012Validator(parameters["cursor"]["schema"]).is_valid(cursor)
    assert is_allowed is (status == 200)
    assert (await v1.get("/v1/connections", cursor=cursor)).status_code == status


async def test_a_refresh_is_asked_of_the_gateway(v1: V1) -> None:
    assert isinstance(v1.gateway.answer, RequestedSync)
    sync_id = str(v1.gateway.answer.sync_id)
    started = await v1.post("/refresh", {})
    assert started.status_code == 202
    assert started.json() == {"status": "started", "sync_id": sync_id, "sync_url": f"/v1/syncs/{sync_id}"}
    assert (await v1.post("/refresh", {"records": {"products": ["1", "2"]}})).status_code == 202
    assert v1.gateway.requests == [(ACME, None), (ACME, {"products": ["1", "2"]})]


@pytest.mark.parametrize(
    "body",
    [
        {"records": {}},
        {"records": {"products": []}},
        {"records": {"products": [], "orders": ["1"]}},
        {"records": {"products": [""]}},
        {"records": {"products": ["1"] * 251}},
        {"record": {}},
        {"records": [1]},
    ],
)
async def test_a_malformed_refresh_is_refused_as_the_document_says(
    v1: V1, document: dict[str, Any], body: dict[str, Any]
) -> None:
    assert not Draft202012Validator(document["components"]["schemas"]["RefreshRequest"]).is_valid(body)
    assert (await v1.post("/refresh", body)).status_code == 400
    assert v1.gateway.requests == []


async def test_a_refresh_has_250_ids_in_all_at_most(v1: V1) -> None:
    body = {"records": {"products": ["1"] * 200, "orders": ["1"] * 51}}
    assert (await v1.post("/refresh", body)).status_code == 400
    assert v1.gateway.requests == []


async def test_a_refresh_that_needs_a_sign_in_says_where(v1: V1) -> None:
    refusal = RefreshRefusal(state="reauthorise", sign_in_url="https://connect.example/login")
    v1.gateway.answer = RefreshRefusedError(409, refusal)
    response = await v1.post("/refresh", {})
    assert (response.status_code, response.json()["sign_in_url"]) == (409, "https://connect.example/login")
    assert (await v1.post("/refresh", {}, key=OTHER_KEY)).status_code == 404


async def test_a_sync_is_found_as_soon_as_it_is_known(v1: V1) -> None:
    sync = make_sync(records=5)
    asking = asyncio.create_task(v1.get(f"/v1/syncs/{sync.sync_id}"))
    await asyncio.wait({asking}, timeout=0)
    v1.apply_syncs(make_syncs(sync))
    found = await asking
    assert (found.status_code, found.json()["state"], found.json()["connection"]) == (200, "running", ACME)


async def test_a_sync_of_another_is_not_found(v1: V1, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syncs, "KNOWN_SECONDS", 0.1)
    sync = make_sync()
    v1.apply_syncs(make_syncs(sync, connection=OTHER))
    foreign, unknown = await v1.get(f"/v1/syncs/{sync.sync_id}"), await v1.get(f"/v1/syncs/{uuid4()}")
    assert foreign.status_code == 404
    assert (foreign.content, foreign.status_code) == (unknown.content, unknown.status_code)
    assert (await v1.get("/v1/syncs/1")).status_code == 404
    assert (await v1.get(f"/v1/syncs/{sync.sync_id}", key=OTHER_KEY)).status_code == 200


async def test_a_read_after_a_sync_waits_until_its_data_is_stored(v1: V1) -> None:
    sync = make_sync()
    v1.apply_syncs(make_syncs(sync))
    paths = ("/records/products/1", "/records/products", "/changes/head")
    reading = [asyncio.create_task(v1.get(path, after_sync=str(sync.sync_id))) for path in paths]
    await wait_until(lambda: bool(v1.state._changes._signals))
    sequence = await v1.feed.write("1", {"n": 1})
    v1.apply_syncs(make_syncs(sync.model_copy(update={"state": "storing", "sequence": sequence}), revision=2))
    record, listed, head = await asyncio.wait_for(asyncio.gather(*reading), 20)
    assert record.json()["data"] == {"n": 1}
    assert [shown["id"] for shown in listed.json()["records"]] == ["1"]
    assert head.json()["cursor"].endswith(f".{sequence}")


async def test_a_sync_that_another_does_the_work_of_counts_as_it(v1: V1) -> None:
    await v1.feed.write("1", {})
    other = make_sync(state="storing", sequence=1)
    v1.apply_syncs(make_syncs(make_sync(sync_id=(mine := uuid4()), coalesced_into=other.sync_id), other))
    assert (await v1.get("/records/products/1", after_sync=str(mine))).status_code == 200


async def test_a_read_after_a_sync_that_does_not_end_is_refused_for_now(
    v1: V1, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_reads, "SYNC_WAIT_SECONDS", 0.1)
    sync = make_sync(records=3)
    v1.apply_syncs(make_syncs(sync))
    late = await v1.get("/records/products", after_sync=str(sync.sync_id))
    assert late.status_code == 409 and late.headers["retry-after"] and late.json()["sync"]["records"] == 3
    v1.apply_syncs(make_syncs(sync, connection=OTHER))
    unknown = await v1.get("/records/products", after_sync=str(uuid4()))
    assert unknown.status_code == 409 and unknown.json()["sync"] is None


async def test_a_read_after_a_failed_sync_is_refused_with_the_reason(v1: V1) -> None:
    sync = make_sync(state="failed", reason="access denied")
    v1.apply_syncs(make_syncs(sync))
    response = await v1.get("/records/products/1", after_sync=str(sync.sync_id))
    assert response.status_code == 409 and "access denied" in response.json()["detail"]
    assert "retry-after" not in response.headers
