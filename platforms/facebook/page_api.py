"""The gateway's calls about Facebook Pages: exchanges codes, checks tokens and scopes, and removes the app."""

from collections.abc import Callable

import httpx
import structlog

from platform_sdk.errors import PermanentError, RequestRejectedError, TokenRejectedError, TransientError
from platform_sdk.grants import Grant
from platform_sdk.http_retries import FailedAttempt, parse_response, read_date
from platforms.facebook import graph_responses as responses
from platforms.facebook.graph import Graph, get_error_body
from platforms.facebook.manifest import MANIFEST
from platforms.facebook.resources import PAGE
from platforms.facebook.settings import Settings

log = structlog.get_logger()

PAGE_SIZES = (100, 25, 5)
"""How many Pages to list in one request. The next smaller number is used after each failed attempt."""


class PageApi:
    """Calls about the Pages of one app's users. `now` returns ms since the Unix epoch.

    Methods raise TransientError when Facebook does not answer, and TokenRejectedError for an invalid token, but never
    PermanentError.
    """

    def __init__(self, graph: Graph, settings: Settings, *, now: Callable[[], int]) -> None:
        self._graph = graph
        self._settings = settings
        self._now = now

    async def exchange_code(self, _account: str, code: str) -> dict[str, Grant]:
        """Exchange a code, and return a grant with a page token for each Page that the user chose, by Page id.

        The page tokens do not expire, because they are made from a long-lived user token. User tokens are not stored.
        Raises RequestRejectedError for a code that Facebook refuses, and when no Page can be read with the consent.
        """
        sent_at = self._now()
        response = await self._request_short_token(code)
        try:
            short_token = parse_response(MANIFEST.title, responses.GraphTokenResponse, response).access_token
            return await self._fetch_grants(await self._extend_token(short_token), read_date(response) or sent_at)
        except TokenRejectedError as error:
            reason = "Facebook does not take the token that it has just given; start again"
            raise RequestRejectedError(400, reason) from error
        except PermanentError as error:
            raise TransientError(
                f"Facebook refuses what a consent needs (error {get_error_body(error).label})"
            ) from error

    async def refresh_grant(self, account: str, refresh_token: str) -> Grant:  # noqa: ARG002
        """Raise TokenRejectedError, because page tokens cannot be refreshed. A new consent is needed instead."""
        raise TokenRejectedError("page tokens are not refreshed")

    async def is_token_valid(self, account: str, token: str) -> bool:
        """Return whether Facebook accepts this Page's token. Returns False only for the error of an invalid token."""
        try:
            await self._graph.get(responses.AnyResponse, account, token, fields="id")
        except TokenRejectedError:
            return False
        except PermanentError:
            return True
        return True

    async def fetch_scopes(self, _account: str, token: str) -> tuple[str, ...]:
        """Return the permissions that the token has now, sorted. Raises TokenRejectedError when it is not valid."""
        data = await self._debug_token(token)
        if not data.is_valid:
            raise TokenRejectedError("the token is not valid")
        return tuple(sorted(data.scopes))

    async def uninstall(self, account: str, token: str) -> None:
        """End the Page's deliveries to this app. Does nothing when Facebook refuses the call or the token."""
        try:
            await self._graph.delete(f"{account}/subscribed_apps", token)
        except (TokenRejectedError, PermanentError) as error:
            log.info("page has no such app", account=account, reason=type(error).__name__)

    async def _request_short_token(self, code: str) -> httpx.Response:
        try:
            return await self._graph.request_token(code=code, redirect_uri=self._settings.facebook_redirect_uri)
        except (PermanentError, TokenRejectedError) as error:
            if isinstance(error, PermanentError) and get_error_body(error).code != 100:
                log.warning("facebook refuses the app", graph_error=get_error_body(error).label)
                raise TransientError(f"Facebook refuses this app (error {get_error_body(error).label})") from error
            reason = "Facebook does not take the code: it was used already, or is too old"
            raise RequestRejectedError(400, reason) from error

    async def _extend_token(self, token: str) -> str:
        """Exchange a short-lived user token for a long-lived one."""
        response = await self._graph.request_token(grant_type="fb_exchange_token", fb_exchange_token=token)
        return parse_response(MANIFEST.title, responses.GraphTokenResponse, response).access_token

    async def _fetch_grants(self, token: str, granted_at: int) -> dict[str, Grant]:
        data = await self._debug_token(token)
        if data.app_id != self._settings.facebook_app_id or not data.is_valid:
            log.error("another app's token", app_id=data.app_id)
            raise RequestRejectedError(400, "the token that Facebook gave is not this app's")
        if not data.user_id:
            raise TransientError("Facebook does not say whose token it gave")
        scopes = await self._fetch_and_check_permissions(token)
        pages = await self._list_readable_pages(token)
        return {
            page_id: Grant(
                access_token=page.access_token or "",
                scopes=scopes,
                granted_at=granted_at,
                granted_by=data.user_id,
                title=page.name,
                readable_until=data.data_access_expires_at * 1000 or None,
            )
            for page_id, page in pages.items()
        }

    async def _debug_token(self, token: str) -> responses.TokenDebugData:
        response = await self._graph.get(
            responses.TokenDebugResponse, "debug_token", self._settings.app_token, input_token=token
        )
        return response.data

    async def _fetch_and_check_permissions(self, token: str) -> tuple[str, ...]:
        response = await self._graph.get(responses.PermissionsResponse, "me/permissions", token)
        granted = tuple(sorted(p.permission for p in response.data if p.status == "granted"))
        declined = [scope for scope in PAGE.scopes if scope not in granted]
        if declined:
            raise RequestRejectedError(
                400,
                f"no page can be read without what was declined ({', '.join(declined)}); "
                "start again, and leave it switched on",
                ask_again=True,
            )
        return granted

    async def _list_readable_pages(self, token: str) -> dict[str, responses.ListedPage]:
        """Read the whole list of the user's Pages, and return those with a page token, by Page id.

        Raises RequestRejectedError when there are none.
        """
        pages: dict[str, responses.ListedPage] = {}
        sizes, after, has_more = list(PAGE_SIZES), "", True
        # Only a part without `next` is the last one: more parts may follow an empty part.
        while has_more:
            listed = await self._request_page_list(token, after, sizes)
            pages |= {page.id: page for page in listed.data}
            has_more = listed.has_more
            if has_more and listed.next_cursor in ("", after):
                raise TransientError("Facebook's list of pages does not go on where it says")
            after = listed.next_cursor
        readable = {page_id: page for page_id, page in pages.items() if page.access_token}
        if len(readable) < len(pages):
            log.warning("pages without a token skipped", skipped=len(pages) - len(readable), kept=len(readable))
        if not readable:
            raise RequestRejectedError(
                400,
                "no page was chosen, so nothing was connected here; start again, and choose in Facebook's dialog "
                "every page that is to be read, also those that are connected already: Facebook may end the access to "
                "others (pages of a business portfolio may need business_management among FACEBOOK_SCOPES)",
                ask_again=True,
            )
        return readable

    async def _request_page_list(self, token: str, after: str, sizes: list[int]) -> responses.AccountsResponse:
        async def send() -> httpx.Response | FailedAttempt:
            query = {"fields": "id,name,access_token", "limit": str(sizes[0]), **({"after": after} if after else {})}
            response = await self._graph.send_once("GET", "me/accounts", token, query)
            if isinstance(response, FailedAttempt):
                del sizes[: len(sizes) > 1]
            return response

        return parse_response(MANIFEST.title, responses.AccountsResponse, await self._graph.request(send))
