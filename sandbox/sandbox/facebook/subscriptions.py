"""Handlers of the Graph API for the two levels of webhook subscriptions.

The app's subscription holds the receiving URL and a list of webhook fields. In addition, each Facebook Page has a
subscription with its own list of webhook fields. A change is delivered only if its field is in both lists.
"""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import orjson

from sandbox.addresses import is_local
from sandbox.facebook.calls import Body, Call, Caller
from sandbox.facebook.errors import GraphError, build_enum_error, build_permission_error, build_transient_error
from sandbox.facebook.graph_schema import MESSAGE_FIELDS, WEBHOOK_FIELDS
from sandbox.facebook.model import AppSubscription
from sandbox.facebook.state import FacebookState

VerifyCallback = Callable[[str, str], Awaitable[str | None]]
"""Sends the verification challenge to a URL (first argument) with a verify token (second argument).

Returns None on success, otherwise a message about the problem.
"""


class SubscriptionHandlers:
    """Handles the Graph API calls about webhook subscriptions. Every handler may raise GraphError."""

    def __init__(self, facebook: FacebookState, verify_callback: VerifyCallback) -> None:
        self._facebook = facebook
        self._verify_callback = verify_callback

    async def list_app_subscriptions(self, _: Call, caller: Caller) -> Body:
        """Handle GET /{app}/subscriptions: return the app's subscription, or an empty list."""
        _require_app_token(caller)
        subscription = self._facebook.subscription
        if subscription is None:
            return {"data": []}
        fields = [{"name": name, "version": "v25.0"} for name in subscription.fields]
        item = {"object": "page", "callback_url": subscription.callback_url, "active": True, "fields": fields}
        return {"data": [item]}

    async def set_app_subscription(self, call: Call, caller: Caller) -> Body:
        """Handle POST /{app}/subscriptions: verify the receiving URL, then replace the subscription."""
        _require_app_token(caller)
        _require_page_object(call)
        fields, url = self._parse_fields(call, "fields"), call.require("callback_url")
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and is_local(parts.hostname)):
            raise GraphError(100, "(#100) Invalid parameter: callback_url must be an https address")
        problem = await self._verify_callback(url, call.require("verify_token"))
        if problem is not None:
            message = f"(#2200) Callback verification failed with the following errors: {problem}"
            raise GraphError(2200, message)
        include_values = call.params.get("include_values", "false").lower() in ("true", "1")
        self._facebook.set_subscription(AppSubscription(url, fields, include_values))
        return {"success": True}

    async def delete_app_subscription(self, call: Call, caller: Caller) -> Body:
        """Handle DELETE /{app}/subscriptions: remove the webhook fields `fields` from the app's subscription.

        Without the parameter `fields`, or if no field is left, the whole subscription is removed.
        """
        _require_app_token(caller)
        current = self._facebook.subscription
        if current is not None and call.params.get("object", "page") == "page":
            removed = _parse_list(call.params["fields"]) if "fields" in call.params else current.fields
            fields = [name for name in current.fields if name not in removed]
            remaining = AppSubscription(current.callback_url, fields, current.include_values) if fields else None
            self._facebook.set_subscription(remaining)
        return {"success": True}

    async def list_page_apps(self, _: Call, caller: Caller) -> Body:
        """Handle GET /{page}/subscribed_apps: return the app, with the webhook fields of its subscription for the page.

        Without a subscription for the page, the list is empty.
        """
        self._require_page_management(caller, "read the apps of a page")
        assert caller.page is not None
        if caller.page.subscribed is None:
            return {"data": []}
        app = {"id": self._facebook.app_id, "name": self._facebook.app.name}
        return {"data": [{**app, "subscribed_fields": caller.page.subscribed}]}

    async def subscribe_page(self, call: Call, caller: Caller) -> Body:
        """Handle POST /{page}/subscribed_apps: subscribe the app to the page's webhook fields `subscribed_fields`.

        They replace the webhook fields of an earlier subscription.
        """
        assert caller.page is not None
        first_field = call.params.get("subscribed_fields", "").split(",")[0]
        self._require_page_management(caller, f"subscribe to the {first_field} field")
        if call.params.get("subscribed_fields") == "":
            raise build_transient_error(1)
        fields = self._parse_fields(call, "subscribed_fields")
        owner = self._facebook.people[caller.page.owner]
        for name in fields:
            if name in MESSAGE_FIELDS and not owner.has_granted("pages_messaging"):
                raise build_permission_error("pages_messaging", f"subscribe to the {name} field")
        caller.page.subscribed = fields
        self._facebook.save(pages=[caller.page])
        return {"success": True}

    async def unsubscribe_page(self, _: Call, caller: Caller) -> Body:
        """Handle DELETE /{page}/subscribed_apps: remove the subscription of the page."""
        self._require_page_management(caller, "unsubscribe an app")
        assert caller.page is not None
        caller.page.subscribed = None
        self._facebook.save(pages=[caller.page])
        return {"success": True}

    def _require_page_management(self, caller: Caller, action: str) -> None:
        """Raise GraphError unless the call carries a page token and the page's owner granted pages_manage_metadata.

        `action` describes the call in the message of the error.
        """
        assert caller.page is not None
        if caller.token.kind != "PAGE":
            raise GraphError(210, "(#210) A page access token is required to request this resource.", status=403)
        if not self._facebook.people[caller.page.owner].has_granted("pages_manage_metadata"):
            raise build_permission_error("pages_manage_metadata", action)

    def _parse_fields(self, call: Call, param: str) -> list[str]:
        fields = _parse_list(call.require(param))
        allowed = WEBHOOK_FIELDS - set(self._facebook.faults.refuse_subscribed_fields)
        for index, field in enumerate(fields):
            if field not in allowed:
                raise build_enum_error(f"{param}[{index}]", allowed, field)
        return list(dict.fromkeys(fields))


def _require_app_token(caller: Caller) -> None:
    if caller.token.kind != "APP":
        raise GraphError(15, "(#15) This method must be called with an app access_token.")


def _require_page_object(call: Call) -> None:
    if call.require("object") != "page":
        raise build_enum_error("object", ["page"], call.params["object"])


def _parse_list(text: str) -> list[str]:
    """Parse a list that is either a JSON array or separated by commas. Raises GraphError for invalid JSON."""
    if text.startswith("["):
        try:
            names: Any = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise GraphError(100, "(#100) The parameter is no list") from None
        return [str(name) for name in names]
    return [name.strip() for name in text.split(",")]
