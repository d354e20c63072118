"""What tables of the simulated database are made of: their columns with MySQL's types, and their indexes."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

_TYPE = re.compile(r"([a-z]+[46]?)(?:\((.*)\))?( unsigned)?", re.DOTALL)
_CHOICE = re.compile(r"'((?:[^']|'')*)'")
_SIZES = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64, "year": 16}
_TEXT_SIZES = ("tiny", "", "medium", "long")
_SHAPES = ("geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon")


class Kind(StrEnum):
    """How the values of a type behave."""

    INTEGER = "integer"
    BIT = "bit"
    DECIMAL = "decimal"
    FLOAT = "float"
    TEXT = "text"
    BINARY = "binary"
    CHOICE = "choice"
    """ENUM and SET."""
    DATE = "date"
    DATETIME = "datetime"
    TIMESTAMP = "timestamp"
    TIME = "time"
    SHAPE = "shape"


_KINDS = {
    **dict.fromkeys(_SIZES, Kind.INTEGER),
    "bit": Kind.BIT,
    "decimal": Kind.DECIMAL,
    **dict.fromkeys(("float", "double"), Kind.FLOAT),
    **dict.fromkeys(("char", "varchar", "json", "uuid", "inet4", "inet6"), Kind.TEXT),
    **{f"{size}text": Kind.TEXT for size in _TEXT_SIZES},
    **dict.fromkeys(("binary", "varbinary"), Kind.BINARY),
    **{f"{size}blob": Kind.BINARY for size in _TEXT_SIZES},
    **dict.fromkeys(("enum", "set"), Kind.CHOICE),
    **{kind.value: kind for kind in (Kind.DATE, Kind.DATETIME, Kind.TIMESTAMP, Kind.TIME)},
    **dict.fromkeys(_SHAPES, Kind.SHAPE),
}


@dataclass(frozen=True)
class ColumnDefinition:
    """A column. `type` is the whole type as MySQL writes it, in lower case, e.g. `enum('new','paid')`.

    With `holds_json`, a check says that the column holds JSON, as MariaDB has it. `changes_by_itself` marks a time that
    an edit of its row sets to now.
    """

    name: str
    type: str
    nullable: bool = False
    holds_json: bool = False
    changes_by_itself: bool = False
    collation: str = "utf8mb4_general_ci"

    def __post_init__(self) -> None:
        if not self.name or _TYPE.fullmatch(self.type) is None or self.data_type not in _KINDS:
            raise ValueError(f"{self.name!r} has no type of MySQL: {self.type!r}")

    @cached_property
    def _parts(self) -> tuple[str, str, bool]:
        match = _TYPE.fullmatch(self.type)
        assert match is not None
        return match[1], match[2] or "", match[3] is not None

    @property
    def data_type(self) -> str:
        """The type without its length, e.g. `enum`."""
        return self._parts[0]

    @cached_property
    def kind(self) -> Kind:
        """How the values of the type behave."""
        return _KINDS[self.data_type]

    @property
    def is_unsigned(self) -> bool:
        """Whether numbers have no sign."""
        return self._parts[2]

    @property
    def needs_big_numbers(self) -> bool:
        """Whether SQLite's integers are too small for the values."""
        return self.data_type == "bigint" and self.is_unsigned

    @cached_property
    def choices(self) -> tuple[str, ...]:
        """The values of an ENUM or a SET, in their order."""
        return tuple(choice.replace("''", "'") for choice in _CHOICE.findall(self._parts[1]))

    @cached_property
    def digits(self) -> int:
        """The digits behind the point of a DECIMAL or of a time's seconds."""
        length = self._parts[1].split(",")
        if self.kind is Kind.DECIMAL:
            return int(length[1]) if len(length) > 1 else 0
        return int(length[0] or 0)

    @cached_property
    def size(self) -> int:
        """The number of bits of an integer or a BIT; otherwise the length in the type, or 0."""
        if self.data_type in _SIZES:
            return _SIZES[self.data_type]
        return int(self._parts[1] or 1) if self.kind is Kind.BIT else int(self._parts[1].split(",")[0] or 0)


@dataclass(frozen=True)
class IndexDefinition:
    """An index. The primary key has the name `PRIMARY`."""

    name: str
    columns: tuple[str, ...]
    is_unique: bool = True


@dataclass(frozen=True)
class TableDefinition:
    """A table of a database."""

    database: str
    name: str
    columns: tuple[ColumnDefinition, ...]
    indexes: tuple[IndexDefinition, ...] = ()
    engine: str = "InnoDB"
    options: str = ""

    @property
    def stored_name(self) -> str:
        """The name of the table in SQLite."""
        return f"{self.database}.{self.name}"

    @property
    def key(self) -> IndexDefinition | None:
        """The primary key, else the first unique index; None where nothing tells the rows apart."""
        unique = [index for index in self.indexes if index.is_unique]
        return min(unique, key=lambda index: index.name != "PRIMARY", default=None)

    def find_column(self, name: str) -> ColumnDefinition | None:
        """Return the column of this name, in upper or lower case; None where there is none."""
        return next((column for column in self.columns if column.name.lower() == name.lower()), None)

    def dump(self) -> dict[str, Any]:
        """Return the definition as JSON; `parse_table` is the reverse."""
        return asdict(self)


def parse_table(body: Mapping[str, Any]) -> TableDefinition:
    """Return the table that JSON defines. Raises ValueError and TypeError for what is none."""
    columns = tuple(ColumnDefinition(**column) for column in body["columns"])
    indexes = tuple(IndexDefinition(**{**index, "columns": tuple(index["columns"])}) for index in body["indexes"])
    names = [column.name.lower() for column in columns]
    if len(set(names)) < len(names) or not names:
        raise ValueError("a table needs columns of different names")
    for index in indexes:
        if not index.columns or not {name.lower() for name in index.columns} <= set(names):
            raise ValueError(f"the index {index.name} has other columns than the table")
    return TableDefinition(**{**body, "columns": columns, "indexes": indexes})
