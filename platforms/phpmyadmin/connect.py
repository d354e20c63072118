"""Connects tables behind a phpMyAdmin by the merchant's own login, and offers the adapter that the gateway loads."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import quote, urlencode
from uuid import UUID

import httpx

from platform_sdk.adapters import PlatformAdapter
from platform_sdk.connection_methods import (
    AccountOffer,
    AccountOffers,
    ChosenAccount,
    CredentialField,
    OfferOption,
    check_choice,
)
from platform_sdk.errors import (
    PermanentError,
    RequestRejectedError,
    ThrottledError,
    TokenRejectedError,
    TransientError,
)
from platform_sdk.grants import Grant, SharedLogin
from platform_sdk.public_addresses import AllowedHost, MalformedAddressError, Resolver
from platforms.phpmyadmin import statements
from platforms.phpmyadmin.addresses import parse_address
from platforms.phpmyadmin.columns import TableDescription
from platforms.phpmyadmin.descriptions import (
    DatabaseDescription,
    can_write,
    list_change_columns,
    parse_description,
)
from platforms.phpmyadmin.errors import SignInRefusedError
from platforms.phpmyadmin.http import create_http_client
from platforms.phpmyadmin.logins import CHANGED_COLUMN, EXCLUDE, PhpMyAdminLogin, TableOptions, decode_token
from platforms.phpmyadmin.manifest import MANIFEST
from platforms.phpmyadmin.names import MAX_CHARACTERS, build_table_names, parse_account, split_id
from platforms.phpmyadmin.resources import ROWS
from platforms.phpmyadmin.session import KNOWN_VERSIONS, PhpMyAdminSession, StatementLimits
from platforms.phpmyadmin.settings import Settings

__all__ = ["Settings", "create_adapter"]

MAX_OFFERS = 500
PLAIN_PORT = 80
LIMITS = StatementLimits(max_bytes=16 * 1024 * 1024, seconds=20.0)
"""The limits of an answer while a merchant waits."""
REFUSED = (
    "the phpMyAdmin does not accept this user and password: try them at the address yourself, and correct them here"
)


@dataclass(frozen=True)
class OpenDatabase:
    """What a login has shown of its database, in an open session."""

    session: PhpMyAdminSession
    login: PhpMyAdminLogin
    description: DatabaseDescription
    tables: Mapping[str, TableDescription]
    """The tables by account."""


class PhpMyAdminConnector:
    """Signs in at phpMyAdmins, and tells their tables. `now` returns the time in ms."""

    fields = (
        CredentialField(
            "url", "Address of phpMyAdmin", hint="as in your browser, e.g. https://db.example.com/phpmyadmin"
        ),
        CredentialField("username", "User"),
        CredentialField("password", "Password", secret=True),
        CredentialField("database", "Database", hint="the name in phpMyAdmin's list at the left"),
        CredentialField(
            "server",
            "Number of the server",
            hint="only where phpMyAdmin's sign-in page offers several: 1 is the first",
            required=False,
            default="1",
        ),
    )

    def __init__(self, settings: Settings, now: Callable[[], int]) -> None:
        self._allowed_hosts = settings.phpmyadmin_allowed_hosts
        self._now = now
        self._resolver = Resolver()

    async def check_credentials(self, values: Mapping[str, str]) -> Mapping[str, Grant]:
        """Return a grant for each table of the database that the user can see."""
        async with self.open_database(_parse_login(values)) as database:
            return {
                account: self._build_grant(database, account, TableOptions())
                for account in database.tables
                if len(account) <= MAX_CHARACTERS
            }

    async def list_offers(self, values: Mapping[str, str]) -> AccountOffers:
        """Return the tables of the database, and warnings about the login."""
        async with self.open_database(_parse_login(values)) as database:
            offers = [_build_offer(account, table) for account, table in database.tables.items()]
            remarks = [*_list_version_remarks(database.session.version), *await _list_rights_remarks(database.session)]
        if len(offers) > MAX_OFFERS:
            remarks.append(
                f"The first {MAX_OFFERS} of {len(offers)} tables are shown. A login that may read only the tables"
                " that are needed shows only these."
            )
        return AccountOffers(tuple(offers[:MAX_OFFERS]), tuple(remarks))

    async def grant_chosen(self, values: Mapping[str, str], chosen: Sequence[ChosenAccount]) -> Mapping[str, Grant]:
        """Return grants for the chosen tables, each of which was read a little."""
        async with self.open_database(_parse_login(values)) as database:
            offers = (_build_offer(account, table) for account, table in database.tables.items())
            check_choice(AccountOffers(tuple(offers)), chosen)
            grants = {}
            for choice in chosen:
                options = _parse_options(database.tables[choice.account], choice)
                await _try_to_read(database, choice.account)
                grants[choice.account] = self._build_grant(database, choice.account, options)
            return grants

    async def request_grants(self, login: PhpMyAdminLogin, tables: Sequence[str]) -> Mapping[str, Grant]:
        """Return grants for these tables of a login. Raises RequestRejectedError when one of them cannot be read."""
        async with self.open_database(login) as database:
            accounts = build_table_names(login.url, login.server, login.database, tables)
            for account, name in accounts.items():
                if account not in database.tables:
                    raise RequestRejectedError(
                        400, f"{login.database} has no table {name.table}, or it may not be seen"
                    )
                await _try_to_read(database, account)
            return {account: self._build_grant(database, account, TableOptions()) for account in accounts}

    async def is_token_valid(self, account: str, token: str) -> bool:  # noqa: ARG002
        """Return whether the login is accepted. Raises TransientError when that cannot be told."""
        login, _ = decode_token(token)
        async with create_http_client(self._allowed_hosts, self._resolver.resolve) as http:
            session = PhpMyAdminSession(http, login)
            try:
                await session.sign_in()
            except SignInRefusedError:
                return False
            except (PermanentError, ThrottledError) as error:
                raise TransientError(str(error)) from error
            await session.sign_out()
        return True

    async def refresh_grant(self, account: str, refresh_token: str) -> Grant:  # noqa: ARG002
        """Raise TokenRejectedError: a password that is not accepted any more must be entered again."""
        raise TokenRejectedError

    async def fetch_scopes(self, account: str, token: str) -> tuple[str, ...]:  # noqa: ARG002
        """Return no scopes: what a user may read is the database's affair."""
        return ()

    async def uninstall(self, account: str, token: str) -> None:
        """Do nothing: nothing is installed at a phpMyAdmin."""

    @asynccontextmanager
    async def open_database(self, login: PhpMyAdminLogin) -> AsyncIterator[OpenDatabase]:
        """Sign in and describe the database; sign out at the end.

        Raises RequestRejectedError with what to correct, and TransientError when the phpMyAdmin does not answer.
        """
        async with create_http_client(self._allowed_hosts, self._resolver.resolve) as http:
            session = PhpMyAdminSession(http, login)
            try:
                await session.sign_in()
                try:
                    yield await _describe(session, login)
                finally:
                    await session.sign_out()
            except SignInRefusedError:
                raise RequestRejectedError(400, REFUSED) from None
            except PermanentError as error:
                raise RequestRejectedError(400, error.reason) from error
            except ThrottledError as error:
                raise TransientError(f"{error}: try again later") from error

    def _build_grant(self, database: OpenDatabase, account: str, options: TableOptions) -> Grant:
        table = database.tables[account]
        return Grant(
            access_token=options.encode(),
            scopes=(),
            granted_at=self._now(),
            title=f"{table.name} of {table.database}",
            login=SharedLogin(database.login.encode()),
        )


