"""The Graph API: identifies the caller, applies rate limits and faults, and passes each call to a handler."""

import random
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson

from sandbox.facebook import login
from sandbox.facebook.calls import Body, Call, Caller, Handler, Reply
from sandbox.facebook.errors import (
    GraphError,
    build_fault_error,
    build_missing_object_error,
    build_throttle_error,
    build_unknown_field_error,
    create_trace_id,
)
from sandbox.facebook.model import Token
from sandbox.facebook.nodes import NodeHandlers
from sandbox.facebook.state import FacebookState
from sandbox.facebook.subscriptions import SubscriptionHandlers, VerifyCallback

MAX_BATCH_SIZE = 50
_NODE_TYPES = {"app": "Application", "person": "User", "page": "Page"}


class GraphApi:
    """Answers calls to the simulated Graph API: single calls, and batches of several calls in one HTTP request.

    The reply to a batch contains the reply to each of its calls, whose body is a string there. `serialize` builds this
    string. `verify_callback` sends the verification challenge to a new webhook URL.
    """

    def __init__(
        self, facebook: FacebookState, verify_callback: VerifyCallback, serialize: Callable[[Any], str]
    ) -> None:
        self._facebook = facebook
        self._serialize = serialize
        nodes, subscriptions = NodeHandlers(facebook), SubscriptionHandlers(facebook, verify_callback)
        # By kind of node, edge and method.
        self._handlers: dict[tuple[str, str, str], Handler] = {
            ("token", "", "GET"): self._inspect_token,
            ("person", "", "GET"): nodes.read_person,
            ("person", "permissions", "GET"): nodes.list_permissions,
            ("person", "accounts", "GET"): nodes.list_accounts,
            ("page", "", "GET"): nodes.read_page,
            ("page", "subscribed_apps", "GET"): subscriptions.list_page_apps,
            ("page", "subscribed_apps", "POST"): subscriptions.subscribe_page,
            ("page", "subscribed_apps", "DELETE"): subscriptions.unsubscribe_page,
            ("app", "subscriptions", "GET"): subscriptions.list_app_subscriptions,
            ("app", "subscriptions", "POST"): subscriptions.set_app_subscription,
            ("app", "subscriptions", "DELETE"): subscriptions.delete_app_subscription,
        }

    async def answer(self, call: Call) -> Reply:
        """Answer one HTTP request, which is a call or a batch of calls."""
        self._facebook.statistics.requests += 1
        if call.method == "POST" and not call.path:
            return await self._answer_batch(call)
        return await self._answer_single_call(call)

    async def _answer_single_call(self, call: Call) -> Reply:
        statistics, headers = self._facebook.statistics, self._build_headers(call)
        try:
            if call.path == ("oauth", "access_token"):
                statistics.calls[f"access_token.{call.params.get('grant_type', 'code')}"] += 1
                return Reply(200, login.grant_token(self._facebook, call), headers)
            caller, kind = self._authenticate_and_resolve_node(call)
            page = caller.page.id if caller.page is not None else None
            self._count_call(call, kind, page)
            exceeded_limit = self._facebook.usage.record_call_and_check_limits(page)
            headers |= self._facebook.usage.build_headers(page)
            self._record_peaks(page)
            self._raise_throttle_or_fault_error(caller, exceeded_limit, headers)
            return Reply(200, await self._find_handler(call, kind)(call, caller), headers)
        except GraphError as error:
            statistics.errors[str(error.code)] += 1
            return Reply(error.status_code, error.build_body(), headers)

    def _build_headers(self, call: Call) -> dict[str, str]:
        return {"facebook-api-version": call.version, "x-fb-trace-id": create_trace_id()}

    def _authenticate_and_resolve_node(self, call: Call) -> tuple[Caller, str]:
        """Check the call's token and look up the node that the path names. Return the caller and the kind of the node.

        The kind is token, app, person or page. Raises GraphError for an invalid token, and for a node that does not
        exist or that the token may not read.
        """
        facebook, token = self._facebook, login.authenticate_call(self._facebook, call)
        node = call.path[0] if call.path else ""
        if node == "me":
            node = self._resolve_me(token)
        if node == "debug_token":
            return Caller(token), "token"
        if node == facebook.app_id:
            return Caller(token), "app"
        if node in facebook.people and token.kind == "USER" and token.person == node:
            return Caller(token, person=facebook.people[node]), "person"
        page = facebook.pages.get(node)
        if page is not None and not page.gone and self._can_see(token, node):
            return Caller(token, page=page), "page"
        if not node.isdigit():
            raise GraphError(803, f"(#803) Some of the aliases you requested do not exist: {node}", status=404)
        raise build_missing_object_error(node)

    def _resolve_me(self, token: Token) -> str:
        """Return the id of the Facebook Page or user that `me` in a path stands for: the one whose token it is.

        Raises GraphError for a token of the app.
        """
        if token.kind == "APP":
            message = "An active access token must be used to query information about the current user."
            raise GraphError(2500, message)
        return token.page or token.person

    def _can_see(self, token: Token, page: str) -> bool:
        if token.kind == "USER":
            return page in self._facebook.people[token.person].ticked
        return token.page == page

    def _find_handler(self, call: Call, kind: str) -> Handler:
        edge = call.path[1] if len(call.path) > 1 else ""
        handler = self._handlers.get((kind, edge, call.method)) if len(call.path) < 3 else None
        if handler is None and call.method == "GET":
            raise build_unknown_field_error(edge, _NODE_TYPES.get(kind, kind))
        if handler is None:
            message = f"Unsupported {call.method.lower()} request."
            raise GraphError(100, message, subcode=33, kind="GraphMethodException")
        return handler

    def _count_call(self, call: Call, kind: str, page: str | None) -> None:
        statistics = self._facebook.statistics
        statistics.calls[".".join((kind, *call.path[1:2], call.method.lower()))] += 1
        if page is not None:
            statistics.pages[page] += 1

    def _record_peaks(self, page: str | None) -> None:
        statistics, usage = self._facebook.statistics, self._facebook.usage
        statistics.peak_app_percent = max(statistics.peak_app_percent, usage.compute_app_percent())
        if page is not None:
            statistics.peak_page_percent = max(statistics.peak_page_percent, usage.compute_page_percent(page))

    def _raise_throttle_or_fault_error(
        self, caller: Caller, exceeded_limit: str | None, headers: dict[str, str]
    ) -> None:
        """Raise GraphError if the call exceeds a rate limit, or if a fault (a simulated failure) makes it fail.

        `exceeded_limit` says whose rate limit is exceeded: "app", "page" or None. `headers` are those of the reply; a
        fault that throttles the call also replaces the usage headers in them.
        """
        faults, page = self._facebook.faults, caller.page.id if caller.page is not None else None
        code = None
        if exceeded_limit is not None:
            code = 4 if exceeded_limit == "app" else 80001 if caller.token.kind == "PAGE" else 32
        elif faults.is_affected(page) and faults.use_up_fault("throttle_calls"):
            code = faults.throttle_code
            headers |= self._facebook.usage.build_headers(page, faults.throttle_minutes)
        if code is not None:
            self._facebook.statistics.throttled += 1
            raise build_throttle_error(code)
        if faults.is_affected(page) and (faults.use_up_fault("error_calls") or random.random() < faults.error_ratio):
            raise build_fault_error(faults.error_code, faults.error_subcode)

    async def _answer_batch(self, batch: Call) -> Reply:
        try:
            items = _parse_batch(batch)
            if "access_token" in batch.params:
                login.authenticate_call(self._facebook, batch)
        except GraphError as error:
            self._facebook.statistics.errors[str(error.code)] += 1
            return Reply(error.status_code, error.build_body(), self._build_headers(batch))
        self._facebook.statistics.batches[len(items)] += 1
        body = [await self._answer_batch_item(batch, item) for item in items]
        return Reply(200, body, self._build_headers(batch) | self._facebook.usage.build_headers(None))

    async def _answer_batch_item(self, batch: Call, item: dict[str, Any]) -> Body | None:
        if random.random() < self._facebook.faults.batch_null_ratio:
            return None
        reply = await self._answer_single_call(_build_call(batch, item))
        body: Body = {"code": reply.status, "body": self._serialize(reply.body)}
        if batch.params.get("include_headers", "true") not in ("false", "0"):
            body["headers"] = [{"name": name, "value": value} for name, value in reply.headers.items()]
        return body

    async def _inspect_token(self, call: Call, caller: Caller) -> Body:
        return login.inspect_token(self._facebook, call, caller)


