"""Hashes of rows, which the database and the fetcher compute in the same way. Equal sums of them mean equal rows."""

import hashlib

from platforms.phpmyadmin.columns import TableDescription
from platforms.phpmyadmin.values import TextRow

_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", "\0": "\\0", "\x1a": "\\Z"})
"""What `QUOTE()` of MySQL and MariaDB writes in place of these characters."""


def list_hashed_values(table: TableDescription) -> tuple[str, ...]:
    """Return the names, in the answer to `statements.select_rows`, of the values that `measure_table` hashes."""
    names: list[str] = []
    for number, column in enumerate(table.columns):
        names.append(f"c{number}")
        if column.data_type == "timestamp":
            names.append(f"t{number}")
    return tuple(names)


def hash_row(names: tuple[str, ...], texts: TextRow) -> tuple[int, int]:
    """Return the two numbers of 60 bits by which a row with these texts counts in the sums of `measure_table`."""
    joined = ",".join(_quote(texts.get(name)) for name in names)
    digest = hashlib.md5(joined.encode(), usedforsecurity=False).hexdigest()
    return int(digest[:15], 16), int(digest[16:31], 16)


def _quote(text: str | None) -> str:
    return "NULL" if text is None else f"'{text.translate(_ESCAPES)}'"
