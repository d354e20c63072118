"""The tables of the sample database `shop`, and generated rows for tables of any size."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any

from sandbox.phpmyadmin.definitions import ColumnDefinition, IndexDefinition, Kind, TableDefinition
from sandbox.phpmyadmin.translation import write_string

DATABASE = "shop"
_ORDERS, _CUSTOMERS = 200, 80
_BEGIN = datetime(2026, 1, 5, 9, 30)
_GIVEN = ("Zoë", "Jonas", "María", "Ebru", "Seán", "Chloé", "Łukasz", "Ingrid", "陈", "Priya", "Ahmed", "Noor")
_FAMILY = (
    "O'Neill",
    "Núñez",
    "Smith",
    "Þórsdóttir",
    "Weiß",
    "Kowalski",
    "Dubois",
    'van "Jan" Dijk',
    "Okafor",
    "Tanaka",
)
_NOTES = (
    None,
    "",
    "Please ring twice.",
    'Leave it at "Nr. 5",\nnext to the blue door',
    "Geschenk 🎁 – bitte ohne Preis",
    r"c:\orders\new",
    "O'Brien's; 100% cotton",
    "\\N",
    "<b>rush</b> &amp; careful",
    None,
)
_PRODUCTS = ("Mug", "T-Shirt", "Lamp", "Café set", "Notebook", "Blanket")
STATUSES = ("new", "paid", "shipped", "cancelled", "refunded")

ORDERS = TableDefinition(
    DATABASE,
    "orders",
    (
        ColumnDefinition("id", "bigint(20)"),
        ColumnDefinition("customer_name", "varchar(120)"),
        ColumnDefinition("email", "varchar(190)", nullable=True),
        ColumnDefinition("total", "decimal(10,2)"),
        ColumnDefinition("status", f"enum({','.join(repr(status) for status in STATUSES)})"),
        ColumnDefinition("created_at", "timestamp"),
        ColumnDefinition("updated_at", "datetime", changes_by_itself=True),
        ColumnDefinition("note", "text", nullable=True),
        ColumnDefinition("details", "longtext", nullable=True, holds_json=True, collation="utf8mb4_bin"),
    ),
    (IndexDefinition("PRIMARY", ("id",)), IndexDefinition("by_status", ("status",), is_unique=False)),
)
ORDER_LINES = TableDefinition(
    DATABASE,
    "order_lines",
    (
        ColumnDefinition("order_id", "bigint(20)"),
        ColumnDefinition("line", "smallint(5) unsigned"),
        ColumnDefinition("product", "varchar(120)"),
        ColumnDefinition("quantity", "int(11)"),
        ColumnDefinition("price", "decimal(10,2)"),
        ColumnDefinition("is_gift", "tinyint(1)"),
    ),
    (IndexDefinition("PRIMARY", ("order_id", "line")),),
)
CUSTOMERS = TableDefinition(
    DATABASE,
    "customers",
    (
        ColumnDefinition("code", "varchar(20)"),
        ColumnDefinition("name", "varchar(120)"),
        ColumnDefinition("born", "date", nullable=True),
        ColumnDefinition("newsletter", "bit(1)"),
        ColumnDefinition("avatar", "blob", nullable=True),
        ColumnDefinition("rating", "double", nullable=True),
    ),
    (IndexDefinition("by_code", ("code",)),),
)
AUDIT = TableDefinition(
    DATABASE,
    "audit",
    (
        ColumnDefinition("at", "datetime(3)"),
        ColumnDefinition("actor", "varchar(60)", nullable=True),
        ColumnDefinition("action", "varchar(60)"),
    ),
)


def generate_tables(seed: int = 0) -> Iterator[tuple[TableDefinition, list[dict[str, Any]]]]:
    """Yield the tables of the sample database, each with its rows."""
    random = Random(seed)
    customers = [_generate_customer(random, number) for number in range(1, _CUSTOMERS + 1)]
    yield CUSTOMERS, customers
    orders = [_generate_order(random, number, customers) for number in range(1, _ORDERS + 1)]
    yield ORDERS, orders
    yield ORDER_LINES, [line for order in orders for line in _generate_lines(random, order["id"])]
    yield AUDIT, [_generate_event(random, number) for number in range(60)]


def _generate_customer(random: Random, number: int) -> dict[str, Any]:
    born = datetime(1950, 1, 1) + timedelta(days=random.randrange(19_000))
    return {
        "code": f"C-{number:05d}", "name": f"{random.choice(_GIVEN)} {random.choice(_FAMILY)}",
        "born": random.choice((born.strftime("%Y-%m-%d"), None, "0000-00-00")), "newsletter": random.randrange(2),
        "avatar": random.choice((None, "0x", "0x" + random.randbytes(8).hex())),
        "rating": random.choice((None, 1.5, 4, 0.1, 3.25)),
    }  # fmt: skip


def _generate_order(random: Random, number: int, customers: list[dict[str, Any]]) -> dict[str, Any]:
    created = _BEGIN + timedelta(minutes=number * 397 + random.randrange(300))
    customer = random.choice(customers)
    return {
        "id": 1000 + number, "customer_name": customer["name"],
        "email": random.choice((f"{customer['code'].lower()}@shop.example", None)),
        "total": f"{random.randrange(500, 50_000) / 100:.2f}", "status": random.choice(STATUSES),
        "created_at": created.strftime("%Y-%m-%d %H:%M:%S"),
        "updated_at": (created + timedelta(minutes=random.randrange(10_000))).strftime("%Y-%m-%d %H:%M:%S"),
        "note": _NOTES[number % len(_NOTES)],
        "details": random.choice((None, {"gift": True, "tags": ["a/b", "é"]}, [], {"weight": 1.5, "box": None})),
    }  # fmt: skip


def _generate_lines(random: Random, order: int) -> list[dict[str, Any]]:
    return [
        {
            "order_id": order, "line": line, "product": random.choice(_PRODUCTS), "quantity": random.randrange(1, 9),
            "price": f"{random.randrange(100, 9_000) / 100:.2f}", "is_gift": random.randrange(2),
        }
        for line in range(1, random.randrange(2, 5))
    ]  # fmt: skip


def _generate_event(random: Random, number: int) -> dict[str, Any]:
    at = _BEGIN + timedelta(seconds=number // 2 * 3_600, milliseconds=120)
    return {
        "at": at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3], "actor": random.choice((None, "anna", "ben")),
        "action": random.choice(("login", "export", "refund")),
    }  # fmt: skip


_FILLS = {
    Kind.DECIMAL: "printf('%.2f', 5 + n % 997 / 100.0)",
    Kind.FLOAT: "n / 8.0",
    Kind.BINARY: "CAST(printf('%08x', n) AS BLOB)",
    Kind.DATE: "date('2020-01-01', (n % 2000) || ' days')",
    Kind.DATETIME: "datetime('2026-01-01', n || ' seconds')",
    Kind.TIMESTAMP: "datetime('2026-01-01', n || ' seconds')",
    Kind.TIME: "time(n % 86400, 'unixepoch')",
    Kind.SHAPE: "printf('POINT(%d %d)', n, n % 90)",
}


def build_fills(table: TableDefinition) -> dict[str, str]:
    """Return expressions of SQLite that give the values of row `n` of a table, by column."""
    in_key = set(table.key.columns) if table.key else set()
    return {column.name: _build_fill(column, is_key=column.name in in_key) for column in table.columns}


def _build_fill(column: ColumnDefinition, *, is_key: bool) -> str:
    if column.holds_json or column.data_type == "json":
        return """'{"n": ' || n || '}'"""
    match column.kind:
        case Kind.INTEGER | Kind.BIT:
            highest = 2 ** min(column.size - 1, 62) - 1 if column.size > 1 else 1
            number = "n" if is_key else f"n % {highest}"
            return f"CAST({number} AS TEXT)" if column.needs_big_numbers else number
        case Kind.CHOICE:
            cases = " ".join(f"WHEN {n} THEN {write_string(choice)}" for n, choice in enumerate(column.choices))
            return f"CASE n % {len(column.choices)} {cases} END"
        case Kind.TEXT:
            length = column.size or 40
            text = f"printf('%0{min(length, 12)}d', n)" if is_key else f"substr('é ' || n, 1, {length})"
            return f"CASE n % 7 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE {text} END" if column.nullable else text
        case kind:
            return _FILLS[kind]