def _parse_batch(batch: Call) -> list[dict[str, Any]]:
    """Parse the parameter `batch` of a batch, and return its items, each of which describes one call.

    Raises GraphError if the parameter is not a list of objects, or if the list is too long.
    """
    try:
        items = orjson.loads(batch.require("batch"))
    except orjson.JSONDecodeError:
        items = None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise GraphError(100, "(#100) Param batch must be an array.")
    if len(items) > MAX_BATCH_SIZE:
        message = f"Too many requests in batch message. Maximum batch size is {MAX_BATCH_SIZE}"
        raise GraphError(100, message, kind="GraphBatchException")
    return items


def _build_call(batch: Call, item: dict[str, Any]) -> Call:
    """Build the call that one item of a batch describes. An item without a token uses the token of the batch."""
    url = urlsplit(str(item.get("relative_url", "")))
    path = tuple(segment for segment in url.path.split("/") if segment)
    if path[:1] and path[0].startswith("v") and path[0][1:2].isdigit():
        path = path[1:]
    params = dict(parse_qsl(url.query, keep_blank_values=True))
    params |= dict(parse_qsl(str(item.get("body", "")), keep_blank_values=True))
    if "access_token" in item:
        params.setdefault("access_token", str(item["access_token"]))
    if "access_token" not in params:
        params |= {n: batch.params[n] for n in ("access_token", "appsecret_proof") if n in batch.params}
    return Call(str(item.get("method", "GET")).upper(), path, params, batch.version, batch.address)
