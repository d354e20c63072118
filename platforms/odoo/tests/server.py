"""A simulated Odoo: the three APIs over a few records, for tests of what is sent and of what follows from answers."""

import xmlrpc.client
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson

from platforms.odoo.checks import READ_MODELS
from platforms.odoo.logins import OdooLogin, TransportName

PAGE = httpx.Response(200, headers={"content-type": "text/html"}, content=b"<html>Odoo</html>")
URL, DATABASE, LOGIN, KEY = "https://odoo.example.com", "shop", "bot@example.com", "the-key"
UID = 7
FAULT_CODES = {
    "odoo.exceptions.UserError": 2,
    "odoo.exceptions.ValidationError": 2,
    "odoo.exceptions.MissingError": 2,
    "odoo.exceptions.AccessDenied": 3,
    "odoo.exceptions.AccessError": 4,
}


class OdooError(Exception):
    """An error of Odoo: its full name and its text."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name, self.message = name, message


@dataclass
class SimulatedOdoo:
    """Answers requests as an Odoo of `version` that speaks `apis`. `calls` are the calls that it has got.

    `denied` are models that the user may not read, `missing` models that it does not have. `failures` are raised by
    the next calls, one each, and `pages` is how many requests are answered by a page.
    """

    version: str = "18.0"
    apis: set[TransportName] = field(default_factory=lambda: {TransportName.JSONRPC, TransportName.XMLRPC})
    key: str = KEY
    denied: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    fields: dict[str, dict[str, Any]] = field(default_factory=dict)
    failures: list[OdooError] = field(default_factory=list)
    calls: list[tuple[str, str, list[Any], dict[str, Any]]] = field(default_factory=list)
    requests: list[httpx.Request] = field(default_factory=list)
    respond: Callable[[httpx.Request], httpx.Response | None] = lambda _: None

    def __post_init__(self) -> None:
        """Give it the records that every database has."""
        self.rows = {
            "res.company": [{"id": 1, "name": "Acme", "currency_id": [1, "EUR"]}],
            "stock.warehouse": [{"id": 1, "name": "Main"}],
            **self.rows,
        }

    def open_http(self) -> httpx.AsyncClient:
        """Return a client whose requests it answers."""
        return httpx.AsyncClient(transport=httpx.MockTransport(self))

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        self.requests.append(request)
        path = request.url.path
        if (answer := self.respond(request)) is not None:
            return answer
        if TransportName.JSON2 in self.apis and path == "/web/version":
            return httpx.Response(200, json={"version": self.version, "version_info": [19, 0, 0, "final", 0, ""]})
        if TransportName.JSON2 in self.apis and path.startswith("/json/2/"):
            return self._answer_json2(request)
        if TransportName.JSONRPC in self.apis and path == "/jsonrpc":
            return self._answer_jsonrpc(orjson.loads(request.content))
        if TransportName.XMLRPC in self.apis and path.startswith("/xmlrpc/2/"):
            return self._answer_xmlrpc(path.rpartition("/")[2], request.content)
        return PAGE

    def _answer_json2(self, request: httpx.Request) -> httpx.Response:
        if request.headers["authorization"] != f"bearer {self.key}":
            error = {"name": "werkzeug.exceptions.Unauthorized", "message": "Invalid apikey"}
            return httpx.Response(401, json=error)
        model, method = request.url.path.removeprefix("/json/2/").split("/")
        named = orjson.loads(request.content)
        try:
            return httpx.Response(200, content=orjson.dumps(self.execute(model, method, [], named)))
        except OdooError as error:
            return httpx.Response(500, json={"name": error.name, "message": error.message})

    def _answer_jsonrpc(self, body: dict[str, Any]) -> httpx.Response:
        params = body["params"]
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": body["id"]}
        try:
            result = self._serve(params["service"], params["method"], params["args"])
        except OdooError as error:
            data = {"name": error.name, "message": error.message, "debug": "Traceback"}
            answer["error"] = {"code": 200, "message": "Odoo Server Error", "data": data}
        else:
            answer |= {} if result is None else {"result": result}
        return httpx.Response(200, json=answer)

    def _answer_xmlrpc(self, service: str, content: bytes) -> httpx.Response:
        arguments, method = xmlrpc.client.loads(content)
        try:
            result = self._serve(service, str(method), list(arguments))
            text = xmlrpc.client.dumps((result,), methodresponse=True)
        except TypeError as error:
            text = xmlrpc.client.dumps(xmlrpc.client.Fault(1, f"Traceback\nTypeError: {error}"), methodresponse=True)
        except OdooError as error:
            code = FAULT_CODES.get(error.name, 1)
            fault = error.message if code > 1 else f"Traceback\n{error.name}: {error.message}\n"
            text = xmlrpc.client.dumps(xmlrpc.client.Fault(code, fault), methodresponse=True)
        return httpx.Response(200, headers={"content-type": "text/xml"}, content=text.encode())

    def _serve(self, service: str, method: str, arguments: list[Any]) -> Any:
        if (service, method) == ("common", "version"):
            return {"server_version": f"{self.version}-20260101", "server_serie": self.version}
        if arguments[0] != DATABASE:
            raise OdooError("psycopg2.OperationalError", f'FATAL:  database "{arguments[0]}" does not exist')
        if (service, method) == ("common", "authenticate"):
            return UID if arguments[1:3] == [LOGIN, self.key] else False
        if arguments[2] != self.key:
            raise OdooError("odoo.exceptions.AccessDenied", "Access Denied")
        return self.execute(arguments[3], arguments[4], list(arguments[5]), dict(arguments[6]))

    def execute(self, model: str, method: str, positional: list[Any], named: dict[str, Any]) -> Any:
        """Call a method as Odoo does."""
        self.calls.append((model, method, positional, named))
        if self.failures:
            raise self.failures.pop(0)
        if model in self.missing:
            raise OdooError("odoo.exceptions.UserError", f"Object {model} doesn't exist")
        if model in self.denied:
            raise OdooError("odoo.exceptions.AccessError", f"You are not allowed to access {model}")
        if method == "context_get":
            return {"lang": "en_US", "uid": UID}
        if method == "fields_get":
            return self.fields.get(model, {"id": {"type": "integer"}})
        if model == "res.users" and method == "read":
            return [{"id": UID, "login": LOGIN}]
        if method == "search_read":
            return self.rows.get(model, [{"id": 1}] if model in READ_MODELS else [])
        return None if method.startswith("action_") else [1]


def build_login(**values: Any) -> OdooLogin:
    """Return the login that the simulated Odoo accepts."""
    return OdooLogin(**{"url": URL, "database": DATABASE, "login": LOGIN, "key": KEY, **values})
