"""A session keeps to the server's pace, repeats what may pass, and replaces a key that is refused."""

from uuid import uuid4

import httpx
import pytest

from platform_sdk.errors import (
    AccessDeniedError,
    AccountBlockedError,
    ConnectionEndedError,
    PermanentError,
    RetryLaterError,
)
from platform_sdk.session import FULL, SyncContext
from platform_sdk.tokens import AccessToken
from platforms.odoo.client import KnownTransports
from platforms.odoo.http import OdooHttp
from platforms.odoo.logins import OdooLogin, TransportName
from platforms.odoo.rate_limit import CALLS_AT_ONCE, RateLimits
from platforms.odoo.session import BUSY_SECONDS, UNKNOWN_OUTCOME_SECONDS, OdooSession
from platforms.odoo.tests.server import KEY, UID, URL, OdooError, SimulatedOdoo, build_login

BUSY = OdooError("psycopg2.errors.SerializationFailure", "could not serialize access")
DENIED = OdooError("odoo.exceptions.AccessError", "You may not")
UNKNOWN = OdooError("builtins.ValueError", "Invalid field 'mobile' on model 'res.partner'")


def build_token(login: OdooLogin) -> AccessToken:
    return AccessToken("odoo:odoo.example.com/shop", 1, login.encode())


class World:
    """A session at a simulated Odoo, with a clock that moves when somebody sleeps. `replacement` is the next token."""

    def __init__(self, odoo: SimulatedOdoo, *, url: str = URL, limits: RateLimits | None = None) -> None:
        self.odoo, self.now = odoo, 1000.0
        self.sleeps: list[float] = []
        self.replacement: OdooLogin | None = None
        login = build_login(url=url, transport=TransportName.JSONRPC, version="18.0", uid=UID)
        self.context = SyncContext(build_token(login), uuid4(), FULL, self.replace_token, self.refresh_token)
        self.limits = limits or RateLimits(calls_per_second=1)
        known = KnownTransports(lambda: self.now)
        self.session = OdooSession(
            OdooHttp(odoo.open_http()),
            self.context,
            self.limits,
            known,
            elapsed=lambda: self.now,
            sleep=self.sleep,
        )

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds

    async def replace_token(self, rejected: AccessToken) -> AccessToken:
        assert rejected == self.context.token
        if self.replacement is None:
            raise ConnectionEndedError("reauthorise")
        return build_token(self.replacement)

    async def refresh_token(self) -> AccessToken:
        return self.context.token


async def test_calls_are_counted_and_give_records() -> None:
    world = World(SimulatedOdoo())
    assert await world.session.authenticate() == UID
    assert (await world.session.search_read("res.company", [], ["name"]))[0]["name"] == "Acme"
    assert world.context.calls == 2


async def test_what_may_pass_is_repeated() -> None:
    world = World(SimulatedOdoo(failures=[BUSY, BUSY]))
    assert await world.session.search_count("res.company", [])
    assert len(world.sleeps) == 2


async def test_what_does_not_pass_is_postponed() -> None:
    world = World(SimulatedOdoo(failures=[BUSY] * 9))
    with pytest.raises(RetryLaterError, match="busy"):
        await world.session.search_count("res.company", [])


async def test_a_refused_key_is_replaced_by_the_new_one() -> None:
    world = World(SimulatedOdoo(key="new-key"))
    world.replacement = build_login(key="new-key", transport=TransportName.JSONRPC, version="18.0", uid=UID)
    assert await world.session.search_count("res.company", [])
    assert world.session.login.key == "new-key"


async def test_a_refused_key_without_a_new_one_ends_the_connection_after_one_call() -> None:
    world = World(SimulatedOdoo(key="new-key"))
    with pytest.raises(ConnectionEndedError):
        await world.session.authenticate()
    refused = [request for request in world.odoo.requests if KEY.encode() in request.content]
    assert len(refused) == 1


