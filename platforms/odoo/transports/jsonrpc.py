"""JSON-RPC: every call is posted to one path, and errors have the status 200."""

from itertools import count
from typing import Any

import orjson

from platforms.odoo.calls import OdooCall
from platforms.odoo.errors import KeyRefusedError, build_error
from platforms.odoo.http import OdooHttp, build_page_error
from platforms.odoo.logins import OdooLogin
from platforms.odoo.transports.positions import build_arguments


class JsonRpcTransport:
    """Calls of one login by JSON-RPC."""

    def __init__(self, http: OdooHttp, login: OdooLogin) -> None:
        self._http = http
        self._login = login
        self._uid = login.uid
        self._numbers = count(1)

    async def fetch_version(self, *, seconds: float) -> str:
        """Return the version that the service `common` answers."""
        body = await self._post("common", "version", [], seconds)
        return str(body.get("server_serie") or body.get("server_version", "")) if isinstance(body, dict) else ""

    async def authenticate(self, *, seconds: float) -> int:
        """Return the id of the user of login and key."""
        login = self._login
        uid = await self._post("common", "authenticate", [login.database, login.login, login.key, {}], seconds)
        if not isinstance(uid, int) or not uid:
            raise KeyRefusedError
        self._uid = uid
        return uid

    async def call(self, call: OdooCall, *, seconds: float) -> object:
        """Make a call by `execute_kw`."""
        uid = self._uid or await self.authenticate(seconds=seconds)
        positional, named = build_arguments(call)
        arguments = [self._login.database, uid, self._login.key, call.model, call.method, positional, named]
        return await self._post("object", "execute_kw", arguments, seconds)

    async def _post(self, service: str, method: str, arguments: list[object], seconds: float) -> Any:
        request = {
            "jsonrpc": "2.0",
            "method": "call",
            "id": next(self._numbers),
            "params": {"service": service, "method": method, "args": arguments},
        }
        answer = await self._http.send(
            "POST",
            f"{self._login.url}/jsonrpc",
            headers={"Content-Type": "application/json"},
            seconds=seconds,
            content=orjson.dumps(request),
        )
        try:
            body = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            body = None
        if not isinstance(body, dict) or "jsonrpc" not in body:
            raise build_page_error(answer)
        if error := body.get("error"):
            data = error.get("data") or {}
            raise build_error(str(data.get("name", "")), str(data.get("message") or error.get("message", "")))
        # A method that returns nothing has no result.
        return body.get("result")
