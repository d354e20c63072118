"""The Graph API: whose call it is, whether it may be made now, and who answers it."""

import random
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson

from sandbox.facebook import login
from sandbox.facebook.calls import Body, Call, Caller, Handler, Reply
from sandbox.facebook.errors import GraphError, no_field, no_object, throttled, told, trace_id
from sandbox.facebook.model import Token
from sandbox.facebook.nodes import Nodes
from sandbox.facebook.state import Facebook
from sandbox.facebook.subscriptions import Challenge, Subscribing

MOST_IN_A_BATCH = 50
_TYPES = {"app": "Application", "person": "User", "page": "Page"}


class Api:
    """Answers calls. `serialized` makes the body of a batch's item."""

    def __init__(self, facebook: Facebook, challenge: Challenge, serialized: Callable[[Any], str]) -> None:
        self._facebook = facebook
        self._serialized = serialized
        nodes, subscribing = Nodes(facebook), Subscribing(facebook, challenge)
        self._handlers: dict[tuple[str, str, str], Handler] = {
            ("token", "", "GET"): self._debug,
            ("person", "", "GET"): nodes.person,
            ("person", "permissions", "GET"): nodes.permissions,
            ("person", "accounts", "GET"): nodes.accounts,
            ("page", "", "GET"): nodes.page,
            ("page", "subscribed_apps", "GET"): subscribing.page_list,
            ("page", "subscribed_apps", "POST"): subscribing.page_set,
            ("page", "subscribed_apps", "DELETE"): subscribing.page_remove,
            ("app", "subscriptions", "GET"): subscribing.app_list,
            ("app", "subscriptions", "POST"): subscribing.app_set,
            ("app", "subscriptions", "DELETE"): subscribing.app_remove,
        }

    async def answer(self, call: Call) -> Reply:
        """The answer to a call, or to a batch of them."""
        self._facebook.statistics.requests += 1
        if call.method == "POST" and not call.path:
            return await self._batch(call)
        return await self._one(call)

    async def _one(self, call: Call) -> Reply:
        statistics, headers = self._facebook.statistics, self._headers(call)
        try:
            if call.path == ("oauth", "access_token"):
                statistics.calls[f"access_token.{call.params.get('grant_type', 'code')}"] += 1
                return Reply(200, login.access_token(self._facebook, call), headers)
            caller, kind = self._caller(call)
            page = caller.page.id if caller.page is not None else None
            self._count(call, kind, page)
            over = self._facebook.usage.spend(page)
            headers |= self._facebook.usage.headers(page)
            self._measure(page)
            self._strike(caller, over, headers)
            return Reply(200, await self._handler(call, kind)(call, caller), headers)
        except GraphError as error:
            statistics.errors[str(error.code)] += 1
            return Reply(error.status, error.envelope(), headers)

    def _headers(self, call: Call) -> dict[str, str]:
        return {"facebook-api-version": call.version, "x-fb-trace-id": trace_id()}

    def _caller(self, call: Call) -> tuple[Caller, str]:
        """Who calls, and the kind of node that the call is about."""
        facebook, token = self._facebook, login.authenticated(self._facebook, call)
        node = call.path[0] if call.path else ""
        if node == "me":
            node = self._own(token)
        if node == "debug_token":
            return Caller(token), "token"
        if node == facebook.app_id:
            return Caller(token), "app"
        if node in facebook.people and token.kind == "USER" and token.person == node:
            return Caller(token, person=facebook.people[node]), "person"
        page = facebook.pages.get(node)
        if page is not None and not page.gone and self._sees(token, node):
            return Caller(token, page=page), "page"
        if not node.isdigit():
            raise GraphError(803, f"(#803) Some of the aliases you requested do not exist: {node}", status=404)
        raise no_object(node)

    def _own(self, token: Token) -> str:
        if token.kind == "APP":
            message = "An active access token must be used to query information about the current user."
            raise GraphError(2500, message)
        return token.page or token.person

    def _sees(self, token: Token, page: str) -> bool:
        if token.kind == "USER":
            return page in self._facebook.people[token.person].ticked
        return token.page == page

    def _handler(self, call: Call, kind: str) -> Handler:
        edge = call.path[1] if len(call.path) > 1 else ""
        found = self._handlers.get((kind, edge, call.method)) if len(call.path) < 3 else None
        if found is None and call.method == "GET":
            raise no_field(edge, _TYPES.get(kind, kind))
        if found is None:
            message = f"Unsupported {call.method.lower()} request."
            raise GraphError(100, message, subcode=33, kind="GraphMethodException")
        return found

    def _count(self, call: Call, kind: str, page: str | None) -> None:
        statistics = self._facebook.statistics
        statistics.calls[".".join((kind, *call.path[1:2], call.method.lower()))] += 1
        if page is not None:
            statistics.pages[page] += 1

    def _measure(self, page: str | None) -> None:
        statistics, usage = self._facebook.statistics, self._facebook.usage
        statistics.peak_app_percent = max(statistics.peak_app_percent, usage.app_percent())
        if page is not None:
            statistics.peak_page_percent = max(statistics.peak_page_percent, usage.page_percent(page))

    def _strike(self, caller: Caller, over: str | None, headers: dict[str, str]) -> None:
        """Refuse a call that is over its budget, or that the faults say to refuse."""
        faults, page = self._facebook.faults, caller.page.id if caller.page is not None else None
        code = None
        if over is not None:
            code = 4 if over == "app" else 80001 if caller.token.kind == "PAGE" else 32
        elif faults.concerns(page) and faults.spend("throttle_calls"):
            code = faults.throttle_code
            headers |= self._facebook.usage.headers(page, faults.throttle_minutes)
        if code is not None:
            self._facebook.statistics.throttled += 1
            raise throttled(code)
        if faults.concerns(page) and (faults.spend("error_calls") or random.random() < faults.error_ratio):
            raise told(faults.error_code, faults.error_subcode)

    async def _batch(self, call: Call) -> Reply:
        try:
            items = _items(call)
            if "access_token" in call.params:
                login.authenticated(self._facebook, call)
        except GraphError as error:
            self._facebook.statistics.errors[str(error.code)] += 1
            return Reply(error.status, error.envelope(), self._headers(call))
        self._facebook.statistics.batches[len(items)] += 1
        body = [await self._item(call, item) for item in items]
        return Reply(200, body, self._headers(call) | self._facebook.usage.headers(None))

    async def _item(self, batch: Call, item: dict[str, Any]) -> Body | None:
        if random.random() < self._facebook.faults.batch_null_ratio:
            return None
        reply = await self._one(_part(batch, item))
        body: Body = {"code": reply.status, "body": self._serialized(reply.body)}
        if batch.params.get("include_headers", "true") not in ("false", "0"):
            body["headers"] = [{"name": name, "value": value} for name, value in reply.headers.items()]
        return body

    async def _debug(self, call: Call, caller: Caller) -> Body:
        return login.debug_token(self._facebook, call, caller)


