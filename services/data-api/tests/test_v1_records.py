"""Lists of records and single records over HTTP."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from api_builders import ACME, OTHER, make_sync, make_syncs
from contracts.feed_cursors import FeedCursor
from data_api.list_cursors import ListCursor
from published_feed import READ_AT, encode
from v1_server import OTHER_KEY, OTHER_ROOT, V1

FEED = "0b7f4b5c0d3e4f8a9c1d2e3f4a5b6c7d"


async def read_list(v1: V1, **query: Any) -> list[dict[str, Any]]:
    """All records of all pages of a list."""
    records: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        response = await v1.get("/records/products", **query, **cursor)
        assert response.status_code == 200, response.text
        records += response.json()["records"]
        if response.json()["next_cursor"] is None:
            return records
        cursor = {"cursor": response.json()["next_cursor"]}


async def test_a_record_is_shown_with_its_times_and_number(v1: V1) -> None:
    sequence = await v1.feed.write("gid://p/1", {"title": "Sh\u2028irt"})
    response = await v1.get("/records/products/gid:%2F%2Fp%2F1")
    assert response.status_code == 200 and response.headers["content-type"] == "application/json"
    record = response.json()
    first_seen_at = datetime.fromisoformat(record.pop("first_seen_at"))
    assert first_seen_at.tzinfo is not None
    assert record == {
        "id": "gid://p/1",
        "resource": "products",
        "sequence": sequence,
        "updated_at": "2026-11-01T12:00:00Z",
        "read_at": datetime.fromtimestamp(READ_AT / 1000, UTC).isoformat().replace("+00:00", "Z"),
        "deleted": False,
        "data": {"title": "Sh\u2028irt"},
    }
    assert encode({"title": "Sh\u2028irt"}) in response.content


async def test_a_record_that_is_known_is_not_sent_again(v1: V1) -> None:
    await v1.feed.write("1", {"title": "Shirt", "price": 1})
    first = await v1.get("/records/products/1")
    again = await v1.get("/records/products/1", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    cut = await v1.get("/records/products/1", fields="title")
    assert cut.json()["data"] == {"title": "Shirt"} and cut.headers["etag"] != first.headers["etag"]
    await v1.feed.write("1", {"title": "Shirt", "price": 2})
    changed = await v1.get("/records/products/1", headers={"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200


async def test_a_deleted_record_is_gone_and_one_that_never_was_is_not_found(v1: V1) -> None:
    await v1.feed.write("1", {"title": "Shirt"})
    sequence = await v1.feed.write("1", None)
    gone = await v1.get("/records/products/1")
    assert gone.status_code == 410 and gone.headers["content-type"] == "application/problem+json"
    assert (gone.json()["sequence"], gone.json()["deleted"]) == (sequence, True)
    assert (await v1.get("/records/products/2")).status_code == 404
    assert (await v1.get("/records/orders/1")).status_code == 404


@pytest.mark.parametrize("order", ["id", "sequence"])
async def test_a_list_is_complete_for_what_exists_throughout(v1: V1, order: str) -> None:
    await v1.feed.fill(23)
    first = (await v1.get("/records/products", order=order, limit=5)).json()
    seen = [record["id"] for record in first["records"]]
    cursor = first["next_cursor"]
    edited = ["0000001", "0000012", "0000022"]
    while cursor is not None:
        if edited:
            await v1.feed.write(edited.pop(), {"edited": True})
        page = (await v1.get("/records/products", order=order, limit=5, cursor=cursor)).json()
        seen += [record["id"] for record in page["records"]]
        cursor = page["next_cursor"]
    assert set(seen) == {f"{number:07}" for number in range(23)}
    assert (len(seen) == 23) is (order == "id")


async def test_a_list_is_filtered(v1: V1) -> None:
    late = datetime(2026, 11, 2, tzinfo=UTC)
    await v1.feed.write("1", {"n": 1}, lookups=[("handle", "red:shirt")])
    await v1.feed.write("2", {"n": 2}, lookups=[("handle", "blue")], updated_at=late)
    await v1.feed.write("3", {"n": 3})
    await v1.feed.write("3", None)
    ids = [record["id"] for record in await read_list(v1, where="handle:red:shirt")]
    assert ids == ["1"]
    assert [record["id"] for record in await read_list(v1, ids="2,7,1")] == ["1", "2"]
    assert [record["id"] for record in await read_list(v1, updated_after="2026-11-01T12:00:00+00:00")] == ["2"]
    everything = await read_list(v1, include="deleted", limit=1, fields="n")
    assert [(record["id"], record["data"]) for record in everything] == [("1", {"n": 1}), ("2", {"n": 2}), ("3", None)]


async def test_a_record_is_found_by_one_of_several_values(v1: V1) -> None:
    await v1.feed.write("1", {}, lookups=[("sku", "S"), ("sku", "Grün/M, 2:1")])
    await v1.feed.write("2", {}, lookups=[("sku", "S")])
    for order in ("id", "sequence"):
        found = await read_list(v1, where="sku:S", limit=1, order=order)
        assert [record["id"] for record in found] == ["1", "2"]
    assert [record["id"] for record in await read_list(v1, where="sku:Grün/M, 2:1")] == ["1"]
    assert await read_list(v1, where="sku:s") == await read_list(v1, where="sku:") == []
    assert [record["id"] for record in await read_list(v1, where="sku:S", ids="2,3")] == ["2"]


async def test_a_field_that_a_resource_does_not_have_is_refused_and_the_others_are_named(v1: V1) -> None:
    response = await v1.get("/records/products", where="colour:red")
    assert response.status_code == 400 and response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"] == (
        "where: products has no lookup field colour: its lookup fields are handle, sku"
    )
    other = await v1.get("/records/orders", where="handle:red")
    assert (other.status_code, other.json()["detail"]) == (
        400,
        "where: orders has no lookup field handle: it has no lookup fields",
    )
    assert (await v1.get(f"{OTHER_ROOT}/records/products", where="colour:red")).status_code == 404


@pytest.mark.parametrize("after", ["a\0", 2**63])
def test_a_cursor_that_no_list_has_is_none(after: str | int) -> None:
    cursor = ListCursor(FeedCursor(UUID(FEED), 1, 0), after).encode("binding")
    with pytest.raises(ValueError, match="not a cursor"):
        ListCursor.decode(cursor, "binding")


@pytest.mark.parametrize(
    "path",
    [
        "/records/%00",
        "/records/products/a%00b",
        "/records/products?ids=1,%00",
        "/records/products?where=handle:%00",
        "/records/products?where=%00:red",
        f"/changes?cursor={FEED}.1.0&resources=%00",
        f"/changes?cursor={FEED}.1.{2**63}",
    ],
)
async def test_what_the_store_cannot_hold_is_refused(v1: V1, path: str) -> None:
    response = await v1.get(path)
    assert response.status_code == 400 and response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "251"},
        {"cursor": "x"},
        {"where": "handle"},
        {"fields": "a..b"},
        {"ids": ","},
        {"ids": ",".join("a" * 251)},
        {"ids": "1", "order": "sequence"},
        {"updated_after": "yesterday"},
        {"updated_after": "0.5"},
        {"updated_after": "0001-01-01T00:00:00+14:00"},
        {"updated_after": "9999-12-31T23:59:59-14:00"},
        {"updated_after": "2026-11-01T12:00:00"},
        {"order": "title"},
        {"oder": "id"},
    ],
)
async def test_a_malformed_parameter_is_named(v1: V1, query: dict[str, str]) -> None:
    response = await v1.get("/records/products", **query)
    assert response.status_code == 400 and response.headers["content-type"] == "application/problem+json"
    assert next(iter(query)) in response.json()["detail"]


async def test_a_cursor_goes_with_its_own_parameters_only(v1: V1) -> None:
    await v1.feed.fill(3)
    await v1.feed.fill(3, resource="orders")
    cursor = (await v1.get("/records/products", limit=2)).json()["next_cursor"]
    assert (await v1.get("/records/products", limit=1, cursor=cursor)).status_code == 200
    for path, query in (
        ("/records/products", {"order": "sequence"}),
        ("/records/products", {"include": "deleted"}),
        ("/records/products", {"fields": "a"}),
        ("/records/orders", {}),
    ):
        assert (await v1.get(path, cursor=cursor, **query)).status_code == 400


async def test_a_list_of_a_feed_that_began_anew_is_reset(v1: V1) -> None:
    await v1.feed.fill(3)
    cursor = (await v1.get("/records/products", limit=2)).json()["next_cursor"]
    await v1.feed.renew()
    response = await v1.get("/records/products", limit=2, cursor=cursor)
    assert response.status_code == 410
    assert (response.json()["status"], response.json()["restart"]) == ("reset", f"/v1/connections/{ACME}/changes/head")


async def test_a_page_of_large_records_has_fewer_and_is_not_the_end(v1: V1) -> None:
    await v1.feed.fill(4, body=encode({"text": "x" * 1_500_000}))
    page = (await v1.get("/records/products")).json()
    assert len(page["records"]) == 2 and page["next_cursor"] is not None
    assert len(await read_list(v1)) == 4


async def test_nothing_is_answered_before_the_first_full_sync_has_succeeded(v1: V1) -> None:
    await v1.feed.connect(OTHER, is_fully_read=False)
    await v1.feed.write("1", {}, connection=OTHER)
    cursor = FeedCursor(UUID(int=1), 1, 0).encode()
    for path in (
        "/records/products",
        "/records/products/1",
        f"/changes?cursor={cursor}",
        "/changes/head",
        "/changes/stream",
    ):
        response = await v1.get(OTHER_ROOT + path, key=OTHER_KEY)
        assert response.status_code == 503 and response.headers["retry-after"], path
        assert "begins in a moment" in response.json()["detail"]
    sync = make_sync(records=17)
    v1.apply_syncs(make_syncs(sync, connection=OTHER, fully_read=False))
    running = (await v1.get(OTHER_ROOT + "/records/products", key=OTHER_KEY)).json()
    assert running["sync"] == {"sync_id": str(sync.sync_id), "state": "running", "records": 17}
    v1.apply_syncs(make_syncs(connection=OTHER, fully_read=False, revision=2, last_error="access denied"))
    assert "access denied" in (await v1.get(OTHER_ROOT + "/records/products", key=OTHER_KEY)).json()["detail"]
