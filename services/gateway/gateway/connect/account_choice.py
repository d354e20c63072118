"""Lets a merchant choose among the accounts that credentials give access to, and connects what was chosen."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from contracts.events import MAX_CONNECTION_LENGTH
from gateway.connect.grants import Connected, GrantService, build_connection_name
from gateway.connections import CONNECTED, REAUTHORISE
from gateway.sessions.sessions import Session, Visitor
from gateway.store.connections import ConnectionStore
from platform_sdk.adapters import PlatformAdapter
from platform_sdk.connection_methods import AccountOffer, AccountOffers, ChosenAccount, CredentialsWithChoice
from platform_sdk.errors import RequestRejectedError

MAX_CHOSEN = 500
"""The most accounts of one sign-in. They are stored in one transaction, which locks all of their connections."""
NO_ACCOUNT = "these credentials open no account"
NOTHING_CHOSEN = "nothing is chosen; choose at least one account"


class AccountChoice:
    """Lists the accounts that credentials of one platform give access to, and connects those that were chosen."""

    def __init__(
        self,
        adapter: PlatformAdapter,
        method: CredentialsWithChoice,
        connections: ConnectionStore,
        grants: GrantService,
    ) -> None:
        self._adapter = adapter
        self._method = method
        self._connections = connections
        self._grants = grants

    async def list_offers(self, values: Mapping[str, str]) -> AccountOffers:
        """Let the platform check the credentials, and return the accounts that they give access to.

        `values` are the credentials by field name. An account whose name is too long for a connection is refused.
        Raises RequestRejectedError when the platform refuses the credentials or they give access to no account, and
        TransientError when the platform does not answer.
        """
        listed = await self._method.list_offers(values)
        if not listed.offers:
            raise RequestRejectedError(400, NO_ACCOUNT)
        return replace(listed, offers=tuple(map(self._refuse_long_name, listed.offers)))

    async def find_connected(self, session: Session | None, offers: AccountOffers) -> frozenset[str]:
        """Return those of the offered accounts that are connected and that the session may read."""
        if session is None:
            return frozenset()
        by_name = {self._build_name(offer.account): offer.account for offer in offers.offers}
        rows = await self._connections.find_many([name for name in by_name if session.can_read(name)])
        return frozenset(by_name[row.name] for row in rows if row.state in (CONNECTED, REAUTHORISE))

    async def connect(self, values: Mapping[str, str], chosen: Sequence[ChosenAccount], visitor: Visitor) -> Connected:
        """Let the platform check the credentials and what was chosen, and store a grant for each chosen account.

        Raises the errors of `list_offers`, and RequestRejectedError when nothing, too much, or something that is not
        offered was chosen. After an error nothing is stored.
        """
        if not chosen:
            raise RequestRejectedError(400, NOTHING_CHOSEN)
        if len(chosen) > MAX_CHOSEN:
            reason = f"{len(chosen)} accounts are chosen; connect at most {MAX_CHOSEN} at once, then the others"
            raise RequestRejectedError(400, reason)
        for one in chosen:
            if self._has_long_name(one.account):
                raise RequestRejectedError(400, f"{one.account} cannot be connected: {_LONG_NAME}")
        grants = await self._method.grant_chosen(values, chosen)
        if set(grants) != {one.account for one in chosen}:
            raise RuntimeError(f"{self._adapter.slug} granted other accounts than those that were chosen")
        async with self._connections.lock_all(self._grants.list_connection_names(grants)) as locked:
            return await self._grants.store_grants(locked, grants, visitor)

    def _refuse_long_name(self, offer: AccountOffer) -> AccountOffer:
        return replace(offer, refusal=offer.refusal or _LONG_NAME) if self._has_long_name(offer.account) else offer

    def _has_long_name(self, account: str) -> bool:
        return len(self._build_name(account)) > MAX_CONNECTION_LENGTH

    def _build_name(self, account: str) -> str:
        return build_connection_name(self._adapter.slug, account)


_LONG_NAME = f"with the platform's, its name has more than {MAX_CONNECTION_LENGTH} characters"
