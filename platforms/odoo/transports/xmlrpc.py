"""XML-RPC, for servers whose proxy lets nothing else through."""

import xmlrpc.client
from typing import Any
from xml.parsers.expat import ExpatError

from platforms.odoo.calls import OdooCall
from platforms.odoo.errors import KeyRefusedError, build_error
from platforms.odoo.http import OdooHttp, build_page_error
from platforms.odoo.logins import OdooLogin
from platforms.odoo.transports.positions import build_arguments

_WARNING, _ACCESS_DENIED, _ACCESS_ERROR = 2, 3, 4
_FAULT_NAMES = {_WARNING: "UserError", _ACCESS_DENIED: "AccessDenied", _ACCESS_ERROR: "AccessError"}
_NO_RESULT = "cannot marshal None"


class XmlRpcTransport:
    """Calls of one login by XML-RPC."""

    def __init__(self, http: OdooHttp, login: OdooLogin) -> None:
        self._http = http
        self._login = login
        self._uid = login.uid

    async def fetch_version(self, *, seconds: float) -> str:
        """Return the version that `common` answers."""
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
        values: Any = _drop_nulls(arguments)
        content = xmlrpc.client.dumps(tuple(values), method).encode()
        answer = await self._http.send(
            "POST",
            f"{self._login.url}/xmlrpc/2/{service}",
            headers={"Content-Type": "text/xml"},
            seconds=seconds,
            content=content,
        )
        try:
            (result,), _ = xmlrpc.client.loads(answer.body)
        except xmlrpc.client.Fault as fault:
            return _raise_for_fault(fault)
        except (ExpatError, xmlrpc.client.Error, ValueError, TypeError, KeyError):
            raise build_page_error(answer) from None
        return result


def _raise_for_fault(fault: xmlrpc.client.Fault) -> None:
    """Raise the error of a fault. Return for the one that follows a method which returns nothing.

    Its work is committed before the answer is written, which then fails.
    """
    text = str(fault.faultString)
    if _NO_RESULT in text:
        return
    last = text.strip().rpartition("\n")[2]
    name, _, message = last.partition(": ")
    known = _FAULT_NAMES.get(fault.faultCode)
    raise build_error(known, text) if known else build_error(name, message or text)


def _drop_nulls(value: object) -> object:
    """Return a value with `False` for every null, which XML-RPC does not know and Odoo takes for the same."""
    if value is None:
        return False
    if isinstance(value, dict):
        return {name: _drop_nulls(part) for name, part in value.items()}
    return [_drop_nulls(part) for part in value] if isinstance(value, list | tuple) else value