async def test_rights_and_other_refusals_are_not_repeated() -> None:
    world = World(SimulatedOdoo(failures=[DENIED, OdooError("odoo.exceptions.UserError", "No")]))
    with pytest.raises(AccessDeniedError):
        await world.session.search_count("res.company", [])
    with pytest.raises(PermanentError, match="refuses the call: No"):
        await world.session.search_count("res.company", [])
    assert world.context.calls == 2


async def test_a_database_that_is_gone_blocks_the_account() -> None:
    missing = OdooError("psycopg2.OperationalError", 'FATAL:  database "shop" does not exist')
    with pytest.raises(AccountBlockedError, match="not at its address"):
        await World(SimulatedOdoo(failures=[missing])).session.search_count("res.company", [])


async def test_fields_are_asked_for_again_after_one_is_gone() -> None:
    world = World(SimulatedOdoo())
    await world.session.get_fields("res.partner")
    world.odoo.failures = [UNKNOWN]
    with pytest.raises(RetryLaterError, match="Invalid field"):
        await world.session.search_read("res.partner", [], ["mobile"])
    await world.session.get_fields("res.partner")
    assert [call[1] for call in world.odoo.calls].count("fields_get") == 2


async def test_a_database_at_odoo_gets_one_call_a_second() -> None:
    world = World(SimulatedOdoo(), url="https://acme.odoo.com")
    for _ in range(3):
        await world.session.search_count("res.company", [])
    assert world.sleeps == [1.0, 1.0]


async def test_any_other_server_gets_calls_without_pauses() -> None:
    world = World(SimulatedOdoo())
    for _ in range(9):
        await world.session.search_count("res.company", [])
    assert world.sleeps == []


async def test_a_server_that_asks_to_wait_is_left_alone_by_all_sessions() -> None:
    first = World(SimulatedOdoo(respond=lambda _: httpx.Response(429)))
    with pytest.raises(RetryLaterError) as raised:
        await first.session.search_count("res.company", [])
    assert (raised.value.throttled, raised.value.seconds) == (True, BUSY_SECONDS)
    second = World(SimulatedOdoo(), limits=first.limits)
    with pytest.raises(RetryLaterError):
        await second.session.search_count("res.company", [])
    assert second.odoo.requests == []


async def test_so_many_calls_at_once_are_allowed() -> None:
    limit = RateLimits(1).get(URL)
    async with limit.take_slot(0.0), limit.take_slot(0.0), limit.take_slot(0.0), limit.take_slot(0.0):
        assert CALLS_AT_ONCE == 4
    assert RateLimits(1).get("https://a.odoo.com") is not RateLimits(1).get("https://b.odoo.com")


async def test_a_call_that_changes_something_is_not_made_again_where_its_outcome_is_unknown() -> None:
    pages = World(SimulatedOdoo(respond=lambda _: httpx.Response(200, text="cut")))
    for world in (World(SimulatedOdoo(failures=[BUSY] * 9)), pages):
        with pytest.raises(RetryLaterError) as raised:
            await world.session.call_once("res.partner", "write", [1], vals={"name": "A"})
        assert (raised.value.throttled, raised.value.seconds) == (False, UNKNOWN_OUTCOME_SECONDS)
        assert (len(world.odoo.requests), world.sleeps) == (1, [])


async def test_a_call_that_changes_something_is_made_with_the_new_key_and_waits_as_long_as_the_server_says() -> None:
    world = World(SimulatedOdoo(key="new-key"))
    world.replacement = build_login(key="new-key", transport=TransportName.JSONRPC, version="18.0", uid=UID)
    await world.session.call_once("res.partner", "write", [1], vals={"name": "A"})
    assert world.session.login.key == "new-key"
    slow = World(SimulatedOdoo(respond=lambda _: httpx.Response(503, headers={"retry-after": "7"})))
    with pytest.raises(RetryLaterError) as raised:
        await slow.session.call_once("res.partner", "write", [1], vals={"name": "A"})
    assert (raised.value.throttled, raised.value.seconds, len(slow.odoo.requests)) == (True, 7, 1)
