"""The plain routes: the data at once, refreshes of which there is never a second, and the status."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest

from api_builders import (
    ACME,
    KEY,
    NOW_MS,
    OPERATOR_KEY,
    OTHER,
    make_connection,
    make_key,
    make_keys,
    make_sync,
    make_syncs,
)
from bucket_fixture import open_counted_bucket
from data_api.data_cuts import MAX_DOCUMENT_BYTES
from data_api.declared_resources import has_one_resource
from data_api.key_limits import REFRESHES_PER_MINUTE
from merchant_sync.stack import Stack
from plain_server import FakeGateway, PlainServer, serve_plain
from platforms.registry import PLATFORMS

pytestmark = pytest.mark.integration
SHOP = b'{"data":{"products":{"edges":[{"node":{"id":"1","title":"\xd0\xba"}}]},"shop":{}}}'
PAGE = b'{"data":[{"id":"1029","name":"Page"}]}'


@pytest.fixture
async def served(stored_objects: Stack, tmp_path: Path) -> AsyncIterator[tuple[PlainServer, FakeGateway]]:
    async with open_counted_bucket(stored_objects) as bucket, serve_plain(bucket, tmp_path) as served:
        yield served


@pytest.fixture
def server(served: tuple[PlainServer, FakeGateway]) -> PlainServer:
    return served[0]


@pytest.fixture
def gateway(served: tuple[PlainServer, FakeGateway]) -> FakeGateway:
    return served[1]


async def test_data_of_a_shop_is_its_whole_document(server: PlainServer) -> None:
    await server.upload(SHOP, stored_at=NOW_MS - 90_000)
    response = await server.get("/fetch-data")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    assert response.json() == {
        "status": "success",
        "connection": ACME,
        "count": 2,
        "last_updated": datetime.fromtimestamp(NOW_MS / 1000 - 90, UTC).isoformat().replace("+00:00", "Z"),
        "cache_age_minutes": 1.5,
        "update_in_progress": False,
        "data": orjson.loads(SHOP),
    }


async def test_a_document_of_any_size_arrives_whole(server: PlainServer) -> None:
    document = b'{"data":{"rows":[' + b",".join(b'{"id":%d}' % number for number in range(1_000_000)) + b"]}}"
    assert len(document) > 8 * 1024 * 1024
    await server.upload(document)
    response = await server.get("/fetch-data")
    assert int(response.headers["content-length"]) == len(response.content)
    assert response.content.endswith(b',"data":' + document + b"}")
    head = await server.request("HEAD", "/fetch-data")
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(response.content)), b"")


def find_platform(*, one_resource: bool) -> str:
    return next(slug for slug in PLATFORMS if has_one_resource(f"{slug}:1") is one_resource)


async def test_data_of_a_connection_with_one_resource_are_its_rows(server: PlainServer) -> None:
    name = f"{find_platform(one_resource=True)}:1029"
    server.state.apply_connection(make_connection(name, object_key="page/page_data.json"))
    await server.upload(PAGE, connection=name)
    response = await server.get("/fetch-data", key=OPERATOR_KEY, connection=name)
    assert response.json()["data"] == [{"id": "1029", "name": "Page"}]


async def test_fields_and_limit_cut_the_rows_of_a_connection_with_one_resource(server: PlainServer) -> None:
    name = f"{find_platform(one_resource=True)}:1029"
    server.state.apply_connection(make_connection(name, object_key="page/page_data.json"))
    rows = [{"id": str(number), "name": {"en": f"Page {number}", "de": "Seite"}} for number in range(300_000)]
    document = orjson.dumps({"data": rows})
    assert len(document) > MAX_DOCUMENT_BYTES
    await server.upload(document, connection=name)
    response = await server.get("/fetch-data", key=OPERATOR_KEY, connection=name, limit=2, fields="id,name.en")
    assert (response.status_code, response.json()["count"]) == (200, 2)
    assert response.json()["data"] == [
        {"id": "0", "name": {"en": "Page 0"}},
        {"id": "1", "name": {"en": "Page 1"}},
    ]
    whole = await server.get("/fetch-data", key=OPERATOR_KEY, connection=name, fields="id")
    assert whole.json()["data"] == [{"id": row["id"]} for row in rows]


async def test_fields_cut_a_document_and_what_cannot_be_cut_is_refused_before_a_refresh(
    server: PlainServer, gateway: FakeGateway
) -> None:
    await server.upload(SHOP)
    response = await server.get("/fetch-data", fields="data.products.edges.node.title")
    assert response.json()["data"] == {"data": {"products": {"edges": [{"node": {"title": "к"}}]}}}
    for query in ({"limit": 1}, {"limit": 0}, {"limit": "x"}, {"fields": ""}, {"fields": "a,,b"}):
        refused = await server.get("/fetch-data", refresh="true", **query)
        assert refused.status_code == 400 and next(iter(query)) in refused.json()["message"], query
    await server.upload(b'{"data":"' + b"x" * MAX_DOCUMENT_BYTES + b'"}', 2)
    refused = await server.get("/fetch-data", fields="data", refresh="true")
    assert refused.status_code == 400 and "too large" in refused.json()["message"]
    assert (await server.get("/fetch-data")).status_code == 200
    assert gateway.requests == []


async def test_a_later_success_confirms_the_data_that_is_shown(server: PlainServer) -> None:
    await server.upload(SHOP, stored_at=NOW_MS - 600_000)
    server.apply_syncs(make_syncs(make_sync(), last_success_at=NOW_MS - 60_000))
    body = (await server.get("/fetch-data")).json()
    assert (body["cache_age_minutes"], body["update_in_progress"]) == (1.0, True)
    await server.upload(SHOP[:-2] + b" }}", 2, stored_at=NOW_MS - 30_000)
    server.bucket.is_away = True
    body = (await server.get("/fetch-data")).json()
    assert (body["data"], body["cache_age_minutes"]) == (orjson.loads(SHOP), 10.0)


@pytest.mark.parametrize(
    ("syncs", "message"),
    [
        ({}, "No cached data yet: the first sync has not begun"),
        ({"last_error": "the token was refused"}, "No cached data: the first sync failed (the token was refused)"),
        (
            {"blocked": "the account is frozen"},
            "No cached data: the platform refuses to be asked, the account is frozen",
        ),
    ],
)
async def test_before_the_first_sync_it_is_said_why_there_is_no_data(
    server: PlainServer, syncs: dict[str, Any], message: str
) -> None:
    server.apply_syncs(make_syncs(fully_read=False, last_success_at=None, **syncs))
    response = await server.get("/fetch-data")
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")
    assert response.json() == {"status": "error", "message": message, "update_in_progress": False}


async def test_before_the_first_sync_it_is_said_that_it_runs(server: PlainServer) -> None:
    sync = make_sync()
    server.apply_syncs(make_syncs(sync, fully_read=False, last_success_at=None))
    body = (await server.get("/fetch-data")).json()
    assert body["message"] == "No cached data yet: the first sync is running"
    assert (body["update_in_progress"], body["sync_id"]) == (True, str(sync.sync_id))


async def test_a_key_for_several_connections_names_one(server: PlainServer) -> None:
    await server.upload(SHOP)
    response = await server.get("/fetch-data", key=OPERATOR_KEY)
    assert response.status_code == 400 and response.json()["connections"] == sorted([ACME, OTHER])
    assert (await server.get("/fetch-data", key=OPERATOR_KEY, connection=ACME)).status_code == 200


async def test_what_is_somebody_elses_is_answered_as_what_does_not_exist(server: PlainServer) -> None:
    await server.upload(PAGE, connection=OTHER)
    for method, path in (("GET", "/fetch-data"), ("GET", "/status"), ("POST", "/refresh")):
        others = [await server.request(method, path, connection=name) for name in (OTHER, "shop-platform:nobody")]
        assert [response.status_code for response in others] == [404, 404]
        assert others[0].content == others[1].content
    server.state.apply_connection(make_connection(revision=2, merchant=uuid4()))
    assert (await server.get("/fetch-data")).status_code == 404


async def test_two_hundred_requests_for_a_refresh_are_one_sync(server: PlainServer, gateway: FakeGateway) -> None:
    responses = await asyncio.gather(*(server.request("POST", "/refresh") for _ in range(200)))
    assert {response.status_code for response in responses} == {202}
    bodies = [response.json() for response in responses]
    assert len({body["sync_id"] for body in bodies}) == 1
    started = [body for body in bodies if body["status"] == "started"]
    assert len(started) == 1
    sync_id = started[0]["sync_id"]
    assert started[0] == {"status": "started", "sync_id": sync_id, "sync_url": f"/v1/syncs/{sync_id}"}
    other = next(body for body in bodies if body["status"] == "in_progress")
    assert other["message"] == "Update already in progress"


async def test_refreshes_that_start_something_are_limited(server: PlainServer, gateway: FakeGateway) -> None:
    for number in range(REFRESHES_PER_MINUTE):
        if number:
            # Asked for while one is open: not counted.
            assert (await server.request("POST", "/refresh")).json()["status"] == "in_progress"
            gateway.finish()
        assert (await server.request("POST", "/refresh")).json()["status"] == "started"
    response = await server.request("POST", "/refresh")
    assert response.status_code == 429
    assert response.headers["ratelimit-policy"] == '"refreshes";q=6;w=60'
    sync = make_sync()
    server.apply_syncs(make_syncs(sync))
    body = (await server.request("POST", "/refresh")).json()
    assert (body["status"], body["sync_id"]) == ("in_progress", str(sync.sync_id))


async def test_an_account_that_must_be_connected_again_is_a_conflict(server: PlainServer, gateway: FakeGateway) -> None:
    await server.upload(SHOP)
    gateway.refusal = 409, {"state": "reauthorise", "sign_in_url": "/connect"}
    response = await server.request("POST", "/refresh")
    assert response.status_code == 409
    assert response.json()["sign_in_url"] == "https://sync.example/connect"
    body = (await server.get("/fetch-data", refresh="true")).json()
    assert (body["refresh"], body["data"]) == ("failed", orjson.loads(SHOP))
    gateway.refusal = 500, {}
    assert (await server.request("POST", "/refresh")).status_code == 503


async def test_data_comes_at_once_with_the_refresh_that_was_asked_for(
    server: PlainServer, gateway: FakeGateway
) -> None:
    await server.upload(SHOP)
    bodies = [(await server.get("/fetch-data", refresh="true")).json() for _ in range(2)]
    assert [body["refresh"] for body in bodies] == ["started", "in_progress"]
    assert {body["sync_id"] for body in bodies} == {str(gateway.open[ACME])}
    made = server.state.keys.find(make_key().sha256)
    assert made is not None
    assert gateway.requests == [(ACME, {"key": {"id": str(made.key.id), "name": "bot"}})] * 2
    await server.get("/fetch-data", key=OPERATOR_KEY, refresh="true", connection=ACME)
    assert gateway.requests[-1] == (ACME, {"key": {"name": "console"}})
    server.state.apply_keys(make_keys(make_key(scopes=("read",)), revision=2))
    assert (await server.get("/fetch-data", refresh="true")).status_code == 403
    assert (await server.request("POST", "/refresh")).status_code == 403


async def test_the_status_says_how_old_the_data_is(server: PlainServer) -> None:
    body = (await server.get("/status")).json()
    assert (body["cache_exists"], body["cache_age_minutes"], body["update_in_progress"]) == (False, None, False)
    await server.upload(SHOP, stored_at=NOW_MS - 600_000)
    server.apply_syncs(
        make_syncs(make_sync(), last_success_at=NOW_MS - 120_000, last_error="once", next_poll_at=NOW_MS + 60_000)
    )
    body = (await server.get("/status")).json()
    assert body["api_status"] == "online" and body["cache_exists"] is True
    assert (body["cache_age_minutes"], body["update_in_progress"], body["last_error"]) == (2.0, True, "once")
    assert re.fullmatch(r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}", body["timestamp"])
    assert body["connections"] == [ACME]
    assert server.bucket.reads == 0


async def test_uses_of_keys_are_reported_together(server: PlainServer, gateway: FakeGateway) -> None:
    for _ in range(3):
        await server.get("/status")
    await server.get("/status", key=OPERATOR_KEY, connection=ACME)
    await server.uses.report()
    key = server.state.keys.find(make_key().sha256)
    assert key is not None and gateway.used == {str(key.key.id): NOW_MS}


async def test_health_and_readiness_need_no_key(server: PlainServer) -> None:
    assert (await server.get("/health", key=None)).json() == {"status": "ok"}
    assert (await server.get("/ready", key=None)).status_code == 200
    assert (await server.get("/status", key=None)).status_code == 401


async def test_the_page_to_try_it_keeps_the_key_in_the_tab_and_runs_its_own_script_only(server: PlainServer) -> None:
    page = await server.get("/demo", key=None)
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    assert "localStorage" not in page.text and "sessionStorage" not in page.text and "cookie" not in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "'unsafe-inline'" not in policy
    assert policy.count("'sha256-") == 2
    assert KEY not in page.text
