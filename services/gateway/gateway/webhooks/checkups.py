"""A look at how a connection stands at its platform, which changes nothing there."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from contracts.events import parse_account, parse_platform
from gateway.platforms import Platform
from gateway.tokens.service import Token, Tokens
from gateway.webhooks.status import Asserted, checkup


class Looking(Protocol):
    """A platform whose subscriptions can be looked at."""

    async def look(self, account: str, token: str, *, topics: Sequence[str], address: str) -> Asserted:
        """Which of these topics are delivered to `address`. Raises `TokenRefused` and `PlatformAway`."""


class Checkups:
    """Looks for operators."""

    def __init__(self, tokens: Tokens, platforms: Mapping[str, Platform], remotes: Mapping[str, Looking]) -> None:
        self._tokens = tokens
        self._platforms = platforms
        self._remotes = remotes

    async def run(self, connection: str) -> dict[str, Any]:
        """What is subscribed, and whether another version answers than is asked for.

        Raises `NotKnown`, `NotLive`, `PlatformAway`, `TokenRefused`.
        """
        token = await self._tokens.current(connection)
        return await self._tokens.tried(connection, token, partial(self._looked, connection))

    async def _looked(self, connection: str, token: Token) -> dict[str, Any]:
        platform = self._platforms[parse_platform(connection)]
        seen = await self._remotes[platform.slug].look(
            parse_account(connection),
            token.access_token,
            topics=platform.topics(token.scopes),
            address=platform.webhook_address,
        )
        return checkup(seen, platform.webhook_address)
