"""A fake of the Graph API with logic: consents, tokens, pages, subscriptions, and its errors."""

import hmac
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

import httpx

APP_ID, APP_SECRET = "123456789012345", "facebook's secret"
ALL_PERMISSIONS = ("pages_manage_metadata", "pages_messaging", "pages_read_engagement", "pages_show_list")
DATE = "Tue, 24 Nov 2026 12:00:00 GMT"


class GraphError(Exception):
    """An error response of Graph."""

    def __init__(self, code: int, message: str = "no", *, subcode: int | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "A1"}
        if subcode:
            self.body["error_subcode"] = subcode


@dataclass
class FakeGraph:
    """One app and one person.

    `errors` maps ends of paths to the errors that they respond with. A list request with a limit above `limit_at_most`
    fails with "reduce the amount".
    """

    user: str = "400400400400400"
    pages: dict[str, str] = field(default_factory=lambda: {"1001": "Acme Café", "1002": "Acme Löffel"})
    granted: tuple[str, ...] = ALL_PERMISSIONS
    token_app_id: str = APP_ID
    down: bool = False
    served: str = "v25.0"
    limit_at_most: int = 100
    gaps: bool = False
    errors: dict[str, GraphError] = field(default_factory=dict)
    unknown_fields: set[str] = field(default_factory=set)
    app_refuses: set[str] = field(default_factory=set)
    app_subscription: dict[str, Any] | None = None
    subscribed: dict[str, list[str]] = field(default_factory=dict)
    codes: set[str] = field(default_factory=set)
    valid_tokens: dict[str, str] = field(default_factory=dict)
    """Maps each token to its owner: `short` or `long` for a user token, or the id of a page."""
    secrets: list[str] = field(default_factory=list)
    requests: list[httpx.Request] = field(default_factory=list)

    def create_code(self) -> str:
        """Returns an authorization code that can be used once."""
        code = self._create_secret("code")
        self.codes.add(code)
        return code

    def find_requests(self, end: str, method: str = "") -> list[httpx.Request]:
        """Finds the requests to paths with this end."""
        return [
            request for request in self.requests if request.url.path.endswith(end) and method in ("", request.method)
        ]

    def respond(self, request: httpx.Request) -> httpx.Response:
        """Responds to a request; the handler of an httpx mock transport."""
        self.requests.append(request)
        if self.down:
            raise httpx.ConnectError("no route")
        headers = {"facebook-api-version": self.served, "Date": DATE}
        try:
            parameters = dict(parse_qsl(request.url.query.decode() + "&" + request.content.decode()))
            _, _, path = request.url.path.strip("/").partition("/")
            for end, error in self.errors.items():
                if path.endswith(end):
                    raise error
            return httpx.Response(200, json=self._handle(request, path, parameters), headers=headers)
        except GraphError as error:
            return httpx.Response(error.status, json={"error": error.body}, headers=headers)

    def _handle(self, request: httpx.Request, path: str, parameters: dict[str, str]) -> dict[str, Any]:
        if path == "oauth/access_token":
            return self._create_token(parameters)
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        assert "access_token" not in parameters
        proof = hmac.digest(APP_SECRET.encode(), token.encode(), "sha256").hex()
        if parameters.get("appsecret_proof") != proof:
            raise GraphError(100, "Invalid appsecret_proof provided in the API argument")
        if path in ("debug_token", f"{APP_ID}/subscriptions"):
            if token != f"{APP_ID}|{APP_SECRET}":
                raise GraphError(190, "Error validating application")
            return (
                self._inspect_token(parameters)
                if path == "debug_token"
                else self._handle_app_subscription(request.method, parameters)
            )
        if token not in self.valid_tokens:
            raise GraphError(190, f"Malformed access token {token}", subcode=460)
        return self._handle_with_token(request.method, path, self.valid_tokens[token], parameters)

    def _handle_with_token(self, method: str, path: str, owner: str, parameters: dict[str, str]) -> dict[str, Any]:
        if path == "me/permissions":
            declined = [name for name in ALL_PERMISSIONS if name not in self.granted]
            listed = [{"permission": name, "status": "granted"} for name in ("public_profile", *self.granted)]
            return {"data": listed + [{"permission": name, "status": "declined"} for name in declined]}
        if path == "me/accounts":
            return self._list_accounts(owner, int(parameters["limit"]), parameters.get("after", ""))
        page, _, edge = path.partition("/")
        if page != owner:
            raise GraphError(100, f"Object with ID '{page}' does not exist", subcode=33)
        return self._handle_page_subscription(method, page, parameters) if edge == "subscribed_apps" else {"id": page}

    def _create_token(self, parameters: dict[str, str]) -> dict[str, Any]:
        if (parameters["client_id"], parameters["client_secret"]) != (APP_ID, APP_SECRET):
            raise GraphError(1, "Error validating client secret.")
        if parameters.get("grant_type") == "fb_exchange_token":
            if self.valid_tokens.get(parameters["fb_exchange_token"]) != "short":
                raise GraphError(190, "dead")
            return {"access_token": self._issue_token("long"), "token_type": "bearer", "expires_in": 5_183_944}
        if parameters["code"] not in self.codes:
            raise GraphError(100, "This authorization code has been used.", subcode=36009)
        self.codes.discard(parameters["code"])
        return {"access_token": self._issue_token("short"), "token_type": "bearer"}

    def _inspect_token(self, parameters: dict[str, str]) -> dict[str, Any]:
        valid = parameters["input_token"] in self.valid_tokens
        details = {"app_id": self.token_app_id, "is_valid": valid, "user_id": self.user, "scopes": list(self.granted)}
        return {"data": {**details, "expires_at": 0, "data_access_expires_at": 1_803_300_000}}

    def _list_accounts(self, owner: str, limit: int, after: str) -> dict[str, Any]:
        assert owner == "long", "page tokens of a short-lived user token die within hours"
        if limit > self.limit_at_most:
            raise GraphError(1, "Please reduce the amount of data you're asking for, then retry", status=500)
        if self.gaps and not after.startswith("gap-"):
            return {"data": [], "paging": self._build_paging(f"gap-{after}")}
        after = after.removeprefix("gap-")
        ids = sorted(self.pages)
        start = ids.index(after) + 1 if after else 0
        part = ids[start : start + limit]
        data = [{"id": page, "name": self.pages[page], "access_token": self._issue_token(page)} for page in part]
        more = start + limit < len(ids)
        return {
            "data": data,
            "paging": self._build_paging(part[-1]) if more else {"cursors": {"before": "b", "after": "z"}},
        }

    def _build_paging(self, after: str) -> dict[str, Any]:
        return {"next": f"https://graph.test/v25.0/me/accounts?access_token=secret&limit=25&after={after}"}

    def _handle_app_subscription(self, method: str, parameters: dict[str, str]) -> dict[str, Any]:
        if method == "GET":
            return {"data": [self.app_subscription] if self.app_subscription else []}
        fields = parameters["fields"].split(",")
        self._check_fields("fields", fields, self.app_refuses)
        versions = [{"name": name, "version": "v25.0"} for name in fields]
        self.app_subscription = {"object": "page", "callback_url": parameters["callback_url"], "active": True}
        self.app_subscription |= {"fields": versions}
        return {"success": True}

    def _handle_page_subscription(self, method: str, page: str, parameters: dict[str, str]) -> dict[str, Any]:
        if "pages_manage_metadata" not in self.granted:
            field = parameters.get("subscribed_fields", "x").split(",")[0]
            needed = "one of these permissions is needed: pages_manage_metadata"
            raise GraphError(200, f"(#200) To subscribe to the {field} field, {needed}", status=403)
        if method == "GET":
            others = {"id": "999999999999999", "subscribed_fields": ["feed"]}
            own = {"id": APP_ID, "subscribed_fields": self.subscribed.get(page)}
            return {"data": [others, *([own] if page in self.subscribed else [])]}
        if method == "DELETE":
            self.subscribed.pop(page, None)
            return {"success": True}
        fields = parameters["subscribed_fields"].split(",")
        self._check_fields("subscribed_fields", fields, self.unknown_fields)
        self.subscribed[page] = fields
        return {"success": True}

    def _check_fields(self, parameter: str, fields: list[str], unknown: set[str]) -> None:
        for index, name in enumerate(fields):
            if name in unknown:
                listed = ", ".join(f"field_{number}" for number in range(100))
                raise GraphError(100, f'(#100) Param {parameter}[{index}] must be one of {{{listed}}} - got "{name}"')

    def _issue_token(self, owner: str) -> str:
        token = self._create_secret(owner)
        self.valid_tokens[token] = owner
        return token

    def _create_secret(self, kind: str) -> str:
        secret = f"secret-{kind}-{uuid4()}"
        self.secrets.append(secret)
        return secret
