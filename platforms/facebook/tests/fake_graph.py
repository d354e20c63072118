"""A Graph API with logic, for the gateway's own tests: consents, tokens, pages, subscriptions, and its errors."""

import hmac
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

import httpx

APP_ID, APP_SECRET = "123456789012345", "facebook's secret"
ALL_PERMISSIONS = ("pages_manage_metadata", "pages_messaging", "pages_read_engagement", "pages_show_list")
DATE = "Tue, 24 Nov 2026 12:00:00 GMT"


class RefusalError(Exception):
    """An error as Graph answers it."""

    def __init__(self, code: int, message: str = "no", *, subcode: int | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "A1"}
        if subcode:
            self.body["error_subcode"] = subcode


@dataclass
class FakeGraph:
    """One app, one person. `fails` answers a path's end by an error, `limit_at_most` by "reduce the amount"."""

    user: str = "400400400400400"
    pages: dict[str, str] = field(default_factory=lambda: {"1001": "Acme Café", "1002": "Acme Löffel"})
    granted: tuple[str, ...] = ALL_PERMISSIONS
    tokens_app: str = APP_ID
    down: bool = False
    served: str = "v25.0"
    limit_at_most: int = 100
    gaps: bool = False
    fails: dict[str, RefusalError] = field(default_factory=dict)
    unknown_fields: set[str] = field(default_factory=set)
    app_refuses: set[str] = field(default_factory=set)
    app_subscription: dict[str, Any] | None = None
    subscribed: dict[str, list[str]] = field(default_factory=dict)
    codes: set[str] = field(default_factory=set)
    alive: dict[str, str] = field(default_factory=dict)
    """Tokens to what they are of: `short`, `long`, or a page's id."""
    secrets: list[str] = field(default_factory=list)
    asked: list[httpx.Request] = field(default_factory=list)

    def code(self) -> str:
        """A person consents: a code, good once."""
        code = self._secret("code")
        self.codes.add(code)
        return code

    def calls(self, end: str, method: str = "") -> list[httpx.Request]:
        """The calls to paths that end so."""
        return [one for one in self.asked if one.url.path.endswith(end) and method in ("", one.method)]

    def answer(self, request: httpx.Request) -> httpx.Response:
        """The transport."""
        self.asked.append(request)
        if self.down:
            raise httpx.ConnectError("no route")
        headers = {"facebook-api-version": self.served, "Date": DATE}
        try:
            given = dict(parse_qsl(request.url.query.decode() + "&" + request.content.decode()))
            _, _, path = request.url.path.strip("/").partition("/")
            for end, refused in self.fails.items():
                if path.endswith(end):
                    raise refused
            return httpx.Response(200, json=self._called(request, path, given), headers=headers)
        except RefusalError as refused:
            return httpx.Response(refused.status, json={"error": refused.body}, headers=headers)

    def _called(self, request: httpx.Request, path: str, given: dict[str, str]) -> dict[str, Any]:
        if path == "oauth/access_token":
            return self._token(given)
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        assert "access_token" not in given
        proof = hmac.digest(APP_SECRET.encode(), token.encode(), "sha256").hex()
        if given.get("appsecret_proof") != proof:
            raise RefusalError(100, "Invalid appsecret_proof provided in the API argument")
        if path in ("debug_token", f"{APP_ID}/subscriptions"):
            if token != f"{APP_ID}|{APP_SECRET}":
                raise RefusalError(190, "Error validating application")
            return self._debugged(given) if path == "debug_token" else self._app(request.method, given)
        if token not in self.alive:
            raise RefusalError(190, f"Malformed access token {token}", subcode=460)
        return self._as_holder(request.method, path, self.alive[token], given)

    def _as_holder(self, method: str, path: str, of: str, given: dict[str, str]) -> dict[str, Any]:
        if path == "me/permissions":
            declined = [name for name in ALL_PERMISSIONS if name not in self.granted]
            listed = [{"permission": name, "status": "granted"} for name in ("public_profile", *self.granted)]
            return {"data": listed + [{"permission": name, "status": "declined"} for name in declined]}
        if path == "me/accounts":
            return self._accounts(of, int(given["limit"]), given.get("after", ""))
        page, _, edge = path.partition("/")
        if page != of:
            raise RefusalError(100, f"Object with ID '{page}' does not exist", subcode=33)
        return self._apps_of(method, page, given) if edge == "subscribed_apps" else {"id": page}

    def _token(self, given: dict[str, str]) -> dict[str, Any]:
        if (given["client_id"], given["client_secret"]) != (APP_ID, APP_SECRET):
            raise RefusalError(1, "Error validating client secret.")
        if given.get("grant_type") == "fb_exchange_token":
            if self.alive.get(given["fb_exchange_token"]) != "short":
                raise RefusalError(190, "dead")
            return {"access_token": self._issue("long"), "token_type": "bearer", "expires_in": 5_183_944}
        if given["code"] not in self.codes:
            raise RefusalError(100, "This authorization code has been used.", subcode=36009)
        self.codes.discard(given["code"])
        return {"access_token": self._issue("short"), "token_type": "bearer"}

    def _debugged(self, given: dict[str, str]) -> dict[str, Any]:
        valid = given["input_token"] in self.alive
        facts = {"app_id": self.tokens_app, "is_valid": valid, "user_id": self.user, "scopes": list(self.granted)}
        return {"data": {**facts, "expires_at": 0, "data_access_expires_at": 1_803_300_000}}

    def _accounts(self, of: str, limit: int, after: str) -> dict[str, Any]:
        assert of == "long", "page tokens of a short-lived user token die within hours"
        if limit > self.limit_at_most:
            raise RefusalError(1, "Please reduce the amount of data you're asking for, then retry", status=500)
        if self.gaps and not after.startswith("gap-"):
            return {"data": [], "paging": self._next(f"gap-{after}")}
        after = after.removeprefix("gap-")
        ids = sorted(self.pages)
        start = ids.index(after) + 1 if after else 0
        part = ids[start : start + limit]
        data = [{"id": page, "name": self.pages[page], "access_token": self._issue(page)} for page in part]
        more = start + limit < len(ids)
        return {"data": data, "paging": self._next(part[-1]) if more else {"cursors": {"before": "b", "after": "z"}}}

    def _next(self, after: str) -> dict[str, Any]:
        return {"next": f"https://graph.test/v25.0/me/accounts?access_token=secret&limit=25&after={after}"}

    def _app(self, method: str, given: dict[str, str]) -> dict[str, Any]:
        if method == "GET":
            return {"data": [self.app_subscription] if self.app_subscription else []}
        fields = given["fields"].split(",")
        self._one_of("fields", fields, self.app_refuses)
        named = [{"name": name, "version": "v25.0"} for name in fields]
        self.app_subscription = {"object": "page", "callback_url": given["callback_url"], "active": True}
        self.app_subscription |= {"fields": named}
        return {"success": True}

    def _apps_of(self, method: str, page: str, given: dict[str, str]) -> dict[str, Any]:
        if "pages_manage_metadata" not in self.granted:
            named = given.get("subscribed_fields", "x").split(",")[0]
            needed = "one of these permissions is needed: pages_manage_metadata"
            raise RefusalError(200, f"(#200) To subscribe to the {named} field, {needed}", status=403)
        if method == "GET":
            others = {"id": "999999999999999", "subscribed_fields": ["feed"]}
            own = {"id": APP_ID, "subscribed_fields": self.subscribed.get(page)}
            return {"data": [others, *([own] if page in self.subscribed else [])]}
        if method == "DELETE":
            self.subscribed.pop(page, None)
            return {"success": True}
        fields = given["subscribed_fields"].split(",")
        self._one_of("subscribed_fields", fields, self.unknown_fields)
        self.subscribed[page] = fields
        return {"success": True}

    def _one_of(self, parameter: str, fields: list[str], unknown: set[str]) -> None:
        for place, name in enumerate(fields):
            if name in unknown:
                listed = ", ".join(f"field_{number}" for number in range(100))
                raise RefusalError(100, f'(#100) Param {parameter}[{place}] must be one of {{{listed}}} - got "{name}"')

    def _issue(self, of: str) -> str:
        token = self._secret(of)
        self.alive[token] = of
        return token

    def _secret(self, kind: str) -> str:
        made = f"secret-{kind}-{uuid4()}"
        self.secrets.append(made)
        return made
