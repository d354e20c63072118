"""The columns of a table: which types there are, how each is read, and which columns identify a row.

Every value is read as text (`build_text`), so that nothing depends on how phpMyAdmin or PHP writes a type.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from platforms.phpmyadmin.quoting import quote_column

INTEGERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint", "year"})
DECIMALS = frozenset({"decimal"})
FLOATS = frozenset({"float", "double"})
DATES = frozenset({"date", "datetime"})
BINARIES = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
SHAPES = frozenset(
    {
        "geometry",
        "point",
        "linestring",
        "polygon",
        "multipoint",
        "multilinestring",
        "multipolygon",
        "geometrycollection",
        "geomcollection",
    }
)
CHOICES = frozenset({"enum", "set"})
MAPPING = "1"
"""The number of the way in which rows become records. Another one has all rows read again by the next full sync."""
KEY_TEXTS = frozenset({"char", "varchar", "time", "uuid", "inet4", "inet6"})
"""Types whose values are compared as text where they are part of a key."""


class ColumnOrder(StrEnum):
    """How a part of a key is ordered. Numbers are compared as numbers, everything else as text or bytes."""

    NUMBER = "number"
    DATE = "date"
    TEXT = "text"
    BYTES = "bytes"


@dataclass(frozen=True)
class Column:
    """A column, as `information_schema.columns` describes it."""

    name: str
    data_type: str
    """The type without its length, in lower case, e.g. `varchar`."""
    column_type: str
    """The whole type, e.g. `tinyint(1) unsigned`."""
    is_nullable: bool
    has_json: bool = False
    """Whether the column holds JSON: it has that type, or, in MariaDB, a check of its own says so."""

    @property
    def is_unsigned(self) -> bool:
        """Whether an integer column has no negative values."""
        return "unsigned" in self.column_type.lower()

    @property
    def key_order(self) -> ColumnOrder | None:
        """How the column's values are ordered in a key; None for a type that cannot tell rows apart safely."""
        if self.data_type in INTEGERS | DECIMALS | CHOICES | {"bit", "timestamp"}:
            return ColumnOrder.NUMBER
        if self.data_type in DATES:
            return ColumnOrder.DATE
        if self.data_type in KEY_TEXTS:
            return ColumnOrder.TEXT
        return ColumnOrder.BYTES if self.data_type in ("binary", "varbinary") else None

    def build_text(self) -> str:
        """Return the expression that gives the column's value as text; NULL for NULL.

        Bytes are in hexadecimal, bits are a number, shapes are well-known text.
        """
        name = quote_column(self.name)
        if self.data_type in BINARIES:
            return f"HEX({name})"
        if self.data_type == "bit":
            return f"{name}+0"
        return f"CONVERT({f'ST_AsText({name})' if self.data_type in SHAPES else name} USING utf8mb4)"

    def build_key(self) -> str:
        """Return the expression by which rows are ordered.

        Names of an enumeration are ordered by their numbers, as the table's index orders them; text is ordered by its
        bytes, because two texts that a collation takes for equal are not the same; a time with a zone is ordered by its
        instant, because its text comes twice when the clocks go back.
        """
        name = quote_column(self.name)
        if self.data_type in CHOICES or self.data_type == "bit":
            return f"{name}+0"
        if self.data_type == "timestamp":
            return f"UNIX_TIMESTAMP({name})"
        if self.key_order is ColumnOrder.TEXT:
            return f"CAST(CONVERT({name} USING utf8mb4) AS BINARY)"
        return name

    def parse_key(self, text: str) -> Decimal | str:
        """Return a text of `build_key_text` as a value that is ordered as the database orders it."""
        return Decimal(text) if self.key_order is ColumnOrder.NUMBER else text

    def build_key_text(self) -> str:
        """Return the expression that gives the value of `build_key` as text. Texts and bytes are in hexadecimal."""
        if self.key_order in (ColumnOrder.TEXT, ColumnOrder.BYTES):
            return f"HEX({self.build_key()})"
        if self.key_order is ColumnOrder.DATE:
            return self.build_text()
        return self.build_key()


@dataclass(frozen=True)
class UniqueKey:
    """An index of a table that tells its rows apart: its name and its columns in their order."""

    name: str
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class TableDescription:
    """A table or view of a database, as `information_schema` describes it.

    `columns` are in their order, without those that the merchant has left out. `key` is None where nothing tells the
    rows apart. `updated_at` (Unix time, s) is when the table was last changed, as far as the server knows.
    """

    database: str
    name: str
    columns: tuple[Column, ...]
    key: UniqueKey | None
    engine: str = ""
    has_live_checksum: bool = False
    """Whether the server keeps a checksum of the table, which costs nothing to ask for."""
    updated_at: float | None = None
    read_at: float = 0.0
    """When the database was asked (Unix time, s, of the database's clock)."""

    @property
    def digest(self) -> str:
        """A hash of what decides how rows become records: the columns, their types, the key, and MAPPING."""
        parts = [f"{column.name}\0{column.column_type}\0{column.has_json}" for column in self.columns]
        key = [column.name for column in self.key.columns] if self.key else []
        return hashlib.sha256("\1".join((MAPPING, *parts, "\2", *key)).encode()).hexdigest()

    def find_column(self, name: str) -> Column | None:
        """Return the column of this name; None where there is none, or where it is left out."""
        return next((column for column in self.columns if column.name == name), None)


def choose_key(keys: Sequence[UniqueKey]) -> UniqueKey | None:
    """Return the index that identifies rows: the primary key, else the one with the fewest columns, then by name.

    `keys` have no columns that may be NULL. An index with a column whose type cannot be compared safely is left out.
    """
    usable = [key for key in keys if all(column.key_order is not None for column in key.columns)]
    return min(usable, key=lambda key: (key.name != "PRIMARY", len(key.columns), key.name), default=None)
