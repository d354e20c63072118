"""The names of tables in connections and object keys: `<host>[:port][/<path>]/<server>/<database>/<table>`.

Each part is escaped, so that two tables never share a name, and a name needs no escaping in URLs besides its slashes.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

ACCOUNT = r"(?!.{201})(?:[A-Za-z0-9._~-]+)(?::[1-9][0-9]{0,4})?(?:/[A-Za-z0-9._~-]+){3,}"
"""A regular expression of the names of tables."""
MAX_CHARACTERS = 200
"""A longer name is refused: a connection's name has at most 255 characters, and object keys have a limit, too."""
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
_ESCAPED = re.compile(rb"~([0-9A-F]{2})")
_MAX_PORT = 65_535
_DEFAULT_PORTS = {"https": 443, "http": 80}


def escape(text: str) -> str:
    """Return `text` with each byte of its UTF-8 other than letters, digits, `.`, `_` and `-` as `~XX`.

    A text of dots alone, which URLs take for a folder, is escaped as well; an empty one is `~`.
    """
    if not text.strip("."):
        return "".join(f"~{byte:02X}" for byte in text.encode()) or "~"
    return "".join(chr(byte) if byte in _PLAIN else f"~{byte:02X}" for byte in text.encode())


def unescape(text: str) -> str:
    """Return what `escape` has escaped. Raises ValueError for a text that it has not written."""
    raw = b"" if text == "~" else _ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), text.encode())
    if escape(raw.decode()) != text:
        raise ValueError("not an escaped text")
    return raw.decode()


@dataclass(frozen=True)
class TableName:
    """A table, by where it is: the phpMyAdmin, the number of the server there, the database and the table.

    `port` is None for the default one of https; `path` are the folders of the phpMyAdmin's address.
    """

    host: str
    port: int | None
    path: tuple[str, ...]
    server: str
    database: str
    table: str

    @property
    def account(self) -> str:
        """The name of the table, as the part of a connection's name behind the platform."""
        host = escape(self.host) + (f":{self.port}" if self.port else "")
        return "/".join((host, *map(escape, (*self.path, self.server, self.database, self.table))))


def parse_account(account: str) -> TableName:
    """Return the table that a name names. Raises ValueError when it is not the name of a table."""
    if not re.fullmatch(ACCOUNT, account):
        raise ValueError("not the name of a table")
    first, *parts = account.split("/")
    host, _, port = first.partition(":")
    if int(port or 0) > _MAX_PORT:
        raise ValueError("not a port")
    *path, server, database, table = (unescape(part) for part in parts)
    return TableName(unescape(host), int(port) if port else None, tuple(path), server, database, table)


def build_table_names(url: str, server: str, database: str, tables: Iterable[str]) -> dict[str, TableName]:
    """Return the tables of a database by their accounts. `url` is the address of the phpMyAdmin.

    A plain http address has port 80 in its name, so that it is not taken for the https one.
    """
    parts = urlsplit(url)
    assert parts.hostname is not None
    port = parts.port or _DEFAULT_PORTS[parts.scheme]
    named_port = None if (parts.scheme, port) == ("https", _DEFAULT_PORTS["https"]) else port
    path = tuple(unquote(folder) for folder in parts.path.split("/") if folder)
    named = (TableName(parts.hostname, named_port, path, server, database, table) for table in tables)
    return {name.account: name for name in named}


def join_id(values: Sequence[str]) -> str:
    """Return the id of the row with these values in the columns of its key."""
    return ",".join(map(escape, values))


def split_id(record_id: str) -> tuple[str, ...]:
    """Return the values of the key of the row with this id. Raises ValueError when it is not the id of a row."""
    return tuple(unescape(part) for part in record_id.split(","))
