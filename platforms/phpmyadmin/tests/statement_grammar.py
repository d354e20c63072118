"""A grammar of statements that only read, written for tests, without the code that writes statements.

`check_statement` accepts one `SELECT` (with `UNION ALL`), `SHOW GRANTS` or `CHECKSUM TABLE … QUICK`, and nothing else:
whatever it does not know is refused.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

FUNCTIONS = frozenset(
    {
        *("CAST", "CONCAT", "CONV", "CONVERT", "COUNT", "DATE_SUB", "HEX", "MAX", "MD5", "NOW", "QUOTE", "ST_AsText"),
        *("SUBSTRING", "SUM", "UNIX_TIMESTAMP", "VERSION"),
    }
)
"""None of these writes, waits, locks, or reads a file."""
KEYWORDS = frozenset(
    {
        *("SELECT", "FROM", "WHERE", "ORDER", "BY", "LIMIT", "UNION", "ALL", "AS", "AND", "OR", "NULL", "USING"),
        *("INTERVAL", "SECOND", "SHOW", "GRANTS", "CHECKSUM", "TABLE", "QUICK", "BINARY", "UNSIGNED"),
        *("utf8mb4", "_utf8mb4", "information_schema"),
    }
)
BARE_NAMES = re.compile(
    r"z|m|h|[ckt][0-9]+|schema_name|table_(schema|name|type)|engine|create_options|update_time|column_(name|type)"
    r"|ordinal_position|data_type|is_nullable|collation_name|index_name|seq_in_index|sub_part|nullable|non_unique"
    r"|constraint_schema|check_clause"
)
CATALOG_TABLES = frozenset({"schemata", "tables", "columns", "statistics", "check_constraints"})
_TOKEN = re.compile(
    r"(?P<name>`(?:[^`\0]|``)+`)"
    r"|(?P<bytes>x'(?:[0-9A-F]{2})*')"
    r"|(?P<string>'[A-Za-z0-9_ .$,:-]*')"
    r"|(?P<number>[0-9]+(?:\.[0-9]+)?)"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<symbol>>=|[()=>,.*+-])"
    r"|(?P<space> )"
)


class ForbiddenStatementError(Exception):
    """Raised for a text that is not one statement of the grammar."""


@dataclass
class _Checker:
    tokens: list[tuple[str, str]]
    names: list[str] = field(default_factory=list)
    place: int = 0

    def check(self) -> None:
        if self.accept("SHOW"):
            self.expect("GRANTS")
        elif self.accept("CHECKSUM"):
            self.expect("TABLE")
            self.read_table()
            self.expect("QUICK")
        elif self.accept("("):
            self.read_select()
            self.expect(")")
            while self.accept("UNION"):
                self.expect("ALL")
                self.expect("(")
                self.read_select()
                self.expect(")")
        else:
            self.read_select()
        if self.place != len(self.tokens):
            self.refuse()

    def read_select(self) -> None:
        self.expect("SELECT")
        self.read_list(self.read_item)
        if not self.accept("FROM"):
            return
        if self.accept("("):
            self.read_select()
            self.expect(")")
            self.expect("AS")
            self.read_bare_name()
        elif self.accept("information_schema"):
            self.expect(".")
            if self.take()[1] not in CATALOG_TABLES:
                self.refuse()
        else:
            self.read_table()
        if self.accept("WHERE"):
            self.read_expression()
        if self.accept("ORDER"):
            self.expect("BY")
            self.read_list(self.read_expression)
        if self.accept("LIMIT") and not re.fullmatch(r"[0-9]+", self.take()[1]):
            self.refuse()

    def read_item(self) -> None:
        self.read_expression()
        if self.accept("AS"):
            self.read_bare_name()

    def read_expression(self) -> None:
        self.read_operand()
        while self.accept("AND", "OR", "=", ">", ">=", "+", "-"):
            self.read_operand()

    def read_operand(self) -> None:
        if self.accept("NULL"):
            return
        if self.accept("("):
            self.read_expression()
            self.expect(")")
            return
        if self.accept("-"):
            if self.take()[0] != "number":
                self.refuse()
            return
        kind, text = self.take()
        if kind in ("number", "string", "bytes"):
            return
        if kind == "name":
            column = self.take()[1] if text == "`r`" and self.accept(".") else text
            self.names.append(column[1:-1].replace("``", "`"))
        elif text == "_utf8mb4":
            if self.take()[0] != "bytes":
                self.refuse()
        elif text in FUNCTIONS:
            self.read_arguments(text)
        elif not BARE_NAMES.fullmatch(text):
            self.refuse()

    def read_arguments(self, function: str) -> None:
        self.expect("(")
        if self.accept(")"):
            return
        if function == "COUNT" and self.accept("*"):
            self.expect(")")
            return
        self.read_list(lambda: self.read_interval() if self.accept("INTERVAL") else self.read_expression())
        if function == "CONVERT":
            self.expect("USING")
            self.expect("utf8mb4")
        elif function == "CAST":
            self.expect("AS")
            if not self.accept("BINARY", "UNSIGNED"):
                self.refuse()
        self.expect(")")

    def read_interval(self) -> None:
        if self.take()[0] != "number":
            self.refuse()
        self.expect("SECOND")

    def read_table(self) -> None:
        for separator in (".", ""):
            kind, text = self.take()
            if kind != "name":
                self.refuse()
            self.names.append(text[1:-1].replace("``", "`"))
            if separator:
                self.expect(separator)
        if self.accept("AS") and self.take()[1] != "`r`":
            self.refuse()

    def read_list(self, read: Callable[[], None]) -> None:
        read()
        while self.accept(","):
            read()

    def read_bare_name(self) -> None:
        if not BARE_NAMES.fullmatch(self.take()[1]):
            self.refuse()

    def accept(self, *texts: str) -> bool:
        if self.place < len(self.tokens):
            kind, text = self.tokens[self.place]
            if kind in ("word", "symbol") and text in texts:
                self.place += 1
                return True
        return False

    def expect(self, text: str) -> None:
        if not self.accept(text):
            self.refuse()

    def take(self) -> tuple[str, str]:
        if self.place >= len(self.tokens):
            self.refuse()
        self.place += 1
        return self.tokens[self.place - 1]

    def refuse(self) -> NoReturn:
        around = " ".join(text for _, text in self.tokens[max(0, self.place - 4) : self.place + 2])
        raise ForbiddenStatementError(f"not in the grammar, at: {around}")


def check_statement(statement: str) -> list[str]:
    """Return the quoted names of a statement, in their order. Raises ForbiddenStatementError for a forbidden one."""
    tokens: list[tuple[str, str]] = []
    place = 0
    while place < len(statement):
        match = _TOKEN.match(statement, place)
        if match is None:
            raise ForbiddenStatementError(f"no token of the grammar: {statement[place : place + 20]!r}")
        kind = match.lastgroup or ""
        before = tokens[-1] if tokens else ("", "")
        if kind == before[0] == "symbol" and match[0] == before[1] == "-":
            raise ForbiddenStatementError("a comment")
        known = KEYWORDS | FUNCTIONS | CATALOG_TABLES
        if kind == "word" and match[0] not in known and not BARE_NAMES.fullmatch(match[0]):
            raise ForbiddenStatementError(f"no word of the grammar: {match[0]}")
        if kind != "space":
            tokens.append((kind, match[0]))
        place = match.end()
    checker = _Checker(tokens)
    checker.check()
    return checker.names