class PhpMyAdminAccounts:
    """Derives addresses of tables and ids of rows. `allowed_hosts` may be called without https."""

    def __init__(self, settings: Settings) -> None:
        self._allowed_hosts = frozenset(settings.phpmyadmin_allowed_hosts)

    def build_account_url(self, account: str) -> str:
        """Return the address of the table's page in its phpMyAdmin."""
        name = parse_account(account)
        # An allowed host may be called without https, which a name does not tell; all others have https.
        is_allowed = not self._allowed_hosts.isdisjoint({AllowedHost(name.host), AllowedHost(name.host, name.port)})
        is_plain = name.port == PLAIN_PORT or (name.port is not None and is_allowed)
        host = (f"[{name.host}]" if ":" in name.host else name.host) + (f":{name.port}" if name.port else "")
        address = "/".join((f"{'http' if is_plain else 'https'}://{host}", *map(quote, name.path)))
        query = {"route": "/sql", "server": name.server, "db": name.database, "table": name.table}
        return f"{address}/index.php?{urlencode(query)}"

    def parse_record_id(self, account: str, resource: str, text: str) -> str | None:  # noqa: ARG002
        """Return the id of a row, which is the values of its key; None for a text that is no such id."""
        if resource != ROWS.name:
            return None
        try:
            split_id(text)
        except ValueError:
            return None
        return text

    def find_missing_scopes(self, granted: Iterable[str]) -> Mapping[str, tuple[str, ...]]:  # noqa: ARG002
        """Return an empty mapping: there are no scopes."""
        return {}


class InstallationTables:
    """The tables that the installation's own settings name."""

    def __init__(self, settings: Settings, connector: PhpMyAdminConnector) -> None:
        self._settings = settings
        self._connector = connector

    @property
    def merchant(self) -> UUID | None:
        """The merchant to whom the tables belong; None for the installation's own."""
        return self._settings.phpmyadmin_merchant

    async def request_grants(self) -> Mapping[str, Grant]:
        """Return a grant for each of the tables.

        Raises RequestRejectedError when the login or a table is not as the settings say, and TransientError when the
        phpMyAdmin does not answer.
        """
        settings = self._settings
        login = PhpMyAdminLogin(
            url=_parse_url(settings.phpmyadmin_url),
            username=settings.phpmyadmin_username,
            password=settings.phpmyadmin_password.get_secret_value(),
            server=settings.phpmyadmin_server,
            database=settings.phpmyadmin_database,
        )
        return await self._connector.request_grants(login, settings.phpmyadmin_tables)


