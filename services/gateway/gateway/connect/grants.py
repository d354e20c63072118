"""Stores what a sign-in at a platform brings: grants (tokens and scopes) when it connects accounts, and always proofs.

Everything is stored in one transaction. When the process is killed before the commit, nothing is stored and the
merchant signs in again. When it is killed after the commit, the events about the connections are still published from
the outbox (the table of events to publish), and the merchant's next sign-in finds the connections.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID, uuid4

import structlog

from contracts.headers import derive_id
from gateway.audit import BY_OPERATOR, Action, Actor, AuditEntry
from gateway.connections import REDACTED, Connection, StoredLogin, apply_grant
from gateway.sessions.sessions import OpenedSession, Sessions, Visitor
from gateway.store.connections import ConnectionStore, LockedConnection, LockedConnections
from gateway.tokens.encryption import TokenCipher
from gateway.webhooks.status import build_initial_webhook_checks
from platform_sdk.adapters import PlatformAdapter
from platform_sdk.connection_methods import ConnectedAccount, OAuth
from platform_sdk.errors import RequestRejectedError
from platform_sdk.grants import Grant, SharedLogin

log = structlog.get_logger()

OPERATOR_MERCHANT = derive_id("merchant", "operator")
"""The id of the merchant who owns the operator's connections, to which no user consented."""


@dataclass(frozen=True)
class SignedIn:
    """The result of a sign-in: the session, which has proved all of `connections`."""

    session: OpenedSession
    connections: tuple[str, ...]


@dataclass(frozen=True)
class Connected(SignedIn):
    """The result of a sign-in that connected accounts. `grants` are by account.

    `merchant` is the one to whom the first account belongs.
    """

    accounts: tuple[ConnectedAccount, ...]
    grants: Mapping[str, Grant]
    merchant: UUID


def build_connection_name(platform: str, account: str) -> str:
    """Return the name of an account's connection, `<platform>:<account>`."""
    return f"{platform}:{account}"


