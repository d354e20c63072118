"""The two levels of webhook subscriptions: the app's, with its address, and each page's."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import orjson

from sandbox.addresses import is_local
from sandbox.graph.calls import Body, Call, Caller
from sandbox.graph.failures import GraphError, not_granted, not_one_of, unexpected
from sandbox.graph.model import AppSubscription
from sandbox.graph.names import MESSAGE_FIELDS, WEBHOOK_FIELDS
from sandbox.graph.world import Facebook

Challenge = Callable[[str, str], Awaitable[str | None]]


class Subscribing:
    """The handlers of subscriptions. `challenge` asks a callback's address whether it is the app's, and says what was
    wrong.
    """

    def __init__(self, facebook: Facebook, challenge: Challenge) -> None:
        self._facebook = facebook
        self._challenge = challenge

    async def app_list(self, _: Call, caller: Caller) -> Body:
        """GET /{app}/subscriptions."""
        _of_the_app(caller)
        found = self._facebook.subscription
        if found is None:
            return {"data": []}
        fields = [{"name": name, "version": "v25.0"} for name in found.fields]
        return {"data": [{"object": "page", "callback_url": found.callback_url, "active": True, "fields": fields}]}

    async def app_set(self, call: Call, caller: Caller) -> Body:
        """POST /{app}/subscriptions: takes the place of what was there, once the address has answered the challenge."""
        _of_the_app(caller)
        _page_object(call)
        fields, url = self._fields(call, "fields"), call.need("callback_url")
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and is_local(parts.hostname)):
            raise GraphError(100, "(#100) Invalid parameter: callback_url must be an https address")
        problem = await self._challenge(url, call.need("verify_token"))
        if problem is not None:
            message = f"(#2200) Callback verification failed with the following errors: {problem}"
            raise GraphError(2200, message)
        include = call.params.get("include_values", "false").lower() in ("true", "1")
        self._facebook.subscribe(AppSubscription(url, fields, include))
        return {"success": True}

    async def app_remove(self, call: Call, caller: Caller) -> Body:
        """DELETE /{app}/subscriptions: all of it, or the `fields` named."""
        _of_the_app(caller)
        found = self._facebook.subscription
        if found is not None and call.params.get("object", "page") == "page":
            gone = _list(call.params["fields"]) if "fields" in call.params else found.fields
            left = [name for name in found.fields if name not in gone]
            kept = AppSubscription(found.callback_url, left, found.include_values) if left else None
            self._facebook.subscribe(kept)
        return {"success": True}

    async def page_list(self, _: Call, caller: Caller) -> Body:
        """GET /{page}/subscribed_apps."""
        self._managing(caller, "read the apps of a page")
        assert caller.page is not None
        if caller.page.subscribed is None:
            return {"data": []}
        app = {"id": self._facebook.app_id, "name": self._facebook.app.name}
        return {"data": [{**app, "subscribed_fields": caller.page.subscribed}]}

    async def page_set(self, call: Call, caller: Caller) -> Body:
        """POST /{page}/subscribed_apps: the fields take the place of those that were there."""
        assert caller.page is not None
        self._managing(caller, f"subscribe to the {call.params.get('subscribed_fields', '').split(',')[0]} field")
        if call.params.get("subscribed_fields") == "":
            raise unexpected(1)
        fields = self._fields(call, "subscribed_fields")
        owner = self._facebook.people[caller.page.owner]
        for name in fields:
            if name in MESSAGE_FIELDS and not owner.grants("pages_messaging"):
                raise not_granted("pages_messaging", f"subscribe to the {name} field")
        caller.page.subscribed = fields
        self._facebook.keep(pages=[caller.page])
        return {"success": True}

    async def page_remove(self, _: Call, caller: Caller) -> Body:
        """DELETE /{page}/subscribed_apps."""
        self._managing(caller, "unsubscribe an app")
        assert caller.page is not None
        caller.page.subscribed = None
        self._facebook.keep(pages=[caller.page])
        return {"success": True}

    def _managing(self, caller: Caller, what: str) -> None:
        assert caller.page is not None
        if caller.token.kind != "PAGE":
            raise GraphError(210, "(#210) A page access token is required to request this resource.", status=403)
        if not self._facebook.people[caller.page.owner].grants("pages_manage_metadata"):
            raise not_granted("pages_manage_metadata", what)

    def _fields(self, call: Call, name: str) -> list[str]:
        fields = _list(call.need(name))
        allowed = WEBHOOK_FIELDS - set(self._facebook.faults.refuse_subscribed_fields)
        for index, field in enumerate(fields):
            if field not in allowed:
                raise not_one_of(f"{name}[{index}]", allowed, field)
        return list(dict.fromkeys(fields))


def _of_the_app(caller: Caller) -> None:
    if caller.token.kind != "APP":
        raise GraphError(15, "(#15) This method must be called with an app access_token.")


def _page_object(call: Call) -> None:
    if call.need("object") != "page":
        raise not_one_of("object", ["page"], call.params["object"])


def _list(text: str) -> list[str]:
    if text.startswith("["):
        try:
            found: Any = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise GraphError(100, "(#100) The parameter is no list") from None
        return [str(name) for name in found]
    return [name.strip() for name in text.split(",")]
