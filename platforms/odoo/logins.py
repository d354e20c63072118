"""A login at an Odoo, as the gateway stores it encrypted, and what it has shown of the server when it was checked."""

from dataclasses import asdict, dataclass, field
from enum import StrEnum

import orjson


class TransportName(StrEnum):
    """The external APIs of Odoo, the newest first."""

    JSON2 = "json2"
    JSONRPC = "jsonrpc"
    XMLRPC = "xmlrpc"


@dataclass(frozen=True)
class OdooLogin:
    """A user of a database, and the API key.

    `url` is the server's address without a slash at its end. `transport` answered when the login was checked, `version`
    is the server's then, e.g. `18.0`, and `uid` the user's id; empty and 0 before that.
    """

    url: str
    database: str
    login: str
    key: str = field(repr=False)
    transport: TransportName | None = None
    version: str = ""
    uid: int = 0

    def encode(self) -> str:
        """Return the login as text, which is the token of its connection."""
        return orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS).decode()


def decode_login(token: str) -> OdooLogin:
    """Return the login that `OdooLogin.encode` has encoded."""
    values = orjson.loads(token)
    transport = values.pop("transport")
    return OdooLogin(**values, transport=TransportName(transport) if transport else None)
