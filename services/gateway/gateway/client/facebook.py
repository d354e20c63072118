"""Facebook for the gateway: what a consent gives, whether a token works, what the app is told of pages."""

from collections.abc import Callable, Sequence

import httpx
import structlog

from gateway.client.answers import Again, dated, parsed, until_answered
from gateway.client.facebook_subscriptions import PageSubscriptions
from gateway.client.graph import TITLE, Graph, GraphRefused
from gateway.platforms import facebook_graph as answers
from gateway.platforms.facebook import NEEDED, Facebook
from platform_sdk.adapters import WebhookReport
from platform_sdk.errors import RequestRejectedError, TokenRejectedError, TransientError
from platform_sdk.grants import Grant

log = structlog.get_logger()

PAGE_SIZES = (100, 25, 5)
"""Of the list of pages: less is asked for each time that Facebook says it is too much."""


class FacebookClient:
    """Facebook for the gateway. `now` is milliseconds. Errors as `Graph`'s, `GraphRefused` nowhere among them."""

    def __init__(self, http: httpx.AsyncClient, app: Facebook, *, url: str, now: Callable[[], int]) -> None:
        self._app = app
        self._graph = Graph(http, app, url=url)
        self._subscriptions = PageSubscriptions(self._graph, app, now=now)
        self._now = now

    async def exchange(self, _account: str, code: str) -> dict[str, Grant]:
        """A grant for each page that the consent gives, by id: its page token, which does not expire, because it is
        made from a long-lived user token. User tokens are not kept.

        Raises `RequestRejectedError` (also when no page can be read by it) and `TransientError`.
        """
        sent_at = self._now()
        answer = await self._code_answer(code)
        try:
            short = parsed(TITLE, answers.TokenAnswer, answer).access_token
            return await self._grants(await self._long_lived(short), dated(answer) or sent_at)
        except TokenRejectedError as refused:
            raise RequestRejectedError(
                400, "Facebook does not take the token that it has just given; start again"
            ) from refused
        except GraphRefused as refused:
            raise TransientError(f"Facebook refuses what a consent needs (error {refused.error.number})") from refused

    async def refresh_grant(self, account: str, refresh_token: str) -> Grant:  # noqa: ARG002
        """Page tokens are not refreshed: a dead one needs a new consent."""
        raise TokenRejectedError

    async def is_token_valid(self, account: str, token: str) -> bool:
        """Whether Facebook takes this page's token: False only for its error of a dead one."""
        try:
            await self._graph.get(answers.Anything, account, token, fields="id")
        except TokenRejectedError:
            return False
        except GraphRefused:
            return True
        return True

    async def fetch_scopes(self, _account: str, token: str) -> tuple[str, ...]:
        """The permissions that the token has now. Raises `TokenRejectedError`."""
        facts = await self._facts(token)
        if not facts.is_valid:
            raise TokenRejectedError
        return tuple(sorted(facts.scopes))

    async def ensure_subscriptions(self, account: str, token: str, *, topics: Sequence[str]) -> WebhookReport:
        """The app's subscription to changes of pages, and this page's to the app."""
        return await self._subscriptions.asserted(account, token, fields=topics, address=self._app.webhook_address)

    async def inspect_subscriptions(self, account: str, token: str, *, topics: Sequence[str]) -> WebhookReport:
        """Which changes of this page are told to this installation; nothing is subscribed."""
        return await self._subscriptions.looked(account, token, fields=topics, address=self._app.webhook_address)

    async def uninstall(self, account: str, token: str) -> None:
        """Have the page tell this app nothing any more; a page that does not know it is fine, or its token."""
        try:
            await self._graph.delete(f"{account}/subscribed_apps", token)
        except (TokenRejectedError, GraphRefused) as refused:
            log.info("page knows the app no more", account=account, reason=type(refused).__name__)

    async def _code_answer(self, code: str) -> httpx.Response:
        try:
            return await self._graph.token(code=code, redirect_uri=self._app.redirect_uri)
        except (GraphRefused, TokenRejectedError) as refused:
            if isinstance(refused, GraphRefused) and refused.error.code != 100:
                log.warning("facebook refuses the app", graph_error=refused.error.number)
                raise TransientError(f"Facebook refuses this app (error {refused.error.number})") from refused
            raise RequestRejectedError(
                400, "Facebook does not take the code: it was used already, or is too old"
            ) from refused

    async def _long_lived(self, token: str) -> str:
        answer = await self._graph.token(grant_type="fb_exchange_token", fb_exchange_token=token)
        return parsed(TITLE, answers.TokenAnswer, answer).access_token

    async def _grants(self, token: str, granted_at: int) -> dict[str, Grant]:
        facts = await self._facts(token)
        if facts.app_id != self._app.app_id or not facts.is_valid:
            log.error("another app's token", app_id=facts.app_id)
            raise RequestRejectedError(400, "the token that Facebook gave is not this app's")
        if not facts.user_id:
            raise TransientError("Facebook does not say whose token it gave")
        scopes = await self._granted(token)
        pages = await self._pages(token)
        return {
            page: Grant(
                access_token=listed.access_token or "",
                scopes=scopes,
                granted_at=granted_at,
                granted_by=facts.user_id,
                title=listed.name,
                readable_until=facts.data_access_expires_at * 1000 or None,
            )
            for page, listed in pages.items()
        }

    async def _facts(self, token: str) -> answers.TokenFacts:
        debugged = await self._graph.get(answers.TokenDebugged, "debug_token", self._app.app_token, input_token=token)
        return debugged.data

    async def _granted(self, token: str) -> tuple[str, ...]:
        read = await self._graph.get(answers.Permissions, "me/permissions", token)
        granted = tuple(sorted(one.permission for one in read.data if one.status == "granted"))
        missing = [scope for scope in NEEDED if scope not in granted]
        if missing:
            raise RequestRejectedError(
                400,
                f"no page can be read without what was declined ({', '.join(missing)}); "
                "start again, and leave it switched on",
                ask_again=True,
            )
        return granted

    async def _pages(self, token: str) -> dict[str, answers.ListedPage]:
        """Every page of the list to its end, which is where no next one is named: an empty one may have more."""
        found: dict[str, answers.ListedPage] = {}
        sizes, after, more = list(PAGE_SIZES), "", True
        while more:
            listed = await self._listed(token, after, sizes)
            found |= {page.id: page for page in listed.data}
            more = listed.more
            if more and listed.after in ("", after):
                raise TransientError("Facebook's list of pages does not go on where it says")
            after = listed.after
        readable = {page: listed for page, listed in found.items() if listed.access_token}
        if len(readable) < len(found):
            log.warning("pages without a token left out", left_out=len(found) - len(readable), taken=len(readable))
        if not readable:
            raise RequestRejectedError(
                400,
                "no page was given; start again, and choose at least one page of yours in Facebook's dialog "
                "(pages of a business portfolio may need business_management among FACEBOOK_SCOPES)",
                ask_again=True,
            )
        return readable

    async def _listed(self, token: str, after: str, sizes: list[int]) -> answers.Accounts:
        async def send() -> httpx.Response:
            query = {"fields": "id,name,access_token", "limit": str(sizes[0]), **({"after": after} if after else {})}
            try:
                return await self._graph.send("GET", "me/accounts", token, query)
            except Again:
                del sizes[: len(sizes) > 1]
                raise

        return parsed(TITLE, answers.Accounts, await until_answered(TITLE, send))
