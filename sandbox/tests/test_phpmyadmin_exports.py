"""The exports of the simulated phpMyAdmin, byte for byte in the form of a real 5.2.1."""

from typing import Any

import pytest

BEGIN = (
    '[\n{"type":"header","version":"5.2.1deb1+deb12u1","comment":"Export to JSON plugin for PHPMyAdmin"},\n'
    '{"type":"raw","data":\n[\n'
)
END = "\n]\n}\n]\n"
TYPES = {
    "columns": [
        {"name": "id", "type": "int(11)"},
        {"name": "name", "type": "varchar(90)", "nullable": True},
        {"name": "raw", "type": "blob", "nullable": True},
        {"name": "bits", "type": "bit(8)"},
        {"name": "price", "type": "decimal(10,2)"},
        {"name": "size", "type": "double"},
    ],
    "indexes": [{"name": "PRIMARY", "columns": ["id"]}],
    "rows": [
        {"id": 1, "name": 'a/b\n"é" 🎁 \u2028', "raw": "0x00ff41", "bits": 5, "price": "1.5", "size": 1e300},
        {"id": 2, "name": "", "raw": "0x", "bits": 0, "price": "0", "size": 0.1},
        {"id": 3, "name": None, "raw": None, "bits": 255, "price": "-12.34", "size": 4},
    ],
}


@pytest.fixture
async def signed_in(pma: Any) -> Any:
    await pma.sign_in()
    await pma.control("PUT", "/tables/1/shop/types", TYPES)
    return pma


async def test_json_has_a_header_and_a_row_a_line_and_all_values_are_text(signed_in: Any) -> None:
    answer = await signed_in.export("SELECT * FROM `shop`.`types` ORDER BY `id`")
    assert answer.status_code == 200 and "content-length" not in answer.headers
    assert answer.headers["content-disposition"] == 'attachment; filename="export.json"'
    assert answer.headers["content-type"] == "text/plain;charset=utf-8"
    rows = (
        r'{"id":"1","name":"a\/b\n\"é\" 🎁 \u2028","raw":"0x00ff41","bits":"5","price":"1.50","size":"1e300"}',
        '{"id":"2","name":"","raw":"0x","bits":"0","price":"0.00","size":"0.1"}',
        '{"id":"3","name":null,"raw":null,"bits":"255","price":"-12.34","size":"4"}',
    )
    assert answer.text == BEGIN + ",\n".join(rows) + END


async def test_json_without_rows_is_whole_and_has_131_bytes(signed_in: Any) -> None:
    answer = await signed_in.export("SELECT * FROM `types` WHERE `id` > 9")
    assert answer.text == BEGIN + END and len(answer.content) == 131


async def test_json_without_unicode_escapes_other_letters(signed_in: Any) -> None:
    answer = await signed_in.export("SELECT 'é/' AS `z`", json_unicode="")
    assert answer.text == BEGIN + r'{"z":"\u00e9\/"}' + END


async def test_csv_encloses_everything_but_null_and_the_empty_text(signed_in: Any) -> None:
    statement = "SELECT id, name, raw, bits, price FROM types ORDER BY id"
    answer = await signed_in.export(statement, "csv")
    assert answer.headers["content-type"] == "text/comma-separated-values;charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="export.csv"'
    assert answer.content == (
        b'"id","name","raw","bits","price"\n'
        + '"1","a/b\n""é"" 🎁 \u2028","'.encode() + b"\x00\xffA" + b'","5","1.50"\n'
        + b'"2",,,"0","0.00"\n"3",\\N,\\N,"255","-12.34"\n'
    )  # fmt: skip


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("SELECT 1 FROM `shop`.`nix`", 1146),
        ("SELECT `nix` FROM `shop`.`orders`", 1054),
        ("SELECT FROM", 1064),
        ("SELECT 1; SELECT 2", 1064),
        ("SELECT NIX(1)", 1305),
        ("DELETE FROM `shop`.`orders`", 1142),
        ("UPDATE `shop`.`orders` SET `total` = 0", 1142),
        ("DROP TABLE `shop`.`orders`", 1142),
        ("SET GLOBAL x = 1", 1064),
    ],
)
async def test_an_error_stands_behind_the_header_and_nothing_follows(signed_in: Any, statement: str, code: int) -> None:
    answer = await signed_in.export(statement)
    assert answer.status_code == 200 and answer.headers["content-disposition"].startswith("attachment")
    assert answer.text.startswith(f'{BEGIN}<div class="alert alert-danger" role="alert"><h1>Error</h1>')
    assert f"<code>#{code} - " in answer.text and answer.text.endswith("</code><br></div>")
    answer = await signed_in.export(statement, "csv")
    assert answer.text.startswith('<div class="alert')
    assert (await signed_in.control("GET", "/statistics"))["errors"] == {str(code): 2}


async def test_nothing_can_be_written(signed_in: Any) -> None:
    before = await signed_in.control("GET", "/tables/1/shop/types")
    await signed_in.export("INSERT INTO `types` VALUES (9)")
    await signed_in.export("SELECT 1 INTO OUTFILE '/tmp/x'")
    assert await signed_in.control("GET", "/tables/1/shop/types") == before


async def test_a_table_without_its_database_needs_one_in_the_form(signed_in: Any) -> None:
    assert "<code>#1046 - " in (await signed_in.export("SELECT 1 FROM `types`", db="")).text
    assert (await signed_in.export("SELECT COUNT(*) AS n FROM `shop`.`types`", db="nix")).json()[1]["data"] == [
        {"n": "3"}
    ]


