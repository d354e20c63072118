"""JSON-2, the API of Odoo 19 and later: a path for each method, parameters by name, the key as a bearer token."""

from typing import Any

import orjson

from platforms.odoo.calls import OdooCall
from platforms.odoo.errors import KeyRefusedError, build_error
from platforms.odoo.http import OdooAnswer, OdooHttp, build_page_error
from platforms.odoo.logins import OdooLogin

WHO_AM_I = OdooCall("res.users", "context_get")
_FIRST_ERROR = 400


class Json2Transport:
    """Calls of one login by JSON-2."""

    def __init__(self, http: OdooHttp, login: OdooLogin) -> None:
        self._http = http
        self._login = login

    async def fetch_version(self, *, seconds: float) -> str:
        """Return the version that `/web/version` answers, which came with this API."""
        answer = await self._http.send("GET", f"{self._login.url}/web/version", headers={}, seconds=seconds)
        body = _parse(answer)
        if not isinstance(body, dict) or "version_info" not in body:
            raise build_page_error(answer)
        return str(body.get("version", ""))

    async def authenticate(self, *, seconds: float) -> int:
        """Return the id of the key's user, which must be the one of the login."""
        me = await self.call(WHO_AM_I, seconds=seconds)
        uid = me.get("uid") if isinstance(me, dict) else None
        if not isinstance(uid, int) or not uid:
            raise KeyRefusedError
        users = await self.call(OdooCall("res.users", "read", [uid], None, {"fields": ["login"]}), seconds=seconds)
        # A key alone opens this API. With another login than it belongs to, no other API would accept it.
        if not isinstance(users, list) or not users or users[0].get("login") != self._login.login:
            raise KeyRefusedError
        return uid

    async def call(self, call: OdooCall, *, seconds: float) -> object:
        """Post the parameters to the method's path."""
        ids = {} if call.ids is None else {"ids": list(call.ids)}
        answer = await self._http.send(
            "POST",
            f"{self._login.url}/json/2/{call.model}/{call.method}",
            headers={
                "Authorization": f"bearer {self._login.key}",
                "X-Odoo-Database": self._login.database,
                "Content-Type": "application/json",
            },
            seconds=seconds,
            content=orjson.dumps({**call.parameters, **ids, "context": dict(call.context or {})}),
        )
        result = _parse(answer)
        if result is _NOTHING:
            raise build_page_error(answer)
        if answer.status >= _FIRST_ERROR:
            error = result if isinstance(result, dict) else {}
            raise build_error(str(error.get("name", "")), str(error.get("message", "")))
        return result


_NOTHING = object()


def _parse(answer: OdooAnswer) -> Any:
    """Return the JSON of an answer; `_NOTHING` for another kind of answer, whatever its status is."""
    try:
        return orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return _NOTHING
