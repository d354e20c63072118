"""The accounts that an installation's settings name: connected at the start, once, and left as they are afterwards."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from fake_platforms import FakeOwnShelves
from gateway.applications import create_erasure_service, create_own_accounts_connectors
from gateway.connect.grants import OPERATOR_MERCHANT
from gateway.connect.own_accounts import OwnAccountsConnector, connect_own_accounts
from gateway.requesters import Operator
from gateway.tokens.service import hash_token
from platform_sdk.errors import PermanentError, RequestRejectedError, TransientError
from platform_sdk.tokens import split_login

pytestmark = pytest.mark.integration

ART, LAW = "library.test/art", "library.test/law"
NAMES = [f"library:{shelf}" for shelf in (ART, LAW)]


class Installation:
    """A gateway whose settings name two shelves, with the time of a monotonic clock."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.own = world.library.own_accounts = FakeOwnShelves(world.library, ART, LAW)
        self.seconds = 0.0
        self.start()

    def start(self) -> None:
        """Starts the gateway again."""
        self.world.restart(self.world.settings)
        (self.connector,) = create_own_accounts_connectors(self.world.parts)
        self.connector._elapsed = lambda: self.seconds

    async def wait(self, seconds: float) -> None:
        self.seconds += seconds
        assert await connect_own_accounts([self.connector]) is False

    async def load_revisions(self) -> dict[str, int]:
        rows = await self.world.stores.connections.find_many(NAMES)
        return {row.name: row.revision for row in rows}

    async def request_token(self, shelf: str = ART) -> Any:
        return await self.world.request_token("library-fetcher", f"library:{shelf}")


@pytest.fixture
def installation(world: Any) -> Installation:
    return Installation(world)


def test_a_platform_without_own_accounts_has_no_connector(world_without_database: Any) -> None:
    assert create_own_accounts_connectors(world_without_database.parts) == []


async def test_they_are_connected_once_for_the_operator(world: Any, installation: Installation) -> None:
    await installation.wait(0)
    await installation.wait(3600)
    assert installation.own.requests == 1
    events = await world.drain_outbox()
    assert [(event.connection, event.merchant, event.state) for event in events] == [
        (name, OPERATOR_MERCHANT, "connected") for name in NAMES
    ]
    token = (await installation.request_token()).json()["access_token"]
    assert split_login(token) == (installation.own.login, ART)
    assert await world.count_rows("logins") == 1


async def test_they_belong_to_the_merchant_that_is_named(world: Any, installation: Installation) -> None:
    installation.own.merchant = uuid4()
    await installation.wait(0)
    assert {event.merchant for event in await world.drain_outbox()} == {installation.own.merchant}


async def test_a_new_start_leaves_them_as_they_are(world: Any, installation: Installation) -> None:
    await installation.wait(0)
    await world.drain_outbox()
    installation.start()
    await installation.wait(0)
    assert installation.own.requests == 2
    assert await world.drain_outbox() == []
    assert set((await installation.load_revisions()).values()) == {1}
    assert await world.count_rows("logins") == 1


async def test_only_what_differs_is_granted_anew(world: Any, installation: Installation) -> None:
    await installation.wait(0)
    await world.stores.connections.find(NAMES[0])
    installation.own.shelves = (ART,)
    installation.own.login = "own:a new password"
    installation.start()
    await installation.wait(0)
    assert await installation.load_revisions() == {NAMES[0]: 2, NAMES[1]: 1}
    assert await world.count_rows("logins") == 2
    token = (await installation.request_token()).json()["access_token"]
    assert split_login(token)[0] == "own:a new password"


async def test_what_is_not_live_any_more_is_granted_anew(world: Any, installation: Installation) -> None:
    await installation.wait(0)
    token = (await installation.request_token()).json()["access_token"]
    body = {"connection": NAMES[0], "access_token_sha256": hash_token(token)}
    assert (await world.call_internal("/internal/tokens/refused", body, "library-fetcher")).status_code == 409
    assert (await installation.request_token(LAW)).status_code == 409
    installation.start()
    await installation.wait(0)
    assert [(await installation.request_token(shelf)).status_code for shelf in (ART, LAW)] == [200, 200]
    assert await world.count_rows("logins") == 1


async def test_an_account_that_a_merchant_has_connected_stays_that_merchants(
    world: Any, installation: Installation
) -> None:
    body = {"reader": "rita", "password": "a password of the library", "accounts": {ART: {}}}
    merchant = UUID((await world.browser.post("/library/connect", json=body)).json()["user_uuid"])
    await installation.wait(0)
    rows = await world.stores.connections.find_many(NAMES)
    assert {row.name: row.merchant for row in rows} == {NAMES[0]: merchant, NAMES[1]: OPERATOR_MERCHANT}


async def test_two_processes_connect_them_once(world: Any, installation: Installation) -> None:
    first = installation.connector
    installation.start()
    await asyncio.gather(connect_own_accounts([first]), connect_own_accounts([installation.connector]))
    assert sorted(event.connection for event in await world.drain_outbox()) == NAMES
    assert set((await installation.load_revisions()).values()) == {1}


@pytest.mark.parametrize("error", [RequestRejectedError(400, "wrong password"), PermanentError("wrong password")])
async def test_a_refusal_is_logged_and_not_tried_again_until_the_next_start(
    world: Any, installation: Installation, error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    installation.own.error = error
    for _ in range(5):
        await installation.wait(3600)
    assert installation.own.requests == 1
    assert capsys.readouterr().out.count("wrong password") == 1
    assert await world.count_rows("connections") == 0
    installation.own.error = None
    installation.start()
    await installation.wait(0)
    assert await world.count_rows("connections") == 2


async def test_a_platform_that_does_not_answer_is_asked_each_minute_and_logged_now_and_then(
    world: Any, installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    installation.own.error = TransientError("Library does not answer")
    for _ in range(12):
        await installation.wait(59)
        await installation.wait(1)
    assert installation.own.requests == 12
    assert capsys.readouterr().out.count("Library does not answer") == 2
    installation.own.error = TransientError("Library answers HTTP 503")
    await installation.wait(60)
    assert "HTTP 503" in capsys.readouterr().out
    installation.own.error = None
    await installation.wait(60)
    assert await world.count_rows("connections") == 2
    assert installation.own.login not in capsys.readouterr().out


async def test_a_stored_token_that_cannot_be_decrypted_is_no_reason_to_give_up(
    world: Any, installation: Installation, make_settings: Any
) -> None:
    await installation.wait(0)
    good = world.settings
    world.settings = make_settings().model_copy(update={"token_encryption_keys": {"k2": b"n" * 32}})
    installation.start()
    await installation.wait(0)
    assert set((await installation.load_revisions()).values()) == {1}
    world.settings = good
    installation.start()
    await installation.wait(60)
    assert set((await installation.load_revisions()).values()) == {1}
    assert isinstance(installation.connector, OwnAccountsConnector)


async def test_they_are_connected_again_after_a_disconnection_at_the_next_start(
    world: Any, installation: Installation
) -> None:
    await installation.wait(0)
    erasure = create_erasure_service(world.parts)
    await erasure.disconnect_and_remove_app(NAMES[0], Operator())
    installation.start()
    await installation.wait(0)
    assert await installation.load_revisions() == {NAMES[0]: 3, NAMES[1]: 1}
