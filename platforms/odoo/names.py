"""The names of databases in connections and object keys: `<host>[:port]/<database>`.

A name needs no escaping in URLs besides its slash. The colons of an IPv6 address are written `~3A`.
"""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

ACCOUNT = r"(?!.{201})(?:[a-z0-9._-]|~3A)+(?::[1-9][0-9]{0,4})?/[A-Za-z0-9][A-Za-z0-9_.-]*"
"""A regular expression of the names of databases. Odoo itself makes none with other characters."""
MAX_CHARACTERS = 200
"""A longer name is refused: a connection's name has at most 255 characters, and object keys have a limit, too."""
_DATABASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_HOST = re.compile(r"(?![.]+$)[a-z0-9._-]+|[0-9a-f.]*:[0-9a-f:.]*")
_COLON = "~3A"
_MAX_PORT = 65_535
_DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True)
class DatabaseName:
    """A database, by where it is. `port` is None for the default one of https."""

    host: str
    port: int | None
    database: str

    @property
    def account(self) -> str:
        """The name of the database, as the part of a connection's name behind the platform."""
        return self.host.replace(":", _COLON) + (f":{self.port}" if self.port else "") + f"/{self.database}"


def parse_account(account: str) -> DatabaseName:
    """Return the database that a name names. Raises ValueError when it is not the name of a database."""
    if not re.fullmatch(ACCOUNT, account):
        raise ValueError("not the name of a database")
    first, _, database = account.partition("/")
    escaped, _, port = first.partition(":")
    host = escaped.replace(_COLON, ":")
    if int(port or 0) > _MAX_PORT or not _HOST.fullmatch(host):
        raise ValueError("not the name of a database")
    return DatabaseName(host, int(port) if port else None, database)


def build_database_name(url: str, database: str) -> DatabaseName:
    """Return the name of a database. `url` is the address of its server.

    A plain http address has port 80 in its name, so that it is not taken for the https one. Raises ValueError for a
    host or a database that no name can name.
    """
    parts = urlsplit(url)
    assert parts.hostname is not None
    port = parts.port or _DEFAULT_PORTS[parts.scheme]
    named_port = None if (parts.scheme, port) == ("https", _DEFAULT_PORTS["https"]) else port
    if not _HOST.fullmatch(parts.hostname):
        raise ValueError("the host has other characters than letters, digits, dots, - and _")
    if not _DATABASE.fullmatch(database):
        raise ValueError("a database has letters, digits, dots, - and _ in its name, and no others")
    name = DatabaseName(parts.hostname, named_port, database)
    if len(name.account) > MAX_CHARACTERS:
        raise ValueError(f"host and database have more than {MAX_CHARACTERS} characters")
    return name
