"""One interface, three APIs: the same calls give the same results and the same errors, whatever carries them."""

from typing import Any

import httpx
import orjson
import pytest

from platform_sdk.errors import AccessDeniedError, PermanentError, ThrottledError, TransientError
from platforms.odoo.calls import OdooCall
from platforms.odoo.errors import (
    DatabaseMissingError,
    KeyRefusedError,
    MissingRecordError,
    NotOdooError,
    TransportMovedError,
    UnknownFieldError,
)
from platforms.odoo.http import OdooHttp
from platforms.odoo.logins import OdooLogin, TransportName
from platforms.odoo.tests.server import KEY, PAGE, UID, URL, OdooError, SimulatedOdoo, build_login
from platforms.odoo.transports import Transport, create_transport

ALL = list(TransportName)
OLD = [TransportName.JSONRPC, TransportName.XMLRPC]
READ = OdooCall("res.company", "search_read", None, {"active_test": False}, {"domain": [], "fields": ["name"]})


class Clients:
    """Transports to one simulated Odoo that speaks all APIs."""

    def __init__(self) -> None:
        self.odoo = SimulatedOdoo(apis=set(TransportName))
        self.http = OdooHttp(self.odoo.open_http())

    def open(self, name: TransportName, login: OdooLogin | None = None) -> Transport:
        return create_transport(name, self.http, login or build_login())

    async def call(self, name: TransportName, call: OdooCall = READ) -> Any:
        return await self.open(name).call(call, seconds=5)


@pytest.fixture
def clients() -> Clients:
    return Clients()


@pytest.mark.parametrize("name", ALL)
async def test_a_login_has_the_id_of_its_user(clients: Clients, name: TransportName) -> None:
    assert await clients.open(name).authenticate(seconds=5) == UID
    assert await clients.open(name).fetch_version(seconds=5) == "18.0"


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("wrong", [{"key": "another"}, {"login": "somebody@example.com"}])
async def test_a_wrong_key_or_login_is_refused(clients: Clients, name: TransportName, wrong: dict[str, str]) -> None:
    with pytest.raises(KeyRefusedError):
        await clients.open(name, build_login(**wrong)).authenticate(seconds=5)


@pytest.mark.parametrize("name", ALL)
async def test_a_call_gives_the_records(clients: Clients, name: TransportName) -> None:
    assert await clients.call(name) == [{"id": 1, "name": "Acme", "currency_id": [1, "EUR"]}]
    named = clients.odoo.calls[-1][3]
    assert (named["domain"], named["fields"], named["context"]) == ([], ["name"], {"active_test": False})


@pytest.mark.parametrize("name", ALL)
async def test_a_method_that_returns_nothing_has_worked(clients: Clients, name: TransportName) -> None:
    assert await clients.call(name, OdooCall("stock.quant", "action_apply_inventory", [1])) is None


@pytest.mark.parametrize("name", OLD)
async def test_ids_come_first_and_values_have_no_name(clients: Clients, name: TransportName) -> None:
    values = {"name": "a", "barcode": False}
    await clients.call(name, OdooCall("product.template", "write", [4], None, {"vals": values}))
    await clients.call(name, OdooCall("product.template", "create", None, None, {"vals_list": [{"name": "b"}]}))
    written, created = clients.odoo.calls
    assert written[2:] == ([[4], values], {})
    assert created[2:] == ([[{"name": "b"}]], {})


async def test_the_newest_api_names_all_parameters(clients: Clients) -> None:
    await clients.call(TransportName.JSON2, OdooCall("product.template", "write", [4], None, {"vals": {"name": "a"}}))
    request = clients.odoo.requests[-1]
    assert (request.url.path, request.headers["x-odoo-database"]) == ("/json/2/product.template/write", "shop")
    assert request.headers["authorization"] == f"bearer {KEY}"
    assert orjson.loads(request.content) == {"ids": [4], "vals": {"name": "a"}, "context": {}}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    ("error", "message", "expected"),
    [
        ("odoo.exceptions.AccessDenied", "Access Denied", KeyRefusedError),
        ("odoo.exceptions.AccessError", "You may not read this", AccessDeniedError),
        ("odoo.exceptions.MissingError", "Record does not exist", MissingRecordError),
        ("odoo.exceptions.UserError", "Not so", PermanentError),
        ("odoo.exceptions.ValidationError", "Not so", PermanentError),
        ("psycopg2.errors.SerializationFailure", "could not serialize access", TransientError),
        ("psycopg2.errors.DeadlockDetected", "deadlock detected", TransientError),
        ("psycopg2.errors.LockNotAvailable", "could not obtain lock", TransientError),
        ("psycopg2.OperationalError", "server closed the connection", TransientError),
        ("psycopg2.OperationalError", 'FATAL: database "shop" does not exist', DatabaseMissingError),
        ("builtins.ValueError", "Invalid field 'mobile' on model 'res.partner'", UnknownFieldError),
    ],
)
async def test_errors_are_known_by_their_names(
    clients: Clients, name: TransportName, error: str, message: str, expected: type[Exception]
) -> None:
    clients.odoo.failures = [OdooError(error, message)]
    with pytest.raises(Exception) as raised:  # noqa: PT011 the exact type is compared
        await clients.call(name)
    # XML-RPC has one number for all errors of users.
    is_numbered = name is TransportName.XMLRPC and expected is MissingRecordError
    assert type(raised.value) is expected or is_numbered
    assert KEY not in str(raised.value)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (PAGE, TransportMovedError),
        (httpx.Response(404, content=b"<html>not found</html>"), TransportMovedError),
        (httpx.Response(200, json=[1, 2]), TransportMovedError),
        (httpx.Response(303, headers={"location": "/web/login"}), TransportMovedError),
        (httpx.Response(301, headers={"location": "https://elsewhere.example.com/"}), NotOdooError),
        (httpx.Response(502, content=b"<html>bad gateway</html>"), TransientError),
        (httpx.Response(429, headers={"retry-after": "7"}), ThrottledError),
        (httpx.Response(503, headers={"retry-after": "7"}), ThrottledError),
        (httpx.Response(503), TransientError),
    ],
)
async def test_what_is_no_answer_of_the_api_is_known_by_its_content(
    clients: Clients, name: TransportName, response: httpx.Response, expected: type[Exception]
) -> None:
    clients.odoo.respond = lambda _: response
    with pytest.raises(Exception) as raised:  # noqa: PT011 the exact type is compared
        await clients.open(name).fetch_version(seconds=5)
    assert type(raised.value) is expected


async def test_a_server_that_does_not_answer_is_asked_again_later() -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    http = OdooHttp(httpx.AsyncClient(transport=httpx.MockTransport(fail)))
    with pytest.raises(TransientError, match="not reached"):
        await http.send("GET", URL, headers={}, seconds=5)
