"""The authorization code grant: a state bound to a browser, a code that is exchanged, grants that are stored."""

from dataclasses import dataclass, field

from gateway.connect.grants import GrantService, SignIn, build_connection_name
from gateway.sessions.browser_keys import BROWSER, STATE, BrowserKeys
from gateway.sessions.cookies import LOGIN_SECONDS, create_cookie_value
from gateway.store import Stores
from platform_sdk.connection_methods import OAuth, OAuthCallback
from platform_sdk.errors import RequestRejectedError


@dataclass(frozen=True)
class Authorization:
    """A login that has begun: the state in the address of the consent page, and the browser's value in a cookie."""

    state: str = field(repr=False)
    browser: str = field(repr=False)


class OAuthFlow:
    """Logins at one platform."""

    def __init__(self, platform: str, method: OAuth, stores: Stores, grants: GrantService, keys: BrowserKeys) -> None:
        self._platform = platform
        self._method = method
        self._stores = stores
        self._grants = grants
        self._keys = keys

    async def begin_login(self, account: str = "") -> Authorization:
        """Begin a login of ten minutes in a browser. `account` is empty where the consent page asks for it."""
        authorization = Authorization(create_cookie_value(), create_cookie_value())
        await self._stores.oauth_states.create(
            state_hash=self._keys.hash_value(STATE, authorization.state),
            browser_hash=self._keys.hash_value(BROWSER, authorization.browser),
            connection=build_connection_name(self._platform, account),
            seconds=LOGIN_SECONDS,
        )
        return authorization

    async def complete_login(self, callback: OAuthCallback, *, browser: str, session: str | None) -> SignIn:
        """Use the state up, exchange the code, and store the grants. `browser` and `session` are values of cookies.

        Raises RequestRejectedError, also for a state that is unknown, used, expired, or of another browser or account,
        and TransientError. Nothing is stored then.
        """
        is_known = await self._stores.oauth_states.consume(
            state_hash=self._keys.hash_value(STATE, callback.state),
            browser_hash=self._keys.hash_value(BROWSER, browser),
            connection=build_connection_name(self._platform, callback.account),
        )
        if not is_known:
            reason = "this login was used already, is too old, or was started in another browser"
            raise RequestRejectedError(400, reason)
        if callback.account:
            # A new code may end the tokens before it. So it is exchanged under the lock that a refresh takes, too.
            async with self._stores.connections.lock_all(
                self._grants.list_connection_names([callback.account])
            ) as locked:
                grants = await self._method.exchange_code(callback.account, callback.code)
                return await self._grants.sign_in(
                    locked, grants, session, keeps_session_id=self._method.keeps_session_id
                )
        grants = await self._method.exchange_code("", callback.code)
        async with self._stores.connections.lock_all(self._grants.list_connection_names(grants)) as locked:
            return await self._grants.sign_in(locked, grants, session, keeps_session_id=self._method.keeps_session_id)
