"""Calls to one database by the API that answers there, which is found out again when another version may be there."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import structlog

from platform_sdk.errors import TransientError
from platforms.odoo.calls import OdooCall, OdooCalls
from platforms.odoo.errors import NotOdooError, TransportMovedError
from platforms.odoo.http import OdooHttp
from platforms.odoo.logins import OdooLogin, TransportName
from platforms.odoo.transports import Transport, create_transport

log = structlog.get_logger()
CALL_SECONDS = 20.0
VERSION_SECONDS = 60.0
"""After how long a server is asked for its version again. The older APIs work on in newer versions, for a while."""
R = TypeVar("R")


@dataclass(frozen=True)
class KnownTransport:
    """The API that answers at a server, the server's version, and when that was found out (of a monotonic clock)."""

    name: TransportName
    version: str
    checked_at: float


class KnownTransports:
    """The APIs that have answered to this process, by server and database."""

    def __init__(self, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._known: dict[tuple[str, str], KnownTransport] = {}
        self._elapsed = elapsed

    def find(self, login: OdooLogin) -> KnownTransport | None:
        """Return what is known of a login's database; None where nothing is."""
        known = self._known.get((login.url, login.database))
        if known is None and login.transport is not None:
            return KnownTransport(login.transport, login.version, 0.0)
        return known

    def remember(self, login: OdooLogin, name: TransportName, version: str) -> KnownTransport:
        """Keep what has just been found out of a login's database."""
        known = KnownTransport(name, version, self._elapsed())
        self._known[login.url, login.database] = known
        return known

    def is_current(self, known: KnownTransport) -> bool:
        """Return whether the version was asked for lately."""
        return known.checked_at > 0 and self._elapsed() < known.checked_at + VERSION_SECONDS


class OdooClient(OdooCalls):
    """The calls of one login, without retries. They raise the errors of `Transport`, except TransportMovedError.

    `known` says which API answers; where none is known, or the known one has gone, all are tried.
    """

    def __init__(self, http: OdooHttp, login: OdooLogin, known: KnownTransports) -> None:
        super().__init__()
        self.login = login
        self._http = http
        self._known = known
        self._transport: Transport | None = None
        self._name: TransportName | None = None

    async def authenticate(self, *, seconds: float = CALL_SECONDS) -> int:
        """Return the user's id. Asks an older API for the version as well, because a newer one may have come."""
        await self._check_version(seconds)
        return await self._repeat_if_moved(lambda transport: transport.authenticate(seconds=seconds), seconds)

    async def make_call(self, call: OdooCall, *, seconds: float = CALL_SECONDS) -> object:
        """Make a call and return its result. It is made again where another API answers by now."""
        return await self._repeat_if_moved(lambda transport: transport.call(call, seconds=seconds), seconds)

    async def make_call_once(self, call: OdooCall, *, seconds: float = CALL_SECONDS) -> object:
        """Make a call and return its result. Raises TransportMovedError: a page may be a cut answer."""
        return await (await self._open_transport(seconds)).call(call, seconds=seconds)

    async def find_transport(self, *, seconds: float = CALL_SECONDS) -> KnownTransport:
        """Return the API that answers, and the version of the server."""
        known = self._known.find(self.login) or await self._probe(seconds)
        return known if known.version else await self._probe(seconds)

    async def _repeat_if_moved(self, send: Callable[[Transport], Awaitable[R]], seconds: float) -> R:
        transport = await self._open_transport(seconds)
        try:
            return await send(transport)
        except TransportMovedError:
            # A page instead of an answer: the call has not been made.
            await self._probe(seconds, gone=self._name)
            return await send(await self._open_transport(seconds))

    async def _open_transport(self, seconds: float) -> Transport:
        known = self._known.find(self.login) or await self._probe(seconds)
        if self._transport is None or known.name != self._name:
            self._transport, self._name = create_transport(known.name, self._http, self.login), known.name
            self.forget_fields()
        return self._transport

    async def _check_version(self, seconds: float) -> None:
        known = self._known.find(self.login)
        if known is None or known.name is TransportName.JSON2 or self._known.is_current(known):
            return
        try:
            version = await create_transport(known.name, self._http, self.login).fetch_version(seconds=seconds)
        except TransportMovedError:
            return
        if version == known.version:
            self._known.remember(self.login, known.name, version)
        else:
            await self._probe(seconds)

    async def _probe(self, seconds: float, gone: TransportName | None = None) -> KnownTransport:
        """Try the APIs, the newest first, and return the first that answers. `gone` is left out.

        Raises TransientError when none does where one did before, and otherwise NotOdooError.
        """
        failure: TransientError | NotOdooError = NotOdooError(
            "the address shows no Odoo: write the one at which you sign in, e.g. https://acme.odoo.com"
        )
        for name in TransportName:
            if name is gone:
                continue
            try:
                version = await create_transport(name, self._http, self.login).fetch_version(seconds=seconds)
            except TransportMovedError:
                continue
            except (TransientError, NotOdooError) as error:
                failure = error
                continue
            log.info("API of Odoo found", server=self.login.url, api=name.value, version=version)
            return self._known.remember(self.login, name, version)
        if self._known.find(self.login) is not None:
            raise TransientError("Odoo shows pages instead of answers") from None
        raise failure
