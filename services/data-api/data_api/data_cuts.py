"""Cuts the data of `/fetch-data` to the fields and to the number of rows that a reader wants."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import orjson

from data_api.field_selection import FieldTree, select_fields

MAX_DOCUMENT_BYTES = 8 * 1024 * 1024
"""Up to this size a whole document can be cut: it is parsed as one. Rows are parsed one by one, however many."""
_PIECE_BYTES = 64 * 1024
# A string that the end of the text cuts off has no quote at its end.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+("|\\?\Z)|[\[\]{}]', re.DOTALL)


@dataclass(frozen=True)
class DataCut:
    """What a reader wants of the data: some fields, and of rows the first `limit`. None stands for all."""

    fields: FieldTree | None
    limit: int | None

    def select_rows(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield a list of rows, which comes as JSON in blocks, cut to what is wanted, in pieces of some size."""
        piece, separator = bytearray(b"["), b""
        for row in islice(split_rows(blocks), self.limit):
            piece += separator + (row if self.fields is None else _cut(row, self.fields))
            separator = b","
            if len(piece) >= _PIECE_BYTES:
                yield bytes(piece)
                piece.clear()
        yield bytes(piece) + b"]"

    def select_parts(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield a document, which comes as JSON in blocks, cut to the fields that are wanted."""
        document = b"".join(blocks)
        yield document if self.fields is None else _cut(document, self.fields)


def split_rows(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield each object of a list, which comes as JSON in blocks, as its own JSON, untouched."""
    text, position, depth, start = b"", 0, 0, 0
    for block in blocks:
        text, position, start = text[start:] + block, position - start, 0
        for token in _TOKEN.finditer(text, position):
            position = token.start()
            if token[0][:1] == b'"':
                if token[1] != b'"':
                    break
            elif token[0] in b"{[":
                depth += 1
                start = position if depth == 2 else start
            else:
                depth -= 1
                if depth == 1:
                    yield text[start : token.end()]
                    start = token.end()
            position = token.end()


def _cut(value: bytes, fields: FieldTree) -> bytes:
    return orjson.dumps(select_fields(orjson.loads(value), fields))