class GrantService:
    """Stores one platform's grants (tokens and scopes) and proofs, and opens sessions."""

    def __init__(
        self, adapter: PlatformAdapter, connections: ConnectionStore, cipher: TokenCipher, sessions: Sessions
    ) -> None:
        self._adapter = adapter
        self._connections = connections
        self._cipher = cipher
        self._sessions = sessions

    async def store_grants(self, locked: LockedConnections, grants: Mapping[str, Grant], visitor: Visitor) -> Connected:
        """Store the grants of the locked connections, and that the visitor has proved them.

        `grants` are the tokens and scopes by account. An account that is known keeps its merchant. The new ones of one
        consent get one new merchant: a session's other accounts are no reason to put these beside them, because their
        readers would find them there.
        """
        session = await self._sessions.open_or_renew(locked.sessions, visitor)
        accounts = await self._save_grants(locked, grants, uuid4(), session.actor)
        await locked.sessions.save_proofs(session.id, locked.by_name)
        first = next(iter(locked.by_name.values())).row
        assert first is not None
        assert first.merchant is not None
        return Connected(session, tuple(locked.by_name), accounts, grants, first.merchant)

    async def store_proof(self, accounts: Iterable[str], visitor: Visitor) -> SignedIn:
        """Store that the visitor has proved the connections of these accounts.

        The tokens of the sign-in are neither stored nor used. Raises RequestRejectedError when no data of any of the
        accounts is held here.
        """
        # Only those that are stored here: credentials may give access to hundreds, and each lock takes time.
        stored = await self._connections.find_existing_names(self.list_connection_names(accounts))
        # The sign-in may have installed the app. It stays: nothing tells such an installation from the merchant's own.
        async with self._connections.lock_all(stored) as locked:
            known = {name: one for name, one in locked.by_name.items() if one.row and one.row.state != REDACTED}
            if not known:
                raise RequestRejectedError(404, self._describe_unknown_account())
            session = await self._sessions.open_or_renew(locked.sessions, visitor)
            await locked.sessions.save_proofs(session.id, known)
            for name, connection in known.items():
                await connection.record(AuditEntry(Action.PROVE, name, session.actor))
        return SignedIn(session, tuple(known))

    async def store_for_operator(self, grants: Mapping[str, Grant]) -> tuple[ConnectedAccount, ...]:
        """Store the grants as the operator's connections and return their accounts.

        An account that a merchant has connected before stays that merchant's.
        """
        async with self._connections.lock_all(self.list_connection_names(grants)) as locked:
            return await self._save_grants(locked, grants, OPERATOR_MERCHANT, BY_OPERATOR)

    async def store_own_accounts(
        self, grants: Mapping[str, Grant], merchant: UUID | None
    ) -> tuple[ConnectedAccount, ...]:
        """Store the grants of this installation's own accounts, and return the accounts whose grants have changed.

        A connected one that has the same login and the same own part of the token stays as it is, so that a new start
        of the gateway requests no sync. They belong to `merchant`, or to the operator's if that is None; an account
        that a merchant has connected before stays that merchant's. Raises TransientError when a stored token cannot be
        decrypted.
        """
        async with self._connections.lock_all(self.list_connection_names(grants)) as locked:
            changed = {
                account: grant
                for account, grant in grants.items()
                if not self._is_stored(locked.by_name[build_connection_name(self._adapter.slug, account)].row, grant)
            }
            return await self._save_grants(locked, changed, merchant or OPERATOR_MERCHANT, BY_OPERATOR)

    def list_connection_names(self, accounts: Iterable[str]) -> list[str]:
        """Return the names of these accounts' connections."""
        return [build_connection_name(self._adapter.slug, account) for account in accounts]

    def _describe_unknown_account(self) -> str:
        manifest = self._adapter.manifest
        reason = f"this {manifest.account_noun} is not connected here; connect it first"
        if not isinstance(self._adapter.connection_method, OAuth):
            return reason
        return (
            f"{reason}. If this sign-in has added the app at {manifest.title} and you do not want it, remove it there"
        )

    async def _save_grants(
        self, locked: LockedConnections, grants: Mapping[str, Grant], merchant: UUID, actor: Actor
    ) -> tuple[ConnectedAccount, ...]:
        names = {build_connection_name(self._adapter.slug, account): account for account in grants}
        logins = await self._save_logins(locked, grants.values())
        return tuple(
            [
                await self._save_grant(locked.by_name[name], account, grants[account], merchant, actor, logins)
                for name, account in sorted(names.items())
            ]
        )

    def _is_stored(self, row: Connection | None, grant: Grant) -> bool:
        """Return whether the connection is read with this very grant's login and own part of the token."""
        if row is None or not row.is_live or row.has_refused_login or row.tokens is None:
            return False
        login = self._cipher.decrypt_login(row.login, connection=row.name) if row.login else None
        own_part = self._cipher.decrypt(row.tokens.access, connection=row.name, kind="access")
        return (login, own_part) == (grant.login.secret if grant.login else None, grant.access_token)

    async def _save_logins(
        self, locked: LockedConnections, grants: Iterable[Grant]
    ) -> Mapping[SharedLogin | None, StoredLogin]:
        """Store the logins of these grants as new ones, and return them as stored, by what they are in clear text.

        Other accounts that were connected with the same credentials before keep theirs: they are not part of this
        sign-in.
        """
        stored: dict[SharedLogin | None, StoredLogin] = {}
        for login in dict.fromkeys(grant.login for grant in grants if grant.login):
            login_id = uuid4()
            stored[login] = StoredLogin(login_id, self._cipher.encrypt_login(login_id, login.secret))
            await locked.logins.save(stored[login])
        return stored

    async def _save_grant(
        self,
        connection: LockedConnection,
        account: str,
        grant: Grant,
        merchant: UUID,
        actor: Actor,
        logins: Mapping[SharedLogin | None, StoredLogin],
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
            title=grant.title,
            readable_until=grant.readable_until,
            login=logins.get(grant.login),
        )
        sync_id = _get_wanted_sync(row)
        await connection.save_and_notify(row)
        status, result = build_initial_webhook_checks(self._adapter.webhooks is not None)
        await connection.save_initial_webhook_checks(sync_id, status=status, result=result)
        await connection.record(AuditEntry(Action.CONNECT, name, actor))
        log.info("connection granted", connection=name, sync_id=str(sync_id))
        return ConnectedAccount(account=account, connection=name, title=grant.title, sync_id=str(sync_id))


def _get_wanted_sync(row: Connection) -> UUID:
    assert row.wanted_sync is not None
    return row.wanted_sync
