"""What every external API of Odoo can do."""

from typing import Protocol

from platforms.odoo.calls import OdooCall


class Transport(Protocol):
    """One API of one server, for one login.

    All methods raise TransportMovedError for an answer that is none of this API, and otherwise the errors of
    `platforms.odoo.errors.build_error` and of `OdooHttp.send`. `seconds` is the longest time for each request.
    """

    async def fetch_version(self, *, seconds: float) -> str:
        """Return the server's version, e.g. `18.0`. No login is sent."""

    async def authenticate(self, *, seconds: float) -> int:
        """Return the id of the user. Raises KeyRefusedError for a login and key that are not accepted."""

    async def call(self, call: OdooCall, *, seconds: float) -> object:
        """Make a call and return its result; None for a method that returns nothing."""
