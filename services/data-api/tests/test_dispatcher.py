"""The dispatcher: what it checks of a request before an operation's handler is called, and how it answers."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest
from pydantic import BaseModel, Field
from structlog.testing import capture_logs

from api_builders import ACME, KEY, OPERATOR_KEY, make_access, make_key, make_keys, make_operator_key, make_state
from data_api.addresses import build_connection_path
from data_api.asgi.access_log import AccessLog
from data_api.asgi.cors import Cors
from data_api.asgi.dispatcher import OperationDispatcher
from data_api.asgi.errors import RequestError
from data_api.asgi.operations import Answer, Operation, PathParameter
from data_api.asgi.requests import Request
from data_api.asgi.responses import Response, StreamedResponse, respond_json
from data_api.asgi.router import Router
from data_api.key_limits import KeyLimits
from messaging.errors import UnavailableError

KEYED = {"X-API-Key": KEY}
ORIGIN = "https://shop.example"


class Paging(BaseModel):
    limit: int = Field(default=100, ge=1, le=250)


class Wanted(BaseModel):
    records: dict[str, list[str]] = {}
    count: int = 0
    is_full: bool = False


async def show(request: Request) -> Response:
    caller = request.caller
    return respond_json({"parameters": request.path_parameters, "by": caller.label, "limit": request.parameters.limit})


async def order(request: Request) -> Response:
    return respond_json(request.body.model_dump(), 202)


async def stream(request: Request) -> StreamedResponse:
    async def count() -> AsyncIterator[bytes]:
        yield b"one,"
        yield b"two"

    return StreamedResponse(200, [(b"content-type", b"text/plain")], count())


async def fail(request: Request) -> Response:
    match request.path_parameters["why"]:
        case "postgres":
            raise UnavailableError("Postgres: role data_api cannot log in at 10.1.2.3")
        case "gone":
            raise RequestError(410, "read anew", restart="/v1/x")
        case _:
            raise RuntimeError("our own fault")


WHY = PathParameter("why", "Why it fails.", "gone")
NAME = PathParameter("connection", "The name of a connection.", ACME)
DONE = {200: Answer("Done.", schema={})}
OPERATIONS = [
    Operation("GET", "/v1/x/{connection}", "show", "Show", show, DONE, "x", path_parameters=(NAME,), parameters=Paging),
    Operation("GET", "/v1/x/{connection}/stream", "stream", "Stream", stream, DONE, "x", path_parameters=(NAME,)),
    Operation("POST", "/v1/x", "order", "Order", order, DONE, "x", scope="refresh", body=Wanted, max_body_bytes=100),
    Operation("DELETE", "/v1/x", "manage", "Manage", order, DONE, "x", scope="manage"),
    Operation("GET", "/v1/fail/{why}", "fail", "Fail", fail, DONE, "x", path_parameters=(WHY,)),
    Operation("GET", "/fail/{why}", "fail_plainly", "Fail", fail, DONE, "x", path_parameters=(WHY,), errors="plain"),
]


class Api:
    """The operations above with a client, and what was counted of its requests."""

    def __init__(self, requests_per_minute: int = 600) -> None:
        self.state = make_state()
        self.written: list[str] = []
        self.counted: list[tuple[str, int]] = []
        self.dispatcher = OperationDispatcher(
            OPERATIONS,
            make_access(self.state, make_operator_key()),
            KeyLimits(requests_per_minute, clock=lambda: 0.0),
            Cors([ORIGIN]),
            access_log=AccessLog("data-api", self.written.append),
            count_request=lambda operation, status, _seconds: self.counted.append((operation, status)),
            on_use=lambda caller: None,
        )
        transport = httpx.ASGITransport(self.dispatcher, raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://api.test", headers=KEYED)

    def read_log(self) -> list[dict[str, Any]]:
        """Return the lines of the access log."""
        self.dispatcher._access_log.flush()
        return [orjson.loads(line) for line in "".join(self.written).splitlines()]

    async def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        return await self.client.request(method, path, **options)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-API-Key": KEY}, 200),
        ({"X-API-Key": "", "Authorization": f"Bearer {KEY}"}, 200),
        ({"Authorization": f"bearer {KEY}"}, 200),
        ({"X-API-Key": OPERATOR_KEY}, 200),
        ({"X-API-Key": ""}, 401),
        ({"X-API-Key": "msk_other"}, 401),
        ({"X-API-Key": "", "Authorization": f"Basic {KEY}"}, 401),
        ({"Authorization": "Bearer msk_other"}, 400),
    ],
)
async def test_a_key_comes_in_one_of_two_headers(headers: dict[str, str], status: int) -> None:
    response = await Api().request("GET", f"/v1/x/{ACME}", headers=headers)
    assert response.status_code == status
    assert ("www-authenticate" in response.headers) == (status == 401)


@pytest.mark.parametrize("query", [f"key={KEY}", "api_key=x", "Access_Token=x", f"anything={KEY}"])
async def test_a_key_in_an_address_is_refused_and_logged_nowhere(query: str) -> None:
    api = Api()
    with capture_logs() as lines:
        response = await api.request("GET", f"/v1/x/{ACME}?{query}")
        lines += api.read_log()
    assert response.status_code == 400 and "never sent in an address" in response.json()["detail"]
    assert KEY not in response.text and KEY not in str(lines)
    assert [line["path"] for line in lines] == ["/v1/x/{connection}"]


async def test_requests_are_logged_with_the_keys_prefix_and_without_the_address() -> None:
    api = Api()
    await api.request("GET", f"/v1/x/{ACME}?limit=7")
    lines = api.read_log()
    shown = [(line["event"], line["method"], line["path"], line["status"], line["key"]) for line in lines]
    assert shown == [("request", "GET", "/v1/x/{connection}", 200, KEY[:8])]
    assert set(lines[0]) == {"event", "method", "path", "status", "key", "ms", "service", "level", "timestamp"}
    assert ACME not in str(lines) and "limit" not in str(lines) and KEY not in str(lines)
    assert api.counted == [("show", 200)]


async def test_lines_of_the_access_log_are_written_in_time_without_further_requests() -> None:
    api = Api()
    await api.request("GET", "/none")
    assert api.written == []
    async with asyncio.timeout(20):
        while not api.written:
            await asyncio.sleep(0.01)


async def test_a_key_without_the_scope_is_refused() -> None:
    api = Api()
    assert (await api.request("DELETE", "/v1/x")).status_code == 403
    api.state.apply_keys(make_keys(make_key(scopes=("read",)), revision=2))
    response = await api.request("POST", "/v1/x")
    assert (response.status_code, response.json()["detail"]) == (403, "the key lacks the scope refresh")


async def test_a_segment_of_the_path_may_hold_an_escaped_slash() -> None:
    api = Api()
    for escaped, name in ((ACME, ACME), ("a%2Fb", "a/b"), ("%D0%BA", "к")):
        response = await api.request("GET", f"/v1/x/{escaped}")
        assert response.json()["parameters"] == {"connection": name}
    assert (await api.request("GET", "/v1/x/a/b")).status_code == 404
    assert (await api.request("GET", "/v1/x/")).status_code == 404


@pytest.mark.parametrize(("query", "status"), [("", 200), ("limit=250", 200), ("limit=251", 400), ("limit=a", 400)])
async def test_query_parameters_are_those_of_the_model(query: str, status: int) -> None:
    response = await Api().request("GET", f"/v1/x/{ACME}?{query}")
    assert response.status_code == status
    if status == 400:
        assert response.json()["detail"].startswith("limit: ")


async def test_a_query_parameter_that_comes_twice_is_refused() -> None:
    assert (await Api().request("GET", f"/v1/x/{ACME}?limit=1&limit=2")).status_code == 400


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({}, 202),
        ({"json": {"records": {"products": ["1"]}}}, 202),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 400),
        ({"json": {"records": 7}}, 400),
        ({"json": {"count": 1, "is_full": True}}, 202),
        ({"json": {"count": "1"}}, 400),
        ({"json": {"is_full": 1}}, 400),
        ({"content": b"{}", "headers": {"content-type": "text/plain"}}, 415),
        ({"content": b"[" * 101}, 413),
    ],
)
async def test_bodies_are_those_of_the_model(options: dict[str, Any], status: int) -> None:
    assert (await Api().request("POST", "/v1/x", **options)).status_code == status


async def test_head_answers_as_get_does_without_a_body() -> None:
    api = Api()
    get, head = [await api.request(method, f"/v1/x/{ACME}") for method in ("GET", "HEAD")]
    assert (head.status_code, head.headers, head.content) == (200, get.headers, b"")
    assert (await api.request("HEAD", f"/v1/x/{ACME}/stream")).content == b""
    assert (await api.request("GET", f"/v1/x/{ACME}/stream")).content == b"one,two"


async def test_another_method_is_told_which_are_allowed() -> None:
    api = Api()
    response = await api.request("DELETE", f"/v1/x/{ACME}")
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert (await api.request("OPTIONS", "/v1/x")).headers["allow"] == "DELETE, OPTIONS, POST"


async def test_errors_are_problems_in_v1_and_plain_elsewhere() -> None:
    api = Api()
    problem = await api.request("GET", "/v1/fail/gone")
    assert problem.headers["content-type"] == "application/problem+json"
    detail = {"type": "about:blank", "title": "Gone", "status": 410, "detail": "read anew", "restart": "/v1/x"}
    assert problem.json() == detail
    plain = await api.request("GET", "/fail/gone")
    assert plain.json() == {"status": "error", "message": "read anew", "restart": "/v1/x"}
    assert (await api.request("GET", "/v1/none")).json()["status"] == 404
    assert (await api.request("GET", "/none")).json()["status"] == "error"


async def test_what_does_not_answer_is_a_503_that_shows_no_internal_name() -> None:
    response = await Api().request("GET", "/v1/fail/postgres")
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")
    assert "10.1.2.3" not in response.text


async def test_an_error_of_our_own_is_counted_as_500() -> None:
    api = Api()
    assert (await api.request("GET", "/v1/fail/else")).status_code == 500
    assert api.counted == [("fail", 500)]


async def test_a_key_beyond_its_requests_a_minute_is_told_when_to_come_back() -> None:
    api = Api(requests_per_minute=3)
    statuses = [(await api.request("GET", f"/v1/x/{ACME}")).status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    response = await api.request("GET", f"/v1/x/{ACME}")
    assert response.headers["retry-after"] == "20"
    assert response.headers["ratelimit-policy"] == '"requests";q=3;w=60'
    assert response.headers["ratelimit"] == '"requests";r=0;t=20'
    assert (await api.request("GET", f"/v1/x/{ACME}", headers={"X-API-Key": OPERATOR_KEY})).status_code == 200


async def test_pages_of_configured_origins_may_call_with_a_key() -> None:
    api = Api()
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "GET", "X-API-Key": ""}
    preflight = await api.request("OPTIONS", f"/v1/x/{ACME}", headers=asked)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    assert "x-api-key" in preflight.headers["access-control-allow-headers"]
    assert "POST" in preflight.headers["access-control-allow-methods"]
    response = await api.request("GET", f"/v1/x/{ACME}", headers={"Origin": ORIGIN})
    assert response.headers["access-control-allow-origin"] == ORIGIN
    foreign = await api.request("GET", f"/v1/x/{ACME}", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in foreign.headers and foreign.headers["vary"] == "origin"
    unauthorized = await api.request("GET", f"/v1/x/{ACME}", headers={"Origin": ORIGIN, "X-API-Key": ""})
    assert (unauthorized.status_code, unauthorized.headers["access-control-allow-origin"]) == (401, ORIGIN)


def test_a_name_with_slashes_is_one_escaped_segment_of_a_path() -> None:
    name = "shop:a.test/1/stream"
    path = build_connection_path(name)
    assert path == "/v1/connections/shop:a.test%2F1%2Fstream"
    match = Router(OPERATIONS).find(path.replace("connections", "x").encode() + b"/stream")
    assert match is not None
    assert (match.parameters, match.operations["GET"].summary) == ({"connection": name}, "Stream")
