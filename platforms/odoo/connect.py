"""Connects a database by a user's API key, and offers the adapter that the gateway loads."""

import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx

from platform_sdk.adapters import PlatformAdapter
from platform_sdk.connection_methods import CredentialField
from platform_sdk.errors import (
    AccountBlockedError,
    PermanentError,
    RequestRejectedError,
    ThrottledError,
    TokenRejectedError,
    TransientError,
)
from platform_sdk.grants import Grant
from platform_sdk.public_addresses import AllowedHost, MalformedAddressError, Resolver
from platforms.odoo.addresses import parse_address
from platforms.odoo.checks import DatabaseFacts, check_database
from platforms.odoo.client import KnownTransports, OdooClient
from platforms.odoo.errors import KeyRefusedError
from platforms.odoo.hints import OdooHints
from platforms.odoo.http import OdooHttp, create_http_client
from platforms.odoo.logins import OdooLogin, decode_login
from platforms.odoo.manifest import MANIFEST
from platforms.odoo.names import build_database_name, parse_account
from platforms.odoo.refusals import RefusalLimit
from platforms.odoo.resources import CATALOG, STOCK
from platforms.odoo.settings import Settings

__all__ = ["Settings", "create_adapter"]

PLAIN_PORT = 80
REFUSED = (
    "Odoo does not accept this login and API key: the key is made in Odoo under Preferences, Account Security, and the"
    " login is the e-mail address with which its user signs in"
)
_RECORD_ID = re.compile(r"[1-9][0-9]{0,17}")
_STOCK_ID = re.compile(r"[1-9][0-9]{0,17}-[1-9][0-9]{0,17}")


class OdooConnector:
    """Tries logins at Odoos. `open_http` returns a client for one try, `now` the time in ms."""

    fields = (
        CredentialField("url", "Address of Odoo", hint="as in your browser, e.g. https://acme.odoo.com"),
        CredentialField(
            "database", "Database", hint="at *.odoo.com the part before it; elsewhere ask whoever runs your Odoo"
        ),
        CredentialField("login", "Login", hint="the e-mail address of the user to whom the key belongs"),
        CredentialField("key", "API key", secret=True, hint="made in Odoo under Preferences, Account Security"),
    )

    def __init__(self, open_http: Callable[[], httpx.AsyncClient], now: Callable[[], int]) -> None:
        self._open_http = open_http
        self._now = now
        self._refusals = RefusalLimit()

    async def check_credentials(self, values: Mapping[str, str]) -> Mapping[str, Grant]:
        """Return the grant of the database, after everything that is needed of it was tried."""
        login = _parse_login(values)
        account = _name_account(login)
        self._refusals.check(account)
        async with self._open(login) as client:
            try:
                uid = await client.authenticate()
            except KeyRefusedError:
                self._refusals.record(account)
                raise
            known = await client.find_transport()
            facts = await check_database(client, self._now())
        login = replace(login, transport=known.name, version=known.version, uid=uid)
        return {account: self._build_grant(login, facts)}

    async def is_token_valid(self, account: str, token: str) -> bool:  # noqa: ARG002
        """Return whether the key is accepted. Raises TransientError when that cannot be told."""
        async with self._open_http() as http:
            try:
                await OdooClient(OdooHttp(http), decode_login(token), KnownTransports()).authenticate()
            except KeyRefusedError:
                return False
            except (PermanentError, ThrottledError) as error:
                raise TransientError(str(error)) from error
        return True

    async def refresh_grant(self, account: str, refresh_token: str) -> Grant:  # noqa: ARG002
        """Raise TokenRejectedError: a key that is not accepted any more must be replaced by its user."""
        raise TokenRejectedError

    async def fetch_scopes(self, account: str, token: str) -> tuple[str, ...]:  # noqa: ARG002
        """Return no scopes: what a user may read is set in Odoo."""
        return ()

    async def uninstall(self, account: str, token: str) -> None:
        """Do nothing: nothing is installed in Odoo."""

    @asynccontextmanager
    async def _open(self, login: OdooLogin) -> AsyncIterator[OdooClient]:
        """Open a client of a login. Errors in the block become those of `Credentials.check_credentials`."""
        async with self._open_http() as http:
            try:
                yield OdooClient(OdooHttp(http), login, KnownTransports())
            except KeyRefusedError:
                raise RequestRejectedError(400, REFUSED) from None
            except AccountBlockedError:
                raise RequestRejectedError(
                    400, f"Database: the server has no database {login.database}, or does not show it"
                ) from None
            except PermanentError as error:
                raise RequestRejectedError(400, error.reason) from error
            except ThrottledError as error:
                raise TransientError(f"{error}: try again later") from error

    def _build_grant(self, login: OdooLogin, facts: DatabaseFacts) -> Grant:
        return Grant(
            access_token=login.encode(),
            scopes=(),
            granted_at=self._now(),
            title=f"{', '.join(facts.companies[:3])} ({login.database})",
            readable_until=facts.key_expires_at,
        )


class OdooAccounts:
    """Derives addresses of databases and ids of records. `allowed_hosts` may be called without https."""

    def __init__(self, settings: Settings) -> None:
        self._allowed_hosts = frozenset(settings.odoo_allowed_hosts)

    def build_account_url(self, account: str) -> str:
        """Return the address at which the database's users sign in."""
        name = parse_account(account)
        # An allowed host may be called without https, which a name does not tell; all others have https.
        is_allowed = not self._allowed_hosts.isdisjoint({AllowedHost(name.host), AllowedHost(name.host, name.port)})
        is_plain = name.port == PLAIN_PORT or (name.port is not None and is_allowed)
        host = (f"[{name.host}]" if ":" in name.host else name.host) + (f":{name.port}" if name.port else "")
        return f"{'http' if is_plain else 'https'}://{host}/web?db={name.database}"

    def parse_record_id(self, account: str, resource: str, text: str) -> str | None:  # noqa: ARG002
        """Return the id of a record: Odoo's number, or product and location for stock."""
        pattern = _STOCK_ID if resource == STOCK.name else _RECORD_ID
        return text if resource in CATALOG and pattern.fullmatch(text) else None

    def find_missing_scopes(self, granted: Iterable[str]) -> Mapping[str, tuple[str, ...]]:  # noqa: ARG002
        """Return an empty mapping: there are no scopes."""
        return {}


def create_adapter(
    settings: Settings,
    http: httpx.AsyncClient,  # noqa: ARG001 merchants choose the hosts, which need a client that checks them
    now: Callable[[], int],
) -> PlatformAdapter:
    """Return the gateway's adapter for Odoo."""
    resolver = Resolver()
    connector = OdooConnector(lambda: create_http_client(settings.odoo_allowed_hosts, resolver.resolve), now)
    return PlatformAdapter(
        manifest=MANIFEST,
        is_configured=settings.is_configured,
        connection_method=connector,
        accounts=OdooAccounts(settings),
        api=connector,
        hints=OdooHints() if settings.odoo_hints else None,
    )


def _parse_login(values: Mapping[str, str]) -> OdooLogin:
    try:
        url = parse_address(values["url"])
    except MalformedAddressError as error:
        raise RequestRejectedError(400, f"Address of Odoo: {error}") from None
    return OdooLogin(
        url=url, database=values["database"].strip(), login=values["login"].strip(), key=values["key"].strip()
    )


def _name_account(login: OdooLogin) -> str:
    try:
        return build_database_name(login.url, login.database).account
    except ValueError as error:
        raise RequestRejectedError(400, f"Database: {error}") from None
