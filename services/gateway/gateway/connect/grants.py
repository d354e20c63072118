"""Stores a platform's grants (tokens and scopes): the connections, their first syncs, and the merchant's session.

Everything is stored in one transaction. When the process is killed before the commit, nothing is stored and the
merchant signs in again. When it is killed after the commit, the events about the connections are still published from
the outbox (the table of events to publish), and the merchant's next login finds the connections.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import structlog

from contracts.headers import derive_id
from gateway.connections import Connection, apply_grant
from gateway.sessions.browser_keys import SESSION, BrowserKeys
from gateway.sessions.cookies import create_cookie_value
from gateway.store.connections import ConnectionStore, LockedConnection, LockedConnections
from gateway.tokens.encryption import TokenCipher
from gateway.webhooks.status import build_initial_webhook_checks
from platform_sdk.adapters import PlatformAdapter
from platform_sdk.connection_methods import ConnectedAccount
from platform_sdk.grants import Grant

log = structlog.get_logger()

OPERATOR_MERCHANT = derive_id("merchant", "operator")
"""The id of the merchant who owns the operator's connections, to which no user consented."""


@dataclass(frozen=True)
class SignIn:
    """The result of a sign-in: the connected accounts, their grants by account, and the session cookie's value."""

    accounts: tuple[ConnectedAccount, ...]
    grants: Mapping[str, Grant]
    merchant: UUID
    session: str = field(repr=False)


def choose_merchant(session_merchant: UUID | None, owners: Sequence[UUID]) -> UUID:
    """Return the id of the merchant who signs in. `owners` are the merchants who have the accounts already.

    An account keeps its merchant: whoever signs in at the account acts for that merchant, not for the session's. So the
    session's merchant is returned when the accounts have no merchant yet or when it is one of `owners`; otherwise the
    first of `owners`. Without a session and without owners, the merchant is a new one.
    """
    if session_merchant and (not owners or session_merchant in owners):
        return session_merchant
    return owners[0] if owners else uuid4()


def build_connection_name(platform: str, account: str) -> str:
    """Return the name of an account's connection, `<platform>:<account>`."""
    return f"{platform}:{account}"


class GrantService:
    """Stores grants (tokens and scopes) of one platform's accounts, and signs their merchant in."""

    def __init__(
        self,
        adapter: PlatformAdapter,
        connections: ConnectionStore,
        cipher: TokenCipher,
        keys: BrowserKeys,
        *,
        session_seconds: int,
    ) -> None:
        self._adapter = adapter
        self._connections = connections
        self._cipher = cipher
        self._keys = keys
        self._session_seconds = session_seconds

    async def sign_in(
        self, locked: LockedConnections, grants: Mapping[str, Grant], session: str | None, *, keeps_session_id: bool
    ) -> SignIn:
        """Store the grants of the locked connections and open a session of their merchant, see `choose_merchant`.

        `grants` are the tokens and scopes by account. `session` is the value of the browser's session cookie, if it has
        one. The session cookie's value in the returned `SignIn` is a new one, unless `keeps_session_id` is set and the
        old session is of the same merchant.
        """
        rows = [connection.row for connection in locked.by_name.values()]
        old = self._keys.hash_value(SESSION, session) if session else None
        before = await locked.sessions.find_merchant(old) if old else None
        merchant = choose_merchant(before, [row.merchant for row in rows if row and row.merchant])
        accounts = await self._save_grants(locked, grants, merchant)
        if keeps_session_id and session and old and before == merchant:
            await locked.sessions.prolong(old, self._session_seconds)
        else:
            session = create_cookie_value()
            new = self._keys.hash_value(SESSION, session)
            await locked.sessions.replace(old, new, merchant, self._session_seconds)
        return SignIn(accounts, grants, merchant, session)

    async def store_for_operator(self, grants: Mapping[str, Grant]) -> tuple[ConnectedAccount, ...]:
        """Store the grants as the operator's connections and return their accounts.

        An account that a merchant has connected before stays that merchant's.
        """
        async with self._connections.lock_all(self.list_connection_names(grants)) as locked:
            return await self._save_grants(locked, grants, OPERATOR_MERCHANT)

    def list_connection_names(self, accounts: Iterable[str]) -> list[str]:
        """Return the names of these accounts' connections."""
        return [build_connection_name(self._adapter.slug, account) for account in accounts]

    async def _save_grants(
        self, locked: LockedConnections, grants: Mapping[str, Grant], merchant: UUID
    ) -> tuple[ConnectedAccount, ...]:
        accounts = {build_connection_name(self._adapter.slug, account): account for account in grants}
        return tuple(
            [
                await self._save_grant(connection, accounts[name], grants[accounts[name]], merchant)
                for name, connection in locked.by_name.items()
            ]
        )

    async def _save_grant(
        self, connection: LockedConnection, account: str, grant: Grant, merchant: UUID
    ) -> ConnectedAccount:
        """Store one grant (tokens and scopes) of an account. `merchant` owns the account unless it has an owner.

        The scheduler then runs a full sync, whose id is stored in `wanted_sync`.
        """
        name = build_connection_name(self._adapter.slug, account)
        row = apply_grant(
            connection.row,
            name=name,
            merchant=(connection.row.merchant if connection.row else None) or merchant,
            scopes=grant.scopes,
            granted_at=grant.granted_at,
            tokens=self._cipher.encrypt_grant(name, grant),
            granted_by=grant.granted_by,
        )
        sync_id = _get_wanted_sync(row)
        await connection.save_and_notify(row)
        status, result = build_initial_webhook_checks(self._adapter.webhooks is not None)
        await connection.save_initial_webhook_checks(sync_id, status=status, result=result)
        log.info("connection granted", connection=name, sync_id=str(sync_id))
        return ConnectedAccount(account=account, connection=name, title=grant.title, sync_id=str(sync_id))


def _get_wanted_sync(row: Connection) -> UUID:
    assert row.wanted_sync is not None
    return row.wanted_sync
