"""The control API of the simulated phpMyAdmin, its pages for people, and its state across restarts."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

ORDERS = "/tables/1/shop/orders"


async def test_the_sample_database_has_a_table_of_each_kind(pma: Any) -> None:
    shown = await pma.control("GET", "")
    assert shown["username"] == "merchant" and len(shown["password"]) >= 12
    assert shown["servers"]["1"]["tables"] == {
        "shop.customers": 80, "shop.orders": 200, "shop.order_lines": 392, "shop.audit": 60
    }  # fmt: skip
    notes = {row["note"] for row in (await pma.control("GET", f"{ORDERS}?limit=200"))["rows"]}
    assert {None, "", "\\N"} <= notes


async def test_rows_are_inserted_changed_and_deleted(pma: Any) -> None:
    await pma.sign_in()
    order = {
        "id": 5, "customer_name": "Zoë", "total": 12.5, "status": "new", "created_at": "2026-02-01 10:00",
        "updated_at": "2026-02-01 10:00:00", "details": {"a": [1]},
    }  # fmt: skip
    await pma.control("POST", f"{ORDERS}/rows", {"rows": [order]})
    statement = "SELECT total, note, updated_at, details FROM orders WHERE id = 5"
    assert await pma.select(statement) == [
        {"total": "12.50", "note": None, "updated_at": "2026-02-01 10:00:00", "details": '{"a":[1]}'}
    ]
    await pma.control("PATCH", f"{ORDERS}/rows", {"where": {"id": 5}, "set": {"note": ""}})
    (changed,) = await pma.select(statement)
    assert changed["note"] == "" and changed["updated_at"] > "2026-02-01 10:00:00"
    await pma.control("DELETE", f"{ORDERS}/rows", {"where": {"id": 5}})
    assert await pma.select(statement) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "lost"}, {"id": 2**63}, {"total": "much"}, {"created_at": "today"}, {"details": "{"}, {"id": None},
        {"customer_name": "x" * 121}, {"id": 1001},
    ],
)  # fmt: skip
async def test_a_value_that_the_column_cannot_have_is_refused(pma: Any, wrong: dict[str, Any]) -> None:
    before = await pma.control("GET", ORDERS)
    change = {"where": {"id": 1002}, "set": wrong}
    assert (await pma.http.patch(f"/control/phpmyadmin{ORDERS}/rows", json=change)).status_code == 400
    assert await pma.control("GET", ORDERS) == before


async def test_missing_tables_columns_and_rows_are_not_found(pma: Any) -> None:
    for path, change in (
        ("/tables/1/shop/nix/rows", {}),
        ("/tables/4/shop/orders/rows", {}),
        (f"{ORDERS}/rows", {"where": {"id": 1}, "set": {"note": ""}}),
        (f"{ORDERS}/rows", {"where": {"id": 1001}, "set": {"nix": ""}}),
    ):
        assert (await pma.http.patch(f"/control/phpmyadmin{path}", json=change)).status_code == 404


async def test_a_table_is_created_altered_filled_and_dropped(pma: Any) -> None:
    await pma.sign_in()
    path = "/tables/1/ware house/größe"
    columns = [{"name": "n", "type": "bigint(20) unsigned"}, {"name": "kind", "type": "set('a','b')"}]
    table = {
        "columns": columns,
        "indexes": [{"name": "PRIMARY", "columns": ["n"]}],
        "rows": [{"n": 2**64 - 1, "kind": "b,a"}],
    }
    assert (await pma.control("PUT", path, table))["total"] == 1
    statement = "SELECT *, `kind`+0 AS bits FROM `ware house`.`größe` WHERE `n` > 18446744073709551614"
    assert await pma.select(statement) == [{"n": "18446744073709551615", "kind": "a,b", "bits": "3"}]
    await pma.control("POST", f"{path}/columns", {"name": "more", "type": "text"})
    assert (await pma.select(statement))[0]["more"] is None
    await pma.control("POST", f"{path}/fill", {"rows": 5000})
    assert await pma.select("SELECT COUNT(*) AS c FROM `ware house`.`größe`") == [{"c": "5000"}]
    await pma.control("DELETE", path)
    assert "#1146" in (await pma.export(statement)).text


async def test_every_type_can_be_filled(pma: Any) -> None:
    types = (
        "tinyint(1)", "smallint(5) unsigned", "mediumint(8)", "int(11)", "bigint(20)", "year(4)", "bit(1)", "bit(9)",
        "decimal(12,4)", "float", "double", "char(5)", "varchar(20)", "longtext", "binary(4)", "varbinary(9)", "blob",
        "date", "datetime", "timestamp", "time", "enum('a','b''c')", "set('x','y')", "point",
    )  # fmt: skip
    columns = [{"name": f"c{number}", "type": name} for number, name in enumerate(types)]
    await pma.control("PUT", "/tables/1/shop/types", {"columns": columns})
    await pma.control("POST", "/tables/1/shop/types/fill", {"rows": 300})
    data = (await pma.control("GET", "/tables/1/shop/types/document"))["data"]
    assert len(data) == 300 and all(value is not None for value in data[0].values())


async def test_the_expected_document_has_typed_values_in_the_order_of_the_key(pma: Any) -> None:
    columns = [
        {"name": "code", "type": "varchar(9)"}, {"name": "big", "type": "bigint(20)"},
        {"name": "price", "type": "decimal(5,2)"}, {"name": "on_sale", "type": "bit(1)"},
        {"name": "at", "type": "timestamp"}, {"name": "born", "type": "date", "nullable": True},
        {"name": "raw", "type": "blob"}, {"name": "js", "type": "longtext", "holds_json": True},
    ]  # fmt: skip
    values = {"price": 1, "on_sale": 1, "at": "2026-01-02 03:04:05", "raw": "0x00ff", "js": {"b": [1], "a": None}}
    rows = [
        {"code": "b", "big": 2**53, "born": "0000-00-00", **values},
        {"code": "É", "big": 2**53 + 1, "born": "2026-02-03", **values},
        {"code": "B2", "big": -5, "born": None, **values},
    ]
    table = {"columns": columns, "indexes": [{"name": "by_code", "columns": ["code"]}], "rows": rows}
    await pma.control("PUT", "/tables/1/shop/things", table)
    document = await pma.http.get("/control/phpmyadmin/tables/1/shop/things/document?exclude=js")
    data = orjson.loads(document.content)["data"]
    assert [(row["code"], row["big"], row["born"]) for row in data] == [
        ("B2", -5, None), ("b", 2**53, None), ("É", "9007199254740993", "2026-02-03")
    ]  # fmt: skip
    common = {"price": "1.00", "on_sale": 1, "at": "2026-01-02T03:04:05+02:00", "raw": "AP8="}
    assert {name: data[0][name] for name in common} == common and "js" not in data[0]
    assert document.content.startswith(b'{"data":[{"at":"2026-01-02T03:04:05+02:00","big":-5,"born":null,"code":"B2",')


async def test_statistics_count_requests_and_keep_statements(pma: Any) -> None:
    await pma.sign_in()
    await pma.select("SELECT 1 AS z FROM orders")
    statistics = await pma.control("GET", "/statistics")
    assert statistics["requests"] == {"page": 2, "login": 1, "export": 1} and statistics["logins"] == {"accepted": 1}
    assert statistics["statements"] == ["SELECT 1 AS z FROM orders"] and statistics["rows"] == 200
    assert statistics["peak_parallel_requests"] == 1
    assert (await pma.control("DELETE", "/statistics"))["statements"] == []


async def test_a_reset_brings_everything_but_the_password_back(pma: Any) -> None:
    before = await pma.control("GET", ORDERS)
    await pma.control("PUT", "/faults", {"warning": True})
    await pma.control("PUT", "/setup", {"servers": 2})
    await pma.control("DELETE", f"{ORDERS}/rows", {"where": {"id": 1001}})
    await pma.control("PUT", "/tables/1/shop/more", {"columns": [{"name": "n", "type": "int(11)"}]})
    password = await pma.read_password()
    shown = await pma.control("POST", "/reset")
    assert shown["password"] == password and "shop.more" not in shown["servers"]["1"]["tables"]
    assert await pma.control("GET", ORDERS) == before
    assert (await pma.control("GET", "/faults"))["warning"] is False


async def test_rows_password_and_faults_survive_a_restart(serve: Callable[..., Any]) -> None:
    answers = []
    for _ in range(2):
        async with serve() as sandbox:
            if not answers:
                change = {"where": {"id": 1001}, "set": {"note": "kept"}}
                await sandbox.http.patch(f"/control/phpmyadmin{ORDERS}/rows", json=change)
                await sandbox.http.put("/control/phpmyadmin/faults", json={"spared_exports": 3})
            paths = ("", ORDERS, "/faults")
            answers.append([(await sandbox.http.get(f"/control/phpmyadmin{path}")).json() for path in paths])
    assert answers[0] == answers[1] and answers[0][1]["rows"][0]["note"] == "kept"


async def test_people_see_where_to_sign_in(pma: Any) -> None:
    start = (await pma.http.get("/")).text
    assert 'id="phpmyadmin" href="/phpmyadmin/tables/"' in start
    page = (await pma.http.get("/phpmyadmin/tables/")).text
    assert f'<code id="address">{str(pma.http.base_url).rstrip("/")}/phpmyadmin</code>' in page
    assert f'<code id="password">{await pma.read_password()}</code>' in page
    # A gateway that relays the page reaches the sandbox by another host, and so do all services.
    relayed = (await pma.http.get("/phpmyadmin/tables/", headers={"Host": "sandbox:8090"})).text
    assert '<code id="address">http://sandbox:8090/phpmyadmin</code>' in relayed


async def test_people_edit_add_and_delete_rows(pma: Any) -> None:
    table = "/phpmyadmin/tables/1/shop/orders"
    assert 'id="edit-1001" href="/phpmyadmin/tables/1/shop/orders/1001/"' in (await pma.http.get(f"{table}/")).text
    form = (await pma.http.get(f"{table}/1004/")).text
    assert 'name="field-note"' in form and "Geschenk 🎁" in form and 'id="null-note">' in form
    row = (await pma.control("GET", f"{ORDERS}?offset=3&limit=1"))["rows"][0]
    fields = {f"field-{name}": value or "" for name, value in row.items()}
    fields |= {f"null-{name}": "on" for name, value in row.items() if value is None}
    saved = await pma.http.post(f"{table}/1004/save", data={**fields, "field-note": "two\r\nlines"})
    assert saved.status_code == 303 and saved.headers["location"] == f"{table}/"
    after = (await pma.control("GET", f"{ORDERS}?offset=3&limit=1"))["rows"][0]
    assert after == {**row, "note": "two\nlines", "updated_at": after["updated_at"]}
    assert after["updated_at"] > row["updated_at"]

    new = {**fields, "field-id": "7", "null-note": "on"}
    assert (await pma.http.post(f"{table}/new/save", data=new)).status_code == 303
    first = (await pma.control("GET", f"{ORDERS}?limit=1"))["rows"][0]
    assert (first["id"], first["note"]) == ("7", None)
    assert (await pma.http.post(f"{table}/7/delete")).status_code == 303
    assert (await pma.http.get(f"{table}/7/")).status_code == 404
    wrong = await pma.http.post(f"{table}/1004/save", data={"field-total": "much"})
    assert wrong.status_code == 400 and "cannot be" in wrong.text


async def test_pages_propose_the_next_number_and_show_further_pages(pma: Any) -> None:
    assert 'id="field-id" value="1201"' in (await pma.http.get("/phpmyadmin/tables/1/shop/orders/new/")).text
    last = (await pma.http.get("/phpmyadmin/tables/1/shop/orders/?page=8")).text
    assert 'id="row-1200"' in last and 'id="after"' not in last and "page 8 of 8" in last
