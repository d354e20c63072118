"""Builders of tables for tests, and strategies that make columns, tables and keys of every kind."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from platforms.phpmyadmin.columns import (
    BINARIES,
    CHOICES,
    DATES,
    DECIMALS,
    FLOATS,
    INTEGERS,
    KEY_TEXTS,
    SHAPES,
    Column,
    ColumnOrder,
    TableDescription,
    UniqueKey,
)

OTHER_TYPES = frozenset({"text", "longtext", "json", "bit", "timestamp"})
TYPES = sorted(INTEGERS | DECIMALS | FLOATS | DATES | BINARIES | SHAPES | CHOICES | KEY_TEXTS | OTHER_TYPES)


def build_column(name: str = "a", data_type: str = "int", column_type: str = "", **more: Any) -> Column:
    """Build a column of this type, whose values are never NULL."""
    is_json = data_type == "json"
    return Column(name, data_type, column_type or data_type, **{"is_nullable": False, "has_json": is_json, **more})


def build_table(*columns: Column, key: Sequence[str] | None = None, **more: Any) -> TableDescription:
    """Build the table `orders` of `shop`, with a primary key of these columns; None for a table without a key."""
    by_name = {column.name: column for column in columns}
    unique = None if key is None else UniqueKey("PRIMARY", tuple(by_name[name] for name in key))
    return TableDescription(**{"database": "shop", "name": "orders", "columns": columns, "key": unique, **more})


NAMES = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=12
) | st.sampled_from(
    [
        "`",
        "``",
        "a`b",
        "'",
        "\\",
        "\\'",
        "a )b",
        "a )",
        "; DROP TABLE x",
        "-- ",
        "/* */",
        "#",
        "naïve",
        "鈴木",
        "\n",
        "z",
        "c0",
    ]
)
"""Names of databases, tables and columns, most of them odd."""


@st.composite
def columns(draw: Any, name: str | None = None) -> Column:
    """Any column."""
    data_type = draw(st.sampled_from(TYPES))
    return build_column(
        draw(NAMES) if name is None else name, data_type, data_type + draw(st.sampled_from(["", " unsigned"]))
    )


@st.composite
def tables(draw: Any, *, has_key: bool | None = None) -> TableDescription:
    """Any table."""
    names = draw(st.lists(NAMES, min_size=1, max_size=5, unique=True))
    own = tuple(draw(columns(name)) for name in names)
    usable = [column for column in own if column.key_order is not None]
    size = draw(st.integers(1 if has_key else 0, 4)) if has_key is not False else 0
    if has_key and not usable:
        own = (*own[1:], build_column(names[0], "int"))
        usable = [own[-1]]
    key = UniqueKey("PRIMARY", tuple(draw(st.permutations(usable))[:size])) if usable and size else None
    return TableDescription(draw(NAMES), draw(NAMES), own, key)


def key_texts(column: Column) -> st.SearchStrategy[str]:
    """Texts as `Column.build_key_text` gives them for a column."""
    match column.key_order:
        case ColumnOrder.NUMBER:
            return st.integers(-(2**64), 2**64).map(str) | st.decimals(-1000, 1000, places=2).map("{:f}".format)
        case ColumnOrder.DATE:
            return st.datetimes().map(lambda moment: moment.isoformat(" ", "microseconds"))
        case ColumnOrder.BYTES:
            return st.binary(max_size=12).map(lambda value: value.hex().upper())
        case _:
            return st.text(max_size=8).map(lambda text: text.encode().hex().upper())


def id_parts(column: Column) -> st.SearchStrategy[str]:
    """Texts as they are in the ids of rows for a column."""
    if column.data_type in CHOICES or column.key_order is ColumnOrder.TEXT:
        return st.text(max_size=8)
    return key_texts(column)