def _items(call: Call) -> list[dict[str, Any]]:
    try:
        items = orjson.loads(call.need("batch"))
    except orjson.JSONDecodeError:
        items = None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise GraphError(100, "(#100) Param batch must be an array.")
    if len(items) > MOST_IN_A_BATCH:
        message = f"Too many requests in batch message. Maximum batch size is {MOST_IN_A_BATCH}"
        raise GraphError(100, message, kind="GraphBatchException")
    return items


def _part(batch: Call, item: dict[str, Any]) -> Call:
    """One call of a batch; without a token of its own it is made with the batch's."""
    parts = urlsplit(str(item.get("relative_url", "")))
    path = tuple(part for part in parts.path.split("/") if part)
    if path[:1] and path[0].startswith("v") and path[0][1:2].isdigit():
        path = path[1:]
    params = dict(parse_qsl(parts.query, keep_blank_values=True))
    params |= dict(parse_qsl(str(item.get("body", "")), keep_blank_values=True))
    if "access_token" in item:
        params.setdefault("access_token", str(item["access_token"]))
    if "access_token" not in params:
        params |= {n: batch.params[n] for n in ("access_token", "appsecret_proof") if n in batch.params}
    return Call(str(item.get("method", "GET")).upper(), path, params, batch.version, batch.address)
