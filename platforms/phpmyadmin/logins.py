"""A login at a phpMyAdmin, and what a merchant has chosen for one table. Both are stored encrypted by the gateway."""

from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from platform_sdk.tokens import join_login, split_login

EXCLUDE, CHANGED_COLUMN = "exclude", "changed_column"
"""The names of a table's options in the form of the gateway."""


@dataclass(frozen=True)
class PhpMyAdminLogin:
    """A user of a database behind a phpMyAdmin.

    `url` is the phpMyAdmin's address without a slash at its end. `server` is the number of the database server there.
    """

    url: str
    username: str
    password: str = field(repr=False)
    server: str
    database: str

    def encode(self) -> str:
        """Return the login as text."""
        return orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS).decode()


@dataclass(frozen=True)
class TableOptions:
    """What a merchant has chosen for one table.

    The columns `exclude` are never read. `changed_column` says when a row was last changed; empty where none does.
    """

    exclude: tuple[str, ...] = ()
    changed_column: str = ""

    def encode(self) -> str:
        """Return the options as text."""
        return orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS).decode()


def decode_login(text: str) -> PhpMyAdminLogin:
    """Return the login that `PhpMyAdminLogin.encode` has encoded."""
    return PhpMyAdminLogin(**orjson.loads(text))


def decode_token(token: str) -> tuple[PhpMyAdminLogin, TableOptions]:
    """Return the login and the options in a fetcher's token for one table."""
    login, own = split_login(token)
    options: dict[str, Any] = orjson.loads(own)
    return decode_login(login), TableOptions(tuple(options["exclude"]), options["changed_column"])


def encode_token(login: PhpMyAdminLogin, options: TableOptions) -> str:
    """Return the token of one table as the gateway gives it to a fetcher."""
    return join_login(login.encode(), options.encode())