@pytest.mark.parametrize("missing", ["what", "export_type", "output_format"])
async def test_without_a_needed_field_a_page_comes(signed_in: Any, missing: str) -> None:
    answer = await signed_in.export("SELECT 1 AS z", **{missing: ""})
    assert answer.headers["content-type"].startswith("text/html") and "logged_in:true" in answer.text
    assert "content-disposition" not in answer.headers


async def test_without_a_name_for_the_file_php_fails(signed_in: Any) -> None:
    answer = await signed_in.export("SELECT 1 AS z", filename_template="")
    assert answer.status_code == 200 and "<title>Internal error: TypeError" in answer.text


async def test_a_host_without_json_shows_a_page_instead(signed_in: Any) -> None:
    await signed_in.control("PUT", "/setup", {"has_json_export": False})
    answer = await signed_in.export("SELECT 1 AS z")
    assert answer.headers["content-type"].startswith("text/html") and "content-disposition" not in answer.headers
    assert (await signed_in.export("SELECT 1 AS z", "csv")).content == b'"z"\n"1"\n'


async def test_an_export_by_get_is_a_page(signed_in: Any) -> None:
    query = {"route": "/export", "what": "json", "export_type": "raw", "sql_query": "SELECT 1", "server": "1"}
    answer = await signed_in.http.get("/phpmyadmin/index.php", params=query)
    assert "content-disposition" not in answer.headers and "logged_in:true" in answer.text


async def test_grants_and_checksums_are_shown(signed_in: Any) -> None:
    (usage,), (grant,) = (row.values() for row in await signed_in.select("SHOW GRANTS"))
    assert usage.startswith("GRANT USAGE ON *.* TO `merchant`@`%` IDENTIFIED BY PASSWORD '*")
    assert grant == "GRANT SELECT ON `shop`.* TO `merchant`@`%`"
    await signed_in.control("PUT", "/setup", {"privileges": ["SELECT", "INSERT"]})
    assert "GRANT SELECT, INSERT ON" in str(await signed_in.select("SHOW GRANTS"))
    for name in ("orders", "nix"):
        rows = await signed_in.select(f"CHECKSUM TABLE `shop`.`{name}` QUICK")
        assert rows == [{"Table": f"shop.{name}", "Checksum": None}]
    live = {"engine": "MyISAM", "options": "checksum=1"}
    await signed_in.control("PUT", "/tables/1/shop/types", {**TYPES, **live})
    (row,) = await signed_in.select("CHECKSUM TABLE `shop`.`types` QUICK")
    assert row["Checksum"].isdecimal()
    await signed_in.control("PATCH", "/tables/1/shop/types/rows", {"where": {"id": 2}, "set": {"name": "x"}})
    assert await signed_in.select("CHECKSUM TABLE `shop`.`types` QUICK") != [row]


async def test_a_member_of_a_union_is_ordered_only_with_a_limit(signed_in: Any) -> None:
    statement = "(SELECT `id` FROM `types` ORDER BY `id` DESC{}) UNION ALL (SELECT NULL)"
    orders = [[row["id"] for row in await signed_in.select(statement.format(limit))] for limit in ("", " LIMIT 9")]
    assert orders == [["1", "2", "3", None], ["3", "2", "1", None]]


async def test_a_name_in_the_order_is_that_of_a_value_of_the_select_unless_the_table_is_named(signed_in: Any) -> None:
    statement = "SELECT CONCAT('x', 9 - `id`) AS `id` FROM `types` ORDER BY {}`id`"
    orders = [[row["id"] for row in await signed_in.select(statement.format(name))] for name in ("", "`types`.")]
    assert orders == [["x6", "x7", "x8"], ["x8", "x7", "x6"]]
    assert await signed_in.select(statement.format("`shop`.`types`.")) == await signed_in.select(
        statement.format("`types`.")
    )


async def test_values_and_functions_are_those_of_mysql(signed_in: Any) -> None:
    (row,) = await signed_in.select(
        r"SELECT 'a\'b\\\n''' AS s, x'C3A9' AS b, CONVERT(x'C3A9' USING utf8mb4) AS t, HEX('é') AS h, HEX(NULL) AS n,"
        r" QUOTE(NULL) AS q, QUOTE('\'') AS p, CONV('FF', 16, 10) AS c, CAST('12' AS UNSIGNED) AS u,"
        " SUM(18446744073709551615) AS total, MD5(NULL) AS m, UNIX_TIMESTAMP('2026-01-01 02:00:00') AS epoch,"
        " DATE_SUB('2026-01-01 00:00:00', INTERVAL 61 SECOND) AS before_that, 1e300 AS large,"
        " _utf8mb4 x'C3A9' AS letter"
    )
    assert row == {
        "s": "a'b\\\n'", "b": "0xc3a9", "t": "é", "h": "C3A9", "n": None, "q": "NULL", "p": r"'\''", "c": "255",
        "u": "12", "total": "18446744073709551615", "m": None, "epoch": "1767225600",
        "before_that": "2025-12-31 23:58:59", "large": "1e300", "letter": "é",
    }  # fmt: skip


async def test_of_columns_with_one_name_the_last_stays_and_backslashes_are_lost(signed_in: Any) -> None:
    assert await signed_in.select(r"SELECT 1 AS a, 2 AS a, 3 AS `b\c`") == [{"a": "2", "bc": "3"}]
