"""OAuth's authorization code grant: binds a state to a browser, exchanges the code, and stores grants or a proof."""

from dataclasses import dataclass, field

from gateway.connect.grants import Connected, GrantService, SignedIn, build_connection_name
from gateway.connect.purposes import Purpose
from gateway.sessions.browser_keys import BROWSER, STATE, BrowserKeys
from gateway.sessions.cookies import LOGIN_SECONDS, create_cookie_value
from gateway.sessions.sessions import Visitor
from gateway.store import Stores
from platform_sdk.connection_methods import OAuth, OAuthCallback
from platform_sdk.errors import RequestRejectedError


@dataclass(frozen=True)
class Authorization:
    """The two secrets of a login that has begun: `state` for the consent page's URL, `browser` for the login cookie."""

    state: str = field(repr=False)
    browser: str = field(repr=False)


class OAuthFlow:
    """Begins and completes logins at one platform."""

    def __init__(self, platform: str, method: OAuth, stores: Stores, grants: GrantService, keys: BrowserKeys) -> None:
        self._platform = platform
        self._method = method
        self._stores = stores
        self._grants = grants
        self._keys = keys

    async def begin_login(self, account: str, purpose: Purpose) -> Authorization:
        """Begin a login, which must be completed within ten minutes, and return its secrets.

        `account` is empty where the user chooses accounts on the platform's consent page.
        """
        authorization = Authorization(create_cookie_value(), create_cookie_value())
        await self._stores.oauth_states.create(
            state_hash=self._keys.hash_value(STATE, authorization.state),
            browser_hash=self._keys.hash_value(BROWSER, authorization.browser),
            connection=build_connection_name(self._platform, account),
            purpose=purpose.value,
            seconds=LOGIN_SECONDS,
        )
        return authorization

    async def complete_login(self, callback: OAuthCallback, visitor: Visitor, *, login_cookie: str) -> SignedIn:
        """Consume the callback's state, exchange its code, and store what the login was begun for.

        A login to connect stores grants (tokens and scopes) and returns `Connected`; a login to prove an account stores
        the proof alone. `login_cookie` is the value of the login cookie. Raises RequestRejectedError when the state is
        unknown, used, expired, or belongs to another browser or account, and when the platform refuses the code. Raises
        TransientError when the platform does not answer. After an error nothing is stored.
        """
        purpose = await self._stores.oauth_states.consume(
            state_hash=self._keys.hash_value(STATE, callback.state),
            browser_hash=self._keys.hash_value(BROWSER, login_cookie),
            connection=build_connection_name(self._platform, callback.account),
        )
        if purpose is None:
            reason = "this login was used already, is too old, or was started in another browser"
            raise RequestRejectedError(400, reason)
        if purpose == Purpose.PROVE:
            grants = await self._method.exchange_code(callback.account, callback.code, for_proof=True)
            return await self._grants.store_proof(grants, visitor)
        return await self._connect(callback, visitor)

    async def _connect(self, callback: OAuthCallback, visitor: Visitor) -> Connected:
        connections = self._stores.connections
        if callback.account:
            # Exchanging a code may invalidate the earlier tokens. So it needs the lock that a refresh takes.
            async with connections.lock_all(self._grants.list_connection_names([callback.account])) as locked:
                grants = await self._method.exchange_code(callback.account, callback.code)
                return await self._grants.store_grants(locked, grants, visitor)
        grants = await self._method.exchange_code("", callback.code)
        async with connections.lock_all(self._grants.list_connection_names(grants)) as locked:
            return await self._grants.store_grants(locked, grants, visitor)
