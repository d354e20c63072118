"""Reads the answer to a statement as it arrives: an export as JSON, or as CSV where the host has removed JSON.

An answer counts only if its last row is there (`statements.END`), and nothing behind it but the end of the export.
"""

import codecs
import re
from collections.abc import Iterator
from typing import Any, Protocol

import ijson

from platforms.phpmyadmin.errors import CutAnswerError, build_statement_error
from platforms.phpmyadmin.pages import find_statement_error
from platforms.phpmyadmin.values import TextRow

NULL = r"\N"
"""How an export as CSV writes NULL. A text of these two characters is in quotes."""
_JSON_BEGIN = re.compile(rb'\[\s*\{\s*"type"\s*:\s*"header"')
_MAX_PREAMBLE_BYTES = 64 * 1024
"""How much may stand before an export: warnings of PHP that the host shows instead of logging them."""
_TAIL_BYTES = 64 * 1024
_FIELD = re.compile(r'(?:"([^"]*+(?:""[^"]*+)*+)"|(\\N)?)(,|\r?\n)')
_FIELD_BEGIN = re.compile(r"(?:\\N?)?\r?")
"""What may have arrived of a field that is not in quotes."""
_INSIDE = re.compile(r'[^"]*+(?:""[^"]*+)*+')
_CLOSING, _CLOSING_BEGIN = re.compile(r'"(,|\r?\n)'), re.compile(r'(?:"\r?)?')
_FOREIGN = "something else stands in the middle of the answer"


class ExportParser(Protocol):
    """Parses an export from the pieces in which it arrives."""

    def parse_piece(self, piece: bytes) -> list[TextRow]:
        """Return the rows that have become whole. Raises CutAnswerError where the answer is no export any more."""
        ...

    def finish(self) -> list[TextRow]:
        """Return the last rows. Raises CutAnswerError when the export is not whole."""
        ...


class JsonParser:
    """Parses an export as JSON.

    The library reads a value that has begun in an earlier piece from its beginning. So that a large value takes no time
    in proportion to its square, pieces wait for others until they are as large together as what has been read of a row.
    """

    def __init__(self) -> None:
        self._rows: list[TextRow] = ijson.sendable_list()
        self._items: Any = ijson.items_coro(self._rows, "item.data.item")
        self._preamble: bytes | None = b""
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._read_bytes = 0
        """How much has been read since a row was whole."""

    def parse_piece(self, piece: bytes) -> list[TextRow]:
        """Return the rows that have become whole."""
        if self._preamble is not None:
            self._preamble += piece
            begin = _JSON_BEGIN.search(self._preamble)
            if begin is None:
                if len(self._preamble) > _MAX_PREAMBLE_BYTES:
                    raise CutAnswerError("the answer is no export")
                return []
            piece, self._preamble = self._preamble[begin.start() :], None
        self._waiting.append(piece)
        self._waiting_bytes += len(piece)
        return self._read_waiting() if self._waiting_bytes > self._read_bytes else []

    def finish(self) -> list[TextRow]:
        """Return the last rows, after a check that the JSON has come to its end."""
        if self._preamble is not None:
            raise CutAnswerError("the answer is no export")
        rows = self._read_waiting() if self._waiting_bytes else []
        try:
            self._items.close()
        except ijson.JSONError:
            raise CutAnswerError("the answer is cut off") from None
        return rows

    def _read_waiting(self) -> list[TextRow]:
        try:
            self._items.send(b"".join(self._waiting))
        except (ijson.JSONError, UnicodeDecodeError, StopIteration):
            raise CutAnswerError(_FOREIGN) from None
        rows, self._rows[:] = list(self._rows), []
        if not all(map(_is_row, rows)):
            raise CutAnswerError(_FOREIGN)
        self._read_bytes = 0 if rows else self._read_bytes + self._waiting_bytes
        self._waiting, self._waiting_bytes = [], 0
        return rows


class CsvParser:
    """Parses an export as CSV, in which every value is in quotes but NULL and the empty text.

    The first record has the names of the columns. A value that arrives in many pieces is looked at once.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._names: list[str] | None = None
        self._record: list[str | None] = []
        self._open: list[str] | None = None
        """The parts of the value in quotes whose end has not arrived; None where no such value is open."""
        self._rest = ""
        """What has arrived and cannot be told yet: at most a few characters."""

    def parse_piece(self, piece: bytes) -> list[TextRow]:
        """Return the rows that have become whole."""
        rows: list[TextRow] = []
        for record in self._split_records(self._decode(piece)):
            if self._names is None:
                self._names = _check_names(record)
            elif len(record) != len(self._names):
                raise CutAnswerError(_FOREIGN)
            else:
                rows.append(dict(zip(self._names, record, strict=True)))
        return rows

    def finish(self) -> list[TextRow]:
        """Return no rows, after a check that the last record is whole."""
        self._decode(b"", is_last=True)
        if self._rest or self._record or self._open is not None or self._names is None:
            raise CutAnswerError("the answer is cut off")
        return []

    def _decode(self, piece: bytes, *, is_last: bool = False) -> str:
        try:
            return self._decoder.decode(piece, is_last)
        except UnicodeDecodeError:
            raise CutAnswerError(_FOREIGN) from None

    def _split_records(self, text: str) -> Iterator[list[str | None]]:
        text, position = self._rest + text, 0
        while True:
            if self._open is not None:
                end = self._read_open(text, position)
                if (match := _CLOSING.match(text, end)) is None:
                    self._keep(text, end, _CLOSING_BEGIN)
                    return
                value: str | None = "".join(self._open).replace('""', '"')
                self._open, separator = None, match[1]
            elif (match := _FIELD.match(text, position)) is not None:
                quoted, null, separator = match.groups()
                value = quoted.replace('""', '"') if quoted is not None else None if null else ""
            elif text.startswith('"', position):
                self._open, position = [], position + 1
                continue
            else:
                self._keep(text, position, _FIELD_BEGIN)
                return
            position = match.end()
            self._record.append(value)
            if separator != ",":
                yield self._record
                self._record = []

    def _read_open(self, text: str, position: int) -> int:
        """Take in what has arrived of the open value; return the place of its end, or of the end of `text`."""
        assert self._open is not None
        inside = _INSIDE.match(text, position)
        assert inside is not None
        self._open.append(inside[0])
        return inside.end()

    def _keep(self, text: str, position: int, begin: re.Pattern[str]) -> None:
        """Keep the end of `text` for the next piece. Raises CutAnswerError if nothing can make it whole."""
        if not begin.fullmatch(text, position):
            raise CutAnswerError(_FOREIGN)
        self._rest = text[position:]


def _is_row(row: Any) -> bool:
    return isinstance(row, dict) and all(value is None or isinstance(value, str) for value in row.values())


def _check_names(record: list[str | None]) -> list[str]:
    names = [name for name in record if name]
    if len(names) < len(record):
        raise CutAnswerError("the answer is no export")
    return names


class TailBuffer:
    """Keeps the last bytes of an answer, in which an error of the database stands."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def add(self, piece: bytes) -> None:
        """Add the next piece of the answer."""
        self._bytes += piece
        if len(self._bytes) > 2 * _TAIL_BYTES:
            del self._bytes[:-_TAIL_BYTES]

    def raise_for_error(self) -> None:
        """Raise the error of the database with which the answer ends, if it ends with one."""
        code = find_statement_error(self._bytes.decode(errors="replace"))
        if code is not None:
            raise build_statement_error(code)
