"""What an app is told of pages: the app's one subscription, and each page's to the app. Both are needed."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from gateway.client.graph import Graph, GraphRefused
from gateway.client.topic_subscriptions import REGISTERED, THERE, build_refusal, list_outcomes
from gateway.platforms.facebook import Facebook
from gateway.platforms.facebook_graph import AppSubscription, AppSubscriptions, SubscribedApps
from platform_sdk.adapters import TopicOutcome, WebhookReport
from platform_sdk.errors import TokenRejectedError, TransientError

log = structlog.get_logger()

BELIEVED_MS = 300_000
"""The app's subscription is the same for all pages: so long it is not looked at again."""


@dataclass(frozen=True)
class Level:
    """One level's subscription: whether it was as it must be, and the reasons of refused fields."""

    action: str
    refused: Mapping[str, str]


class PageSubscriptions:
    """Asserts both levels. A field that is refused at either costs no other."""

    def __init__(self, graph: Graph, app: Facebook, *, now: Callable[[], int]) -> None:
        self._graph = graph
        self._app = app
        self._now = now
        self._turn = asyncio.Lock()
        self._believed: Level | None = None
        self._believed_until = 0

    async def asserted(self, page: str, token: str, *, fields: Sequence[str], address: str) -> WebhookReport:
        """Every field's outcome. Raises `TokenRejectedError` when the page's token is dead, and `TransientError`."""
        app = await self._app_level(fields, address)
        taken = [name for name in fields if name not in app.refused]
        level = await self._page_level(page, token, taken) if taken else Level(THERE, {})
        refused = {**app.refused, **level.refused}
        for name, reason in refused.items():
            log.warning("subscription refused", account=page, topic=name, reason=reason)
        action = REGISTERED if REGISTERED in (app.action, level.action) else THERE
        topics = {
            name: build_refusal(refused[name]) if name in refused else TopicOutcome(True, action) for name in fields
        }
        return WebhookReport(topics, self._graph.remarks)

    async def looked(self, page: str, token: str, *, fields: Sequence[str], address: str) -> WebhookReport:
        """The fields that are subscribed at both levels. Errors as `asserted`."""
        known = await self._app_subscription()
        ours = known is not None and known.active and known.callback_url == address
        app = {one.name for one in known.fields} if known and ours else set[str]()
        there = app & await self._page_fields(f"{page}/subscribed_apps", token)
        return WebhookReport(list_outcomes(fields, there), self._graph.remarks)

    async def _app_subscription(self) -> AppSubscription | None:
        try:
            listed = await self._graph.get(AppSubscriptions, f"{self._app.app_id}/subscriptions", self._app.app_token)
        except (TokenRejectedError, GraphRefused) as refused:
            raise TransientError(
                "Facebook does not show the app's subscriptions: look at its id and secret"
            ) from refused
        return next((one for one in listed.data if one.object == "page"), None)

    async def _app_level(self, fields: Sequence[str], address: str) -> Level:
        """The app's subscription, looked at by one assertion for all; one that is refused altogether by each."""
        async with self._turn:
            if self._believed and self._now() < self._believed_until:
                return Level(THERE, self._believed.refused)
            level = await self._app_asserted(fields, address)
            if len(level.refused) < len(fields):
                self._believed, self._believed_until = level, self._now() + BELIEVED_MS
            return level

    async def _app_asserted(self, fields: Sequence[str], address: str) -> Level:
        path, token = f"{self._app.app_id}/subscriptions", self._app.app_token

        async def post(asked: Sequence[str]) -> None:
            await self._graph.post(
                path,
                token,
                object="page",
                callback_url=address,
                verify_token=self._app.verify_token,
                fields=",".join(asked),
                include_values="true",
            )

        try:
            listed = await self._graph.get(AppSubscriptions, path, token)
            known = next((one for one in listed.data if one.object == "page"), None)
            names = {field.name for field in known.fields} if known else set[str]()
            if known and known.active and known.callback_url == address and names >= set(fields):
                return Level(THERE, {})
            return Level(REGISTERED, await _until_taken(fields, post, kept=names - set(fields)))
        except TokenRejectedError:
            return Level(THERE, dict.fromkeys(fields, "Facebook does not take the app's id and secret"))
        except GraphRefused as refused:
            return Level(THERE, dict.fromkeys(fields, str(refused)))

    async def _page_level(self, page: str, token: str, fields: Sequence[str]) -> Level:
        path = f"{page}/subscribed_apps"

        async def post(asked: Sequence[str]) -> None:
            await self._graph.post(path, token, subscribed_fields=",".join(asked))

        names = await self._page_fields(path, token)
        if names >= set(fields):
            return Level(THERE, {})
        return Level(REGISTERED, await _until_taken(fields, post, kept=names - set(fields)))

    async def _page_fields(self, path: str, token: str) -> set[str]:
        try:
            listed = await self._graph.get(SubscribedApps, path, token)
        except GraphRefused:
            return set()  # to subscribe is refused too, and says what each field lacks
        return {name for one in listed.data if one.id == self._app.app_id for name in one.subscribed_fields}


async def _until_taken(
    fields: Sequence[str], post: Callable[[Sequence[str]], Awaitable[None]], *, kept: Iterable[str]
) -> dict[str, str]:
    """Post the fields, each time without the one that was refused by name; the reasons by field.

    One field that Facebook does not take rejects them all, and the list that is posted replaces the one before: what
    is subscribed already is `kept`, for whoever else works with this app, such as the bot with its messages.
    """
    others = sorted(kept)
    refused: dict[str, str] = {}
    while left := [name for name in fields if name not in refused]:
        try:
            await post([*left, *others])
            break
        except GraphRefused as error:
            named = error.error.refused_field(left)
            refused |= {name: str(error) for name in ([named] if named else left)}
    return refused
