"""Translates a statement of MySQL into one of SQLite, as far as a reader of tables needs it.

Tables are looked up while translating, so that an unknown one is refused by name.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sandbox.phpmyadmin.definitions import ColumnDefinition, Kind, TableDefinition
from sandbox.phpmyadmin.errors import DatabaseError, build_syntax_error
from sandbox.phpmyadmin.functions import UTC_OFFSET
from sandbox.phpmyadmin.sql_tokens import SqlToken, TokenKind, split_tokens

FindTable = Callable[[str, str], TableDefinition]
"""Returns the table of a database. Raises DatabaseError for one that there is not, or that the user may not read."""

_KEYWORDS = frozenset({
    "SELECT", "FROM", "WHERE", "AND", "OR", "NOT", "IN", "IS", "NULL", "AS", "ORDER", "BY", "GROUP", "HAVING",
    "LIMIT", "OFFSET", "UNION", "ALL", "DISTINCT", "ASC", "DESC", "BETWEEN", "LIKE", "EXISTS", "CASE", "WHEN",
    "THEN", "ELSE", "END", "JOIN", "LEFT", "INNER", "ON", "TRUE", "FALSE", "USING", "INTERVAL",
})  # fmt: skip
_BEFORE_TABLE = ("FROM", "JOIN")
_PLAIN_FUNCTIONS = frozenset({
    "MD5", "QUOTE", "HEX", "CONV", "UNIX_TIMESTAMP", "NOW", "VERSION", "SLEEP", "ST_ASTEXT", "COUNT", "SUM",
    "MAX", "MIN", "AVG", "LENGTH", "LOWER", "UPPER", "COALESCE", "IFNULL", "NULLIF", "ABS", "ROUND", "TRIM",
    "REPLACE", "INSTR",
})  # fmt: skip
_LONGEST_INTEGER, _LONGEST_NUMBER = 18, 17
"""Numbers with more digits become text, because SQLite would round them. The columns that need them compare text."""
_WITHOUT_QUOTES = ("CAST(", "(CASE ")
"""How expressions begin whose text has no character that needs an escape: those of numbers and times."""


@dataclass
class Translator:
    """Translates one statement. `database` is the one of tables without a database in front of their names.

    `tables` are those that the statement reads.
    """

    statement: str
    database: str
    find_table: FindTable
    tables: list[TableDefinition] = field(default_factory=list)
    _tokens: list[SqlToken] = field(default_factory=list)
    _next: int = 0

    def translate(self) -> str:
        """Return the statement for SQLite. Raises DatabaseError as the database would."""
        self._tokens = split_tokens(self.statement)
        self._collect_tables()
        text = self._translate_until()
        if self._peek().kind is not TokenKind.END:
            raise self._build_error()
        return text

    def _collect_tables(self) -> None:
        """Look up the tables before anything else: columns stand in front of them."""
        for number, token in enumerate(self._tokens[:-1]):
            if token.is_word(*_BEFORE_TABLE) and not self._tokens[number + 1].is_symbol("("):
                self._next = number + 1
                self.tables.append(self._read_table())
        self._next = 0

    def _read_table(self) -> TableDefinition:
        names = [self._read_name()]
        if self._peek().is_symbol("."):
            self._take()
            names.append(self._read_name())
        if len(names) == 1 and not self.database:
            raise DatabaseError(1046, "No database selected")
        database, name = names if len(names) == 2 else (self.database, names[0])
        return self.find_table(database, name)

    def _read_name(self) -> str:
        token = self._take()
        if token.kind is TokenKind.NAME:
            return token.value
        if token.kind is not TokenKind.WORD or token.value in _KEYWORDS:
            raise self._build_error(token)
        return self.statement[token.position : token.position + len(token.value)]

    def _translate_until(self, *ends: str) -> str:
        """Translate up to one of these symbols, or to the end; what is in parentheses is passed over."""
        return " ".join(self._translate_parts(*ends))

    def _translate_parts(self, *ends: str) -> list[str]:
        """Translate as `_translate_until` does. What is in parentheses is one part."""
        parts: list[str] = []
        while (token := self._peek()).kind is not TokenKind.END and not token.is_symbol(*ends, ")", ";"):
            parts.append(self._translate_next(parts))
        return parts

    def _translate_next(self, before: Sequence[str]) -> str:
        token, following = self._tokens[self._next], self._tokens[self._next + 1]
        if token.is_symbol("("):
            return self._translate_parentheses(before[-1] if before else "")
        if token.kind is TokenKind.WORD and token.value not in _KEYWORDS and following.is_symbol("("):
            return self._translate_call()
        if token.is_word("_UTF8MB4") and following.kind in (TokenKind.BYTES, TokenKind.STRING):
            self._next += 2
            return (
                f"CAST(x'{following.value}' AS TEXT)"
                if following.kind is TokenKind.BYTES
                else write_string(following.value)
            )
        if token.kind is TokenKind.NAME or (token.kind is TokenKind.WORD and token.value not in _KEYWORDS):
            return self._translate_name(before)
        self._take()
        match token.kind:
            case TokenKind.NUMBER:
                return _write_number(token.value)
            case TokenKind.STRING:
                return write_string(token.value)
            case TokenKind.BYTES:
                return f"x'{token.value}'"
            case _:
                return token.value

    def _translate_parentheses(self, before: str) -> str:
        """Translate what is in parentheses. SQLite takes no member of a UNION in parentheses, but a subquery."""
        self._take()
        is_query = self._peek().is_word("SELECT") or self._peek().is_symbol("(")
        parts = self._translate_parts()
        self._expect(")")
        is_member = before in ("UNION", "ALL") or self._peek().is_word("UNION")
        if is_member and "ORDER" in parts and "LIMIT" not in parts:
            # As MariaDB does: the order of a member of a UNION counts only for its limit.
            parts = parts[: parts.index("ORDER")]
        inner = " ".join(parts)
        if is_query and before in ("", "UNION", "ALL"):
            return f"SELECT * FROM ({inner})"
        # With a limit SQLite computes the values of a subquery once, and not at each place where they are used.
        return f"(SELECT * FROM ({inner}) LIMIT -1)" if is_query and before == "FROM" else f"({inner})"

    def _translate_name(self, before: Sequence[str]) -> str:
        if before and before[-1] in _BEFORE_TABLE:
            return f"{quote_name(self._read_table().stored_name)}"
        name = self._read_name()
        if before and before[-1] == "AS":
            return quote_name(name)
        qualifier = ""
        while self._peek().is_symbol("."):
            self._take()
            qualifier, name = name, self._read_name()
        column = self._find_column(name)
        if column is not None and self._is_followed_by_zero() and column.kind is Kind.CHOICE:
            self._next += 2
            return _number_choices(column)
        return f"{self._qualify(qualifier)}{quote_name(column.name if column else name)}"

    def _qualify(self, qualifier: str) -> str:
        """Return what stands before a column that is named with its table, or with another name for that."""
        stored = {table.name: table.stored_name for table in self.tables}
        return f"{quote_name(stored.get(qualifier, qualifier))}." if qualifier else ""

    def _is_followed_by_zero(self) -> bool:
        plus, zero = self._tokens[self._next], self._tokens[min(self._next + 1, len(self._tokens) - 1)]
        return plus.is_symbol("+") and zero.kind is TokenKind.NUMBER and zero.value == "0"

    def _find_column(self, name: str) -> ColumnDefinition | None:
        found = (table.find_column(name) for table in self.tables)
        return next((column for column in found if column is not None), None)

    def _translate_call(self) -> str:
        name = self._take().value
        self._expect("(")
        match name:
            case "CONVERT":
                return self._translate_convert()
            case "CAST":
                value = self._translate_argument("AS")
                return self._close(_cast(value, self._take_type()))
            case "DATE_SUB":
                return self._translate_date_sub()
        if self._peek().is_symbol("*"):
            self._take()
            return self._close(f"{name}(*)")
        values = self._translate_arguments()
        if name == "CONCAT":
            # Not a function: one of SQLite's has at most 127 arguments.
            return f"({' || '.join(f'({value})' for value in values)})"
        if name in ("SUBSTRING", "SUBSTR", "MID"):
            return f"substr({', '.join(values)})"
        if name == "QUOTE":
            return _quote(values[0])
        if name == "UNIX_TIMESTAMP" and values:
            return self._translate_unix_time(values[0])
        if name == "DATABASE":
            return write_string(self.database)
        if name not in _PLAIN_FUNCTIONS:
            raise DatabaseError(1305, f"FUNCTION {self.database}.{name} does not exist")
        return f"{name}({', '.join(values)})"

    def _translate_unix_time(self, value: str) -> str:
        """Return the instant of a time. Of a column without fractions it is computed without a function in Python."""
        column = self._find_column(value[1:-1].replace("``", "`")) if value.startswith("`") else None
        if column is None or column.kind not in (Kind.DATETIME, Kind.TIMESTAMP) or column.digits:
            return f"UNIX_TIMESTAMP({value})"
        seconds = f"strftime('%s', {value}) - {UTC_OFFSET.seconds}"
        return f"(CASE WHEN {value} IS NULL THEN NULL ELSE ifnull({seconds}, 0) END)"

    def _translate_arguments(self) -> list[str]:
        values = []
        while not self._peek().is_symbol(")"):
            values.append(self._translate_until(","))
            if not self._peek().is_symbol(")"):
                self._expect(",")
        self._expect(")")
        return values

    def _translate_convert(self) -> str:
        begin = self._next
        value = self._translate_argument("USING", ",")
        is_column = self._next == begin + 2
        if self._tokens[self._next - 1].is_symbol(","):
            return self._close(_cast(value, self._take_type()))
        self._take()
        column = self._find_column(self._tokens[begin].value) if is_column else None
        return self._close(_convert_to_text(value, column))

    def _translate_date_sub(self) -> str:
        value = self._translate_argument(",")
        if not self._take().is_word("INTERVAL"):
            raise self._build_error()
        seconds = self._take()
        if seconds.kind is not TokenKind.NUMBER or not self._take().is_word("SECOND"):
            raise self._build_error()
        return self._close(f"my_seconds_before({value}, {seconds.value})")

    def _translate_argument(self, *ends: str) -> str:
        """Translate up to one of these words or symbols, which is taken."""
        parts: list[str] = []
        while not (self._peek().is_word(*ends) or self._peek().is_symbol(*ends)):
            if self._peek().kind is TokenKind.END or self._peek().is_symbol(")"):
                raise self._build_error()
            parts.append(self._translate_next(parts))
        self._take()
        return " ".join(parts)

    def _take_type(self) -> str:
        token = self._take()
        if self._peek().is_symbol("("):
            while not self._take().is_symbol(")"):
                pass
        return token.value

    def _close(self, text: str) -> str:
        self._expect(")")
        return text

    def _peek(self) -> SqlToken:
        return self._tokens[self._next]

    def _take(self) -> SqlToken:
        token = self._tokens[self._next]
        if token.kind is TokenKind.END:
            raise self._build_error()
        self._next += 1
        return token

    def _expect(self, symbol: str) -> None:
        if not self._peek().is_symbol(symbol):
            raise self._build_error()
        self._next += 1

    def _build_error(self, token: SqlToken | None = None) -> DatabaseError:
        return build_syntax_error(self.statement[(token or self._peek()).position :])


def quote_name(name: str) -> str:
    """Return a name for SQLite. In double quotes it would take an unknown one for text."""
    return "`" + name.replace("`", "``") + "`"


def write_string(text: str) -> str:
    """Return a text as a literal of SQLite."""
    if "\0" in text:
        return f"CAST(x'{text.encode().hex()}' AS TEXT)"
    return "'" + text.replace("'", "''") + "'"


def _write_number(text: str) -> str:
    digits = text.replace(".", "").lstrip("0")
    longest = _LONGEST_NUMBER if "." in text else _LONGEST_INTEGER
    return f"'{text}'" if text.replace(".", "").isdecimal() and len(digits) > longest else text


def _cast(value: str, target: str) -> str:
    match target:
        case "BINARY":
            return f"CAST({value} AS BLOB)"
        case "UNSIGNED" | "SIGNED":
            return f"CAST({value} AS INTEGER)"
        case "CHAR":
            return f"my_text({value})"
    raise build_syntax_error(target)


def _quote(value: str) -> str:
    """Return the expression for a value in quotes. A NUL stays as it is."""
    text = value
    if value.startswith(_WITHOUT_QUOTES):
        return f"ifnull('''' || {text} || '''', 'NULL')"
    for plain, escaped in (("'\\'", "'\\\\'"), ("''''", "'\\'''"), ("char(26)", "'\\Z'")):
        text = f"replace({text}, {plain}, {escaped})"
    return f"ifnull('''' || {text} || '''', 'NULL')"


def _convert_to_text(value: str, column: ColumnDefinition | None) -> str:
    """Return the text of a value. Of a column it is computed without a function in Python, which is slow.

    The text of a column is no column: SQLite would compare it by the column's collation.
    """
    if column is None or column.kind in (Kind.FLOAT, Kind.BINARY):
        return f"my_text({value})"
    return f"({value} || '')" if column.kind in (Kind.TEXT, Kind.CHOICE, Kind.SHAPE) else f"CAST({value} AS TEXT)"


def _number_choices(column: ColumnDefinition) -> str:
    """Return the expression for the number of a value of an ENUM, or of the values of a SET."""
    name = quote_name(column.name)
    if column.data_type == "enum":
        cases = " ".join(f"WHEN {write_string(choice)} THEN {n}" for n, choice in enumerate(column.choices, 1))
        return f"(CASE WHEN {name} IS NULL THEN NULL ELSE CASE {name} {cases} ELSE 0 END END)"
    bits = (
        f"((instr(',' || {name} || ',', {write_string(f',{choice},')}) > 0) << {bit})"
        for bit, choice in enumerate(column.choices)
    )
    return f"({' + '.join(bits)})"
