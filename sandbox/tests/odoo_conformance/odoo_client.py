"""A client of Odoo's external APIs that uses nothing of the product: one call, by any of the three transports."""

import re
import xmlrpc.client
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import httpx

NOTHING_TO_MARSHAL = "cannot marshal None"
Row = dict[str, Any]
_POSITIONAL = {"create": ("vals_list",), "write": ("vals",)}


class OdooFault(Exception):
    """Odoo answered a call with an error.

    `name` is the class of the exception on the server; XML-RPC tells it only for some, in the traceback. `code` is the
    number that goes with the transport: of XML-RPC's fault, of JSON-RPC's error, or the status of JSON-2's answer.
    """

    def __init__(self, name: str, message: str, code: int, body: Mapping[str, Any]) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name.rpartition(".")[2]
        self.full_name = name
        self.message = message
        self.code = code
        self.body = body


class Transport(Protocol):
    """How calls reach one database of a server as one user."""

    def authenticate(self) -> int | bool:
        """Return the id of the user, or False if the key is refused."""
        ...

    def call(self, model: str, method: str, ids: Sequence[int] | None, named: Row) -> Any:
        """Call a method of a model, on the records `ids` or, without them, on the model itself."""
        ...


@dataclass
class Login:
    """Who calls: a database, a login, and an API key or a password."""

    database: str
    login: str
    key: str
    uid: int = 0


def split_arguments(method: str, ids: Sequence[int] | None, named: Row) -> tuple[list[Any], Row]:
    """Return the arguments of `execute_kw`.

    The values of `create` cannot be given by name, and those of `write` have another name at some models.
    """
    first: list[Any] = [] if ids is None else [list(ids)]
    positional = [named[name] for name in _POSITIONAL.get(method, ()) if name in named]
    rest = {name: value for name, value in named.items() if name not in _POSITIONAL.get(method, ())}
    return [*first, *positional], rest


class JsonRpc:
    """Calls by `/jsonrpc`."""

    def __init__(self, http: httpx.Client, login: Login) -> None:
        self._http, self._login = http, login

    def post(self, service: str, method: str, *args: Any) -> httpx.Response:
        """Send a call of a service and return the answer as it is."""
        params = {"service": service, "method": method, "args": args}
        return self._http.post("jsonrpc", json={"jsonrpc": "2.0", "method": "call", "params": params, "id": 7})

    def call_service(self, service: str, method: str, *args: Any) -> Any:
        """Call a method of a service. Raises OdooFault for an error."""
        answer = self.post(service, method, *args).json()
        if "error" in answer:
            data = answer["error"]["data"]
            raise OdooFault(data["name"], data["message"], answer["error"]["code"], answer["error"])
        return answer.get("result")

    def authenticate(self) -> int | bool:
        """Return the id of the user, or False if the key is refused."""
        uid: int | bool = self.call_service(
            "common", "authenticate", self._login.database, self._login.login, self._login.key, {}
        )
        return uid

    def call(self, model: str, method: str, ids: Sequence[int] | None, named: Row) -> Any:
        """Call a method of a model."""
        login = self._login
        args, kwargs = split_arguments(method, ids, named)
        arguments = (login.database, login.uid, login.key, model, method, args, kwargs)
        return self.call_service("object", "execute_kw", *arguments)


