"""Webhook subscriptions at their two levels: the app subscribes to changes of Pages, and each Page to the app.

Facebook delivers the changes of a field only when it is subscribed at both levels.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from platform_sdk.adapters import TopicOutcome, WebhookReport
from platform_sdk.errors import PermanentError, TokenRejectedError, TransientError
from platforms.facebook.graph import Graph, get_error_body
from platforms.facebook.graph_responses import AppSubscriptionsResponse, ListedSubscription, SubscribedAppsResponse
from platforms.facebook.settings import Settings

log = structlog.get_logger()

CACHE_MS = 300_000
"""How long (ms) the outcome of subscribing the app is reused. The app's subscription is the same for all Pages."""
REGISTERED, UNCHANGED, MISSING = "registered", "already there", "not subscribed"


@dataclass(frozen=True)
class LevelOutcome:
    """The outcome of subscribing at one level: that of the app, or that of a Page.

    `action` is what was done. `refused` has the reasons for refusals, by field.
    """

    action: str
    refused: Mapping[str, str]


class PageSubscriptions:
    """Creates and inspects webhook subscriptions of the app and of its Pages, field by field.

    A field that Facebook refuses does not prevent the subscription to the others.
    """

    def __init__(self, graph: Graph, settings: Settings, *, now: Callable[[], int]) -> None:
        self._graph = graph
        self._settings = settings
        self._address = settings.facebook_webhook_address
        self._now = now
        self._lock = asyncio.Lock()
        self._cached: LevelOutcome | None = None
        self._cached_until = 0

    async def ensure_subscriptions(self, page: str, token: str, fields: Sequence[str]) -> WebhookReport:
        """Subscribe to these fields at both levels, and report the outcome by field.

        Raises TokenRejectedError for an invalid page token, and TransientError when Facebook does not answer.
        """
        app = await self._ensure_app(fields)
        accepted = [name for name in fields if name not in app.refused]
        level = await self._ensure_page(page, token, accepted) if accepted else LevelOutcome(UNCHANGED, {})
        refused = {**app.refused, **level.refused}
        for name, reason in refused.items():
            log.warning("subscription refused", account=page, topic=name, reason=reason)
        action = REGISTERED if REGISTERED in (app.action, level.action) else UNCHANGED
        outcomes = {
            name: TopicOutcome(False, f"refused: {refused[name]}") if name in refused else TopicOutcome(True, action)
            for name in fields
        }
        return WebhookReport(outcomes, self._graph.remarks)

    async def inspect_subscriptions(self, page: str, token: str, fields: Sequence[str]) -> WebhookReport:
        """Report which fields are subscribed at both levels. Raises the same errors as `ensure_subscriptions`."""
        subscription = await self._find_app_subscription()
        is_ours = subscription is not None and subscription.active and subscription.callback_url == self._address
        app_fields = {field.name for field in subscription.fields} if subscription and is_ours else set[str]()
        subscribed = app_fields & await self._fetch_page_fields(f"{page}/subscribed_apps", token)
        outcomes = {
            name: TopicOutcome(name in subscribed, UNCHANGED if name in subscribed else MISSING) for name in fields
        }
        return WebhookReport(outcomes, self._graph.remarks)

    @property
    def _app_path(self) -> str:
        return f"{self._settings.facebook_app_id}/subscriptions"

    async def _find_app_subscription(self) -> ListedSubscription | None:
        try:
            return await self._fetch_app_subscription()
        except (TokenRejectedError, PermanentError) as error:
            raise TransientError("Facebook does not show the app's subscriptions: look at its id and secret") from error

    async def _fetch_app_subscription(self) -> ListedSubscription | None:
        listed = await self._graph.get(AppSubscriptionsResponse, self._app_path, self._settings.app_token)
        return next((subscription for subscription in listed.data if subscription.object == "page"), None)

    async def _ensure_app(self, fields: Sequence[str]) -> LevelOutcome:
        """Subscribe the app to changes of `fields` where it is not yet, and return what was done.

        The outcome is cached for all Pages, unless every field was refused.
        """
        async with self._lock:
            if self._cached and self._now() < self._cached_until:
                return LevelOutcome(UNCHANGED, self._cached.refused)
            outcome = await self._subscribe_app(fields)
            if len(outcome.refused) < len(fields):
                self._cached, self._cached_until = outcome, self._now() + CACHE_MS
            return outcome

    async def _subscribe_app(self, fields: Sequence[str]) -> LevelOutcome:
        async def post(names: Sequence[str]) -> None:
            await self._graph.post(
                self._app_path,
                self._settings.app_token,
                object="page",
                callback_url=self._address,
                verify_token=self._settings.facebook_verify_token.get_secret_value(),
                fields=",".join(names),
                include_values="true",
            )

        try:
            current = await self._fetch_app_subscription()
            names = {field.name for field in current.fields} if current else set[str]()
            if current and current.active and current.callback_url == self._address and names >= set(fields):
                return LevelOutcome(UNCHANGED, {})
            return LevelOutcome(REGISTERED, await _post_accepted_fields(fields, post, others=names - set(fields)))
        except TokenRejectedError:
            return LevelOutcome(UNCHANGED, dict.fromkeys(fields, "Facebook does not take the app's id and secret"))
        except PermanentError as error:
            return LevelOutcome(UNCHANGED, dict.fromkeys(fields, error.reason))

    async def _ensure_page(self, page: str, token: str, fields: Sequence[str]) -> LevelOutcome:
        path = f"{page}/subscribed_apps"

        async def post(names: Sequence[str]) -> None:
            await self._graph.post(path, token, subscribed_fields=",".join(names))

        names = await self._fetch_page_fields(path, token)
        if names >= set(fields):
            return LevelOutcome(UNCHANGED, {})
        return LevelOutcome(REGISTERED, await _post_accepted_fields(fields, post, others=names - set(fields)))

    async def _fetch_page_fields(self, path: str, token: str) -> set[str]:
        try:
            listed = await self._graph.get(SubscribedAppsResponse, path, token)
        except PermanentError:
            return set()  # subscribing is refused too, and that error says what each field lacks
        app_id = self._settings.facebook_app_id
        return {name for app in listed.data if app.id == app_id for name in app.subscribed_fields}


async def _post_accepted_fields(
    fields: Sequence[str], post: Callable[[Sequence[str]], Awaitable[None]], *, others: Iterable[str]
) -> dict[str, str]:
    """Subscribe to `fields` by `post`; repeat it without the refused field until Facebook accepts the rest.

    Returns the reasons for refusals, by field. A field that Facebook refuses makes the whole call fail. When the error
    names no field, all fields count as refused. The posted list replaces the subscription. So it also has `others`, the
    fields that are subscribed already: other software may use the same app, for example a bot that receives messages.
    """
    kept = sorted(others)
    refused: dict[str, str] = {}
    while accepted := [name for name in fields if name not in refused]:
        try:
            await post([*accepted, *kept])
            break
        except PermanentError as error:
            field = get_error_body(error).find_refused_field(accepted)
            refused |= dict.fromkeys([field] if field else accepted, error.reason)
    return refused
