"""Every statement that the code can make only reads, whatever names and values a database has."""

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.phpmyadmin import statements
from platforms.phpmyadmin.columns import ColumnOrder, TableDescription
from platforms.phpmyadmin.quoting import (
    Statement,
    mask_values,
    quote_name,
    write_bytes,
    write_date,
    write_number,
    write_text,
)
from platforms.phpmyadmin.statements import KeyPosition
from platforms.phpmyadmin.tests.statement_grammar import ForbiddenStatementError, check_statement
from platforms.phpmyadmin.tests.tables import (
    NAMES,
    TYPES,
    build_column,
    build_table,
    id_parts,
    key_texts,
    tables,
)

ROOT = Path(__file__).parents[3]
PACKAGES = (ROOT / "platforms/phpmyadmin", ROOT / "services/phpmyadmin-fetcher/phpmyadmin_fetcher")
BUILDERS = {name for name, value in vars(statements).items() if getattr(value, "__module__", "") == statements.__name__}


def list_names(table: TableDescription) -> set[str]:
    return {table.database, table.name, *(column.name for column in table.columns)}


@given(NAMES, st.none() | NAMES)
def test_descriptions_of_a_database_only_read(database: str, table: str | None) -> None:
    assert check_statement(statements.describe_tables(database, table)) == []
    assert check_statement(statements.list_json_checks(database, table or "orders")) == []


def test_statements_without_a_name_only_read() -> None:
    assert check_statement(statements.show_grants()) == []
    assert check_statement(statements.list_databases()) == []


@given(tables(), st.data())
def test_measures_of_a_table_only_read_and_name_it_whole(table: TableDescription, data: Any) -> None:
    changed = data.draw(st.sampled_from(table.columns))
    assert set(check_statement(statements.measure_table(table))) == list_names(table)
    assert check_statement(statements.count_rows(table)) == [table.database, table.name]
    assert check_statement(statements.read_checksum(table)) == [table.database, table.name]
    assert check_statement(statements.measure_changes(table, changed)) == [changed.name, table.database, table.name]


@given(tables(), st.none() | st.integers(1, 20_000), st.data())
def test_rows_are_only_read_and_every_name_arrives_unchanged(
    table: TableDescription, limit: int | None, data: Any
) -> None:
    key = table.key.columns if table.key else ()
    is_first = not key or data.draw(st.booleans())
    after = None if is_first else KeyPosition(tuple(data.draw(key_texts(column)) for column in key))
    statement = statements.select_rows(table, after=after, limit=limit)
    assert set(check_statement(statement)) == list_names(table)


@given(tables(has_key=True), st.data())
def test_rows_with_given_keys_are_only_read(table: TableDescription, data: Any) -> None:
    assert table.key is not None
    key = st.tuples(*map(id_parts, table.key.columns))
    statement = statements.select_rows_by_key(table, data.draw(st.lists(key, min_size=1, max_size=3)))
    assert set(check_statement(statement)) == list_names(table)


@given(tables(has_key=True), st.data())
def test_changed_rows_are_only_read(table: TableDescription, data: Any) -> None:
    changed = data.draw(st.sampled_from(table.columns))
    is_number = changed.key_order is ColumnOrder.NUMBER and changed.data_type != "timestamp"
    since = data.draw(key_texts(changed if is_number else build_column(data_type="datetime")))
    condition = statements.build_changed_condition(changed, since, 600)
    statement = statements.select_rows(table, limit=5, changed_since=condition)
    assert changed.name in check_statement(statement)


@pytest.mark.parametrize(
    ("since", "overlap"),
    [("5", 600), ("1796036400", 600), ("1796036400123", 600_000), ("1796036400123456", 600_000_000)],
)
def test_newer_rows_are_looked_for_from_ten_minutes_before_in_any_unit(since: str, overlap: int) -> None:
    condition = statements.build_changed_condition(build_column("changed", "bigint"), since, 600)
    assert condition == f"`r`.`changed` >= {since} - {overlap}"


@pytest.mark.parametrize("data_type", TYPES)
def test_every_type_has_a_statement(data_type: str) -> None:
    column = build_column("a", data_type)
    key = ["a"] if column.key_order is not None else None
    check_statement(statements.select_rows(build_table(column, key=key)))