class XmlRpc:
    """Calls by `/xmlrpc/2`."""

    def __init__(self, http: httpx.Client, login: Login) -> None:
        self._http, self._login = http, login

    def post(self, service: str, method: str, *args: Any) -> httpx.Response:
        """Send a call of a service and return the answer as it is."""
        body = xmlrpc.client.dumps(args, method, allow_none=True)
        return self._http.post(f"xmlrpc/2/{service}", content=body, headers={"Content-Type": "text/xml"})

    def call_service(self, service: str, method: str, *args: Any) -> Any:
        """Call a method of a service. Raises OdooFault for a fault, also for one that says that there is no value."""
        try:
            (result,), _ = xmlrpc.client.loads(self.post(service, method, *args).content)
        except xmlrpc.client.Fault as fault:
            name = re.findall(r"^([\w.]*(?:Error|Denied|Warning)): ", fault.faultString, re.MULTILINE)
            raise OdooFault(name[-1] if name else "", fault.faultString, fault.faultCode, {}) from fault
        return result

    def authenticate(self) -> int | bool:
        """Return the id of the user, or False if the key is refused."""
        uid: int | bool = self.call_service(
            "common", "authenticate", self._login.database, self._login.login, self._login.key, {}
        )
        return uid

    def call(self, model: str, method: str, ids: Sequence[int] | None, named: Row) -> Any:
        """Call a method of a model. A method that returns nothing has been carried out when the fault says so."""
        login = self._login
        args, kwargs = split_arguments(method, ids, named)
        try:
            return self.call_service(
                "object", "execute_kw", login.database, login.uid, login.key, model, method, args, kwargs
            )
        except OdooFault as fault:
            if NOTHING_TO_MARSHAL in fault.message:
                return None
            raise


class Json2:
    """Calls by `/json/2`, which versions before 19 do not have."""

    def __init__(self, http: httpx.Client, login: Login) -> None:
        self._http, self._login = http, login

    def post(self, model: str, method: str, body: Row) -> httpx.Response:
        """Send a call and return the answer as it is."""
        headers = {"Authorization": f"bearer {self._login.key}", "X-Odoo-Database": self._login.database}
        return self._http.post(f"json/2/{model}/{method}", json=body, headers=headers)

    def authenticate(self) -> int | bool:
        """Return the id of the user, or False if the key is refused."""
        answer = self.post("res.users", "context_get", {})
        if answer.status_code == 401:
            return False
        return int(answer.json()["uid"])

    def call(self, model: str, method: str, ids: Sequence[int] | None, named: Row) -> Any:
        """Call a method of a model."""
        body = named if ids is None else {"ids": list(ids), **named}
        answer = self.post(model, method, body)
        if answer.status_code >= 400:
            error = answer.json()
            raise OdooFault(error["name"], error["message"], answer.status_code, error)
        return answer.json()


TRANSPORTS = {"jsonrpc": JsonRpc, "xmlrpc": XmlRpc, "json2": Json2}


@dataclass
class Odoo:
    """One user's view of a database. `context` goes with every call."""

    transport: Transport
    context: Row

    def with_context(self, **context: Any) -> "Odoo":
        """Return the same view with a changed context."""
        return replace(self, context={**self.context, **context})

    def call(self, model: str, method: str, ids: Sequence[int] | None = None, **named: Any) -> Any:
        """Call a method with named parameters."""
        if self.context:
            named = {**named, "context": {**self.context, **named.get("context", {})}}
        return self.transport.call(model, method, ids, named)

    def create(self, model: str, **values: Any) -> int:
        """Create a record and return its id."""
        return int(self.call(model, "create", vals_list=[values])[0])

    def write(self, model: str, ids: int | Sequence[int], **values: Any) -> Any:
        """Change records."""
        return self.call(model, "write", [ids] if isinstance(ids, int) else ids, vals=values)

    def unlink(self, model: str, *ids: int) -> Any:
        """Delete records."""
        return self.call(model, "unlink", ids)

    def read(self, model: str, number: int, *fields: str) -> Row:
        """Return fields of one record."""
        (row,) = self.call(model, "read", [number], fields=list(fields))
        return dict(row)

    def get(self, model: str, number: int, field: str) -> Any:
        """Return a field of one record."""
        return self.read(model, number, field)[field]

    def search(self, model: str, domain: Sequence[Any], **more: Any) -> list[int]:
        """Return the ids of the matching records."""
        return list(self.call(model, "search", domain=list(domain), **more))

    def search_read(self, model: str, domain: Sequence[Any], *fields: str, **more: Any) -> list[Row]:
        """Return fields of the matching records."""
        return list(self.call(model, "search_read", domain=list(domain), fields=list(fields), **more))

    def find_id(self, module: str, name: str) -> int:
        """Return the id of the record with an external id."""
        domain = [("module", "=", module), ("name", "=", name)]
        (row,) = self.search_read("ir.model.data", domain, "res_id")
        return int(row["res_id"])
