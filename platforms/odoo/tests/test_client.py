"""Which API is used follows from what answers, and is found out again when something else does."""

import httpx
import pytest

from platform_sdk.errors import TransientError
from platforms.odoo.client import VERSION_SECONDS, KnownTransports, OdooClient
from platforms.odoo.errors import DatabaseMissingError, KeyRefusedError, NotOdooError
from platforms.odoo.http import OdooHttp
from platforms.odoo.logins import OdooLogin, TransportName
from platforms.odoo.tests.server import PAGE, UID, SimulatedOdoo, build_login

JSON2, JSONRPC, XMLRPC = TransportName


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class World:
    """A client of a simulated Odoo, and what its process knows."""

    def __init__(self, odoo: SimulatedOdoo, login: OdooLogin | None = None) -> None:
        self.odoo, self.clock = odoo, Clock()
        self.known = KnownTransports(self.clock)
        self.client = OdooClient(OdooHttp(odoo.open_http()), login or build_login(), self.known)

    async def find(self) -> TransportName:
        await self.client.authenticate()
        return (await self.client.find_transport()).name

    def list_paths(self) -> list[str]:
        return [request.url.path for request in self.odoo.requests]


@pytest.mark.parametrize(
    ("apis", "expected"),
    [({JSON2, JSONRPC, XMLRPC}, JSON2), ({JSONRPC, XMLRPC}, JSONRPC), ({XMLRPC}, XMLRPC)],
)
async def test_the_newest_api_that_answers_is_used(apis: set[TransportName], expected: TransportName) -> None:
    assert await World(SimulatedOdoo(apis=apis)).find() is expected


async def test_a_known_api_is_used_without_trying_the_others() -> None:
    world = World(SimulatedOdoo(), build_login(transport=JSONRPC, version="18.0", uid=UID))
    await world.client.search_count("res.company", [])
    assert world.list_paths() == ["/jsonrpc"]


async def test_a_wrong_key_is_tried_once() -> None:
    world = World(SimulatedOdoo(apis=set(TransportName), key="another"))
    with pytest.raises(KeyRefusedError):
        await world.client.authenticate()
    assert [path for path in world.list_paths() if path.startswith("/json/2")] == ["/json/2/res.users/context_get"]
    assert "/jsonrpc" not in world.list_paths()


async def test_a_database_that_is_not_there_is_said_to_be_missing() -> None:
    with pytest.raises(DatabaseMissingError):
        await World(SimulatedOdoo(), build_login(database="other")).client.authenticate()


async def test_what_is_no_odoo_is_refused() -> None:
    with pytest.raises(NotOdooError, match="shows no Odoo"):
        await World(SimulatedOdoo(apis=set())).client.authenticate()


async def test_a_server_that_fails_is_not_said_to_be_no_odoo() -> None:
    world = World(SimulatedOdoo(respond=lambda _: httpx.Response(502)))
    with pytest.raises(TransientError, match="HTTP 502"):
        await world.client.authenticate()


async def test_a_page_instead_of_an_answer_leads_to_the_api_that_answers_now() -> None:
    world = World(SimulatedOdoo(version="19.0", apis={JSON2}), build_login(transport=JSONRPC, version="18.0", uid=UID))
    assert await world.client.search_read("res.company", [], ["name"])
    assert (await world.client.find_transport()).name is JSON2
    world.odoo.apis, world.odoo.version = {JSONRPC}, "18.0"
    assert await world.client.search_read("res.company", [], ["name"])
    assert (await world.client.find_transport()).name is JSONRPC


async def test_a_newer_version_that_still_speaks_the_older_api_is_noticed() -> None:
    world = World(SimulatedOdoo(), build_login(transport=JSONRPC, version="18.0", uid=UID))
    assert await world.find() is JSONRPC
    world.odoo.apis, world.odoo.version = {JSON2, JSONRPC}, "19.0"
    assert await world.find() is JSONRPC
    world.clock.seconds += VERSION_SECONDS
    assert await world.find() is JSON2
    assert (await world.client.find_transport()).version == "19.0"


async def test_a_server_that_shows_pages_for_a_while_is_asked_again_later() -> None:
    world = World(SimulatedOdoo(respond=lambda _: PAGE), build_login(transport=JSONRPC, version="18.0", uid=UID))
    with pytest.raises(TransientError, match="pages instead of answers"):
        await world.client.search_count("res.company", [])
    world.odoo.respond = lambda _: None
    assert await world.client.search_count("res.company", [])


async def test_fields_are_asked_for_once_until_another_api_answers() -> None:
    world = World(SimulatedOdoo(), build_login(transport=JSONRPC, version="18.0", uid=UID))
    for _ in range(2):
        assert "id" in await world.client.get_fields("res.company")
    assert [call[1] for call in world.odoo.calls] == ["fields_get"]
    world.odoo.apis = {JSON2}
    await world.client.search_count("res.company", [])
    await world.client.get_fields("res.company")
    assert [call[1] for call in world.odoo.calls].count("fields_get") == 2


async def test_no_ids_are_read_without_a_call() -> None:
    world = World(SimulatedOdoo())
    assert await world.client.read("res.company", [], ["name"]) == []
    assert world.odoo.requests == []