FORBIDDEN = [
    "",
    "DELETE FROM `shop`.`orders`",
    "SELECT 1; SELECT 2",
    "SELECT 1;",
    "SELECT 1 -- x",
    "SELECT 1 --1",
    "SELECT 1 # x",
    "SELECT /* x */ 1",
    "SELECT /*! 1 */",
    "SELECT `a` FROM `shop`.`orders` FOR UPDATE",
    "SELECT `a` FROM `shop`.`orders` LOCK IN SHARE MODE",
    "SELECT `a` INTO OUTFILE 'x' FROM `shop`.`orders`",
    "SELECT `a` FROM `shop`.`orders` INTO OUTFILE 'x'",
    "SELECT @a",
    "SELECT @@version AS c0",
    "SELECT SLEEP(5)",
    "SELECT LOAD_FILE('x')",
    "SELECT GET_LOCK('x', 5)",
    "SELECT BENCHMARK(5, MD5(1))",
    "SELECT `shop`.`f`(1)",
    "SELECT f(1)",
    "SELECT `a` FROM `orders`",
    "SELECT `a` FROM orders",
    "SELECT `a` FROM mysql.user",
    "SELECT `a` FROM `shop`.`orders`, `shop`.`b`",
    "SELECT `a` FROM information_schema.processlist",
    "SELECT 'a''b'",
    "SELECT 'a\\'",
    'SELECT "a"',
    "SELECT 'ä'",
    "SELECT 0x41",
    "SELECT x'4'",
    "SELECT x'4g'",
    "SELECT 1e5",
    "SELECT `a",
    "SELECT ``",
    "SELECT `a\0`",
    "SELECT 1\n",
    "SELECT 1 UNION SELECT 2",
    "(SELECT 1) UNION (SELECT 2)",
    "(SELECT 1",
    "SELECT 1)",
    "SELECT CONVERT(1 USING latin1)",
    "SELECT CAST(1 AS JSON)",
    "SELECT (SELECT 1)",
    "SELECT 1 LIMIT 1",
    "SELECT `a` FROM `shop`.`orders` LIMIT 1, 2",
    "SELECT `a` FROM `shop`.`orders` WHERE 1 OR",
    "SELECT `a` FROM `shop`.`orders` PROCEDURE ANALYSE()",
    "SHOW GRANTS FOR `a`",
    "SHOW TABLES",
    "CHECKSUM TABLE `shop`.`orders`",
    "CHECKSUM TABLE `shop`.`orders` EXTENDED",
    "CHECKSUM TABLE `shop`.`orders` QUICK, `shop`.`b`",
    "EXPLAIN SELECT 1",
    "SET NAMES utf8mb4",
    "USE `shop`",
    "CALL f()",
    "DO 1",
    "select 1",
]


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_the_grammar_refuses_what_is_not_known_to_only_read(statement: str) -> None:
    with pytest.raises(ForbiddenStatementError):
        check_statement(statement)


def test_every_builder_of_statements_is_held_against_the_grammar() -> None:
    text = Path(__file__).read_text()
    public = {name for name in BUILDERS if not name.startswith("_")} - {"KeyPosition", "write_key"}
    assert {name for name in public if f"statements.{name}(" not in text} == set()


def list_modules() -> list[Path]:
    return [path for package in PACKAGES for path in package.glob("*.py")]


def list_uses(path: Path, name: str) -> list[str]:
    """Return the calls of this name, and the other places in which it is more than an annotation."""
    tree = ast.parse(path.read_text())
    annotations = {
        id(part)
        for node in ast.walk(tree)
        for annotation in (getattr(node, "annotation", None), getattr(node, "returns", None))
        if isinstance(annotation, ast.expr)
        for part in ast.walk(annotation)
    }
    return [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Name | ast.Attribute)
        and id(node) not in annotations
        and (node.id if isinstance(node, ast.Name) else node.attr) == name
        and isinstance(node.ctx, ast.Load)
    ]


def test_nothing_but_statements_makes_a_statement() -> None:
    assert len(list_modules()) > 20
    makers = {path.name for path in list_modules() if list_uses(path, "Statement")}
    assert makers == {"statements.py"}


def test_no_module_goes_around_the_type_of_a_statement() -> None:
    texts = {path.name: path.read_text() for path in list_modules()}
    assert [name for name, text in texts.items() if "type: ignore" in text or "cast(" in text] == []
    assert [name for name, text in texts.items() if "sql_query" in text] == ["session.py"]


SECRETS = st.text(alphabet="qQ93'`\\é \n-", min_size=1, max_size=10).map(lambda text: f"Secret{text}Value")