def create_adapter(
    settings: Settings,
    http: httpx.AsyncClient,  # noqa: ARG001 merchants choose the hosts, which need a client that checks them
    now: Callable[[], int],
) -> PlatformAdapter:
    """Return the gateway's adapter for phpMyAdmin. It has no webhooks: tables are only polled."""
    connector = PhpMyAdminConnector(settings, now)
    return PlatformAdapter(
        manifest=MANIFEST,
        is_configured=settings.is_configured,
        connection_method=connector,
        accounts=PhpMyAdminAccounts(settings),
        api=connector,
        own_accounts=InstallationTables(settings, connector) if settings.has_own_accounts else None,
    )


def _parse_login(values: Mapping[str, str]) -> PhpMyAdminLogin:
    server = values.get("server") or "1"
    if not server.isdecimal():
        raise RequestRejectedError(400, "Number of the server: write a number, 1 for the first")
    return PhpMyAdminLogin(
        url=_parse_url(values["url"]),
        username=values["username"],
        password=values["password"],
        server=server,
        database=values["database"],
    )


def _parse_url(text: str) -> str:
    try:
        return parse_address(text)
    except MalformedAddressError as error:
        raise RequestRejectedError(400, f"Address of phpMyAdmin: {error}") from None


async def _describe(session: PhpMyAdminSession, login: PhpMyAdminLogin) -> OpenDatabase:
    answer = await session.fetch(statements.describe_tables(login.database), LIMITS)
    description = parse_description(login.database, answer.rows)
    if not description.tables:
        raise RequestRejectedError(400, await _describe_missing_database(session, login))
    accounts = build_table_names(login.url, login.server, login.database, sorted(description.tables))
    tables = {account: description.tables[name.table] for account, name in accounts.items()}
    return OpenDatabase(session, login, description, tables)


async def _describe_missing_database(session: PhpMyAdminSession, login: PhpMyAdminLogin) -> str:
    answer = await session.fetch(statements.list_databases(), LIMITS)
    names = [row["c0"] or "" for row in answer.rows if row["c0"] != "information_schema"]
    if login.database in names:
        return f"Database: {login.database} has no table that this user may see"
    return f"Database: there is no {login.database} that this user may see; it may see {', '.join(names) or 'none'}"


def _build_offer(account: str, table: TableDescription) -> AccountOffer:
    key = table.key.columns if table.key else ()
    names = [column.name for column in key]
    changed = list_change_columns(table) if table.key else ()
    free = tuple(column.name for column in table.columns if column.name not in names)
    options = [
        OfferOption(
            EXCLUDE,
            "Columns to leave out",
            free,
            hint="personal data that nobody needs is best never read",
            is_multiple=True,
        )
    ]
    if changed:
        options.append(
            OfferOption(
                CHANGED_COLUMN,
                "Column that says when a row was changed",
                changed,
                hint="only if every change sets it; then only newer rows are read, and all rows once a day",
            )
        )
    return AccountOffer(
        account=account,
        title=table.name,
        remarks=(_describe_key(names),),
        refusal="" if len(account) <= MAX_CHARACTERS else f"its name has more than {MAX_CHARACTERS} characters",
        options=tuple(options),
    )


def _describe_key(names: Sequence[str]) -> str:
    if names:
        return f"Rows are told apart by {', '.join(names)}."
    return "Nothing tells its rows apart: one that is edited counts as deleted, and as one that was created."


def _list_version_remarks(version: str) -> list[str]:
    if version.startswith(tuple(f"{known}." for known in KNOWN_VERSIONS)):
        return []
    return [
        f"This phpMyAdmin has the version {version or 'unknown'}. Versions {KNOWN_VERSIONS[0]} to {KNOWN_VERSIONS[-1]}"
        " are known to work; with this one it has just worked."
    ]


async def _list_rights_remarks(session: PhpMyAdminSession) -> list[str]:
    grants = await session.fetch_grants(statements.show_grants(), LIMITS)
    if not can_write(grants):
        return []
    return [
        "This user may write to the database. Nothing is ever written, but a user that may only SELECT is safer: ask"
        " your host for one."
    ]


def _parse_options(table: TableDescription, choice: ChosenAccount) -> TableOptions:
    exclude = tuple(choice.options.get(EXCLUDE, ()))
    changed = next(iter(choice.options.get(CHANGED_COLUMN, ())), "")
    if changed in exclude:
        raise RequestRejectedError(400, f"{table.name}: {changed} is left out, so it cannot say when a row was changed")
    if len(exclude) == len(table.columns):
        raise RequestRejectedError(400, f"{table.name}: all columns are left out; leave out fewer")
    return TableOptions(exclude, changed)


async def _try_to_read(database: OpenDatabase, account: str) -> None:
    """Read one row. Raises PermanentError when the user may not."""
    await database.session.fetch(statements.select_rows(database.tables[account], limit=1), LIMITS)
