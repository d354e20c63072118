"""The bytes of an export, as JSON and as CSV."""

import json
import re
from collections.abc import Iterable, Sequence

import orjson

from sandbox.phpmyadmin.functions import Value, convert_to_text

JSON_END = b"\n]\n}\n]\n"
JSON_TYPE = "text/plain;charset=utf-8"
CSV_TYPE = "text/comma-separated-values;charset=utf-8"
_UNESCAPED_BY_ORJSON = ((b"/", b"\\/"), ("\u2028".encode(), b"\\u2028"), ("\u2029".encode(), b"\\u2029"))


def build_json_begin(version: str) -> bytes:
    """Return what stands before the first row. `version` is that of the phpMyAdmin."""
    header = {"type": "header", "version": version, "comment": "Export to JSON plugin for PHPMyAdmin"}
    return b"[\n" + orjson.dumps(header) + b',\n{"type":"raw","data":\n[\n'


class JsonWriter:
    """Writes rows as JSON: one object for each, all values text or null."""

    def __init__(self, names: Sequence[str], *, is_unicode: bool) -> None:
        # PHP's stripslashes. Of two columns with one name the last value stays, as in a dictionary.
        self._names = [re.sub(r"\\(.?)", r"\1", name) for name in names]
        self._is_unicode = is_unicode
        self._is_first = True

    def write_rows(self, rows: Iterable[Sequence[Value]]) -> bytes:
        """Return the bytes of rows that follow those before."""
        texts = [self._write_row(row) for row in rows]
        if not texts:
            return b""
        before, self._is_first = b"" if self._is_first else b",\n", False
        return before + b",\n".join(texts)

    def _write_row(self, row: Sequence[Value]) -> bytes:
        values = dict(zip(self._names, map(_write_json_value, row), strict=True))
        if not self._is_unicode:
            return json.dumps(values, separators=(",", ":")).replace("/", "\\/").encode()
        text = orjson.dumps(values)
        for plain, escaped in _UNESCAPED_BY_ORJSON:
            if plain in text:
                text = text.replace(plain, escaped)
        return text


class CsvWriter:
    """Writes rows as CSV. Every value is enclosed but NULL and the empty text."""

    def __init__(self, names: Sequence[str], *, null: str, separator: str, has_names: bool) -> None:
        self._separator = separator.encode()
        self._null = null.encode()
        self._head = self._separator.join(map(_enclose, names)) + b"\n" if has_names else b""

    def write_rows(self, rows: Iterable[Sequence[Value]]) -> bytes:
        """Return the bytes of rows that follow those before."""
        head, self._head = self._head, b""
        return head + b"".join(self._separator.join(map(self._write_value, row)) + b"\n" for row in rows)

    def _write_value(self, value: Value) -> bytes:
        if value is None:
            return self._null
        return _enclose(value) if value not in ("", b"") else b""


def _enclose(value: Value) -> bytes:
    raw = value if isinstance(value, bytes) else str(convert_to_text(value)).encode()
    return b'"' + raw.replace(b'"', b'""') + b'"'


def _write_json_value(value: Value) -> str | None:
    return f"0x{value.hex()}" if isinstance(value, bytes) else convert_to_text(value)