@given(st.sampled_from(["varchar", "enum"]), SECRETS)
def test_logs_have_no_text_of_a_statement(data_type: str, secret: str) -> None:
    table = build_table(build_column("order_no", data_type), key=["order_no"])
    masked = mask_values(statements.select_rows_by_key(table, [[secret]]))
    assert "Secret" not in masked and "Value" not in masked and secret.encode().hex().upper() not in masked
    assert "`order_no`" in masked and "`shop`.`orders`" in masked


@given(st.sampled_from(["bigint", "decimal", "date", "datetime", "timestamp", "varbinary", "varchar"]), st.data())
def test_logs_have_no_key_of_a_row(data_type: str, data: Any) -> None:
    column = build_column("day", data_type)
    table = build_table(column, key=["day"])
    value = data.draw(key_texts(column).filter(lambda text: len(text) > 3))
    masked = mask_values(statements.select_rows(table, after=KeyPosition((value,)), limit=12345))
    assert value not in masked and value.lstrip("-") not in masked and "12345" not in masked
    assert "`day`" in masked


@given(tables(has_key=True))
def test_logs_keep_every_name(table: TableDescription) -> None:
    masked = mask_values(statements.select_rows(table, limit=5))
    assert all(quote_name(name) in masked for name in list_names(table))


@given(st.text(max_size=40))
def test_a_text_is_written_without_any_character_that_a_mode_of_the_server_could_read_otherwise(text: str) -> None:
    check_statement(f"SELECT {write_text(text)}")


def test_a_text_that_needs_no_collation_of_its_own_has_none() -> None:
    # `CONVERT(… USING utf8mb4)` has the default collation; a column with another one cannot be compared with it.
    assert "CONVERT" not in write_text("Ä'")


@pytest.mark.parametrize(
    "text", ["", "a", "1e5", "1;", "1 ", "--1", "0x1", "NaN", "inf", "1\n", "٣", "1_000", "1.", ".5"]
)
def test_what_is_no_number_is_never_written_as_one(text: str) -> None:
    with pytest.raises(ValueError, match="not a number"):
        write_number(text)


@pytest.mark.parametrize(
    "text", ["", "2026-11-30'", "2026-11-30 12:00", "2026-11-30T12:00:00", "26-11-30", "2026-11-30\n", "2026-11-3٣"]
)
def test_what_is_no_date_is_never_written_as_one(text: str) -> None:
    with pytest.raises(ValueError, match="not a date"):
        write_date(text)


@pytest.mark.parametrize("name", ["", "\0", "a\0b"])
def test_what_can_be_no_name_is_never_written_as_one(name: str) -> None:
    with pytest.raises(ValueError, match="not a name"):
        quote_name(name)


@pytest.mark.parametrize(
    ("write", "value"),
    [("int", "1 OR 1=1"), ("date", "2026-11-30' OR '1"), ("varchar", "zz"), ("binary", "4"), ("timestamp", "1;")],
)
def test_a_malformed_key_makes_no_statement(write: str, value: str) -> None:
    table = build_table(build_column("a", write), key=["a"])
    with pytest.raises(ValueError, match=r"."):
        statements.select_rows(table, after=KeyPosition((value,)))


BY_ID: list[tuple[str, str, Callable[[str], str]]] = [
    ("bigint", "-5", str),
    ("year", "2026", str),
    ("bit", "3", str),
    ("date", "2026-11-30", write_date),
    ("binary", "00FF", lambda text: write_bytes(bytes.fromhex(text))),
    ("enum", "new", write_text),
    ("varchar", "a'b", write_text),
]


@pytest.mark.parametrize(("data_type", "value", "write"), BY_ID)
def test_a_row_is_found_by_the_value_in_its_id(data_type: str, value: str, write: Callable[[str], str]) -> None:
    table = build_table(build_column("a", data_type), key=["a"])
    assert f"(`r`.`a` = {write(value)})" in statements.select_rows_by_key(table, [[value]])


def test_a_row_is_found_by_the_instant_in_its_id() -> None:
    table = build_table(build_column("a", "timestamp"), key=["a"])
    assert "(UNIX_TIMESTAMP(`r`.`a`) = 1700000000.5)" in statements.select_rows_by_key(table, [["1700000000.5"]])


def test_masking_knows_values_from_names_with_digits() -> None:
    assert mask_values(Statement("SELECT `a1`, c1, 5, 'x', x'00' FROM `b2`")) == "SELECT `a1`, c1, ?, ?, ? FROM `b2`"
