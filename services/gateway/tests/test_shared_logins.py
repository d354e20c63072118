"""Logins that several connections share: one row each, ended together, encrypted, and deleted with the last of them."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from gateway.applications import create_erasure_service
from gateway.connect.grants import GrantService
from gateway.requesters import Operator
from gateway.tokens.service import TokenResponse, TokenService, hash_token
from platform_sdk.errors import ConnectionEndedError
from platform_sdk.grants import SharedLogin
from platform_sdk.tokens import join_login, split_login

pytestmark = pytest.mark.integration

SECRET = "rita:a password of the library"
ART, LAW, MAPS = "library.test/art", "library.test/law", "library.test/maps"


async def connect(world: Any, *shelves: str, secret: str = SECRET) -> None:
    """Connects these shelves by one sign-in."""
    parts = world.parts
    grants = GrantService(parts.adapters["library"], parts.stores.connections, parts.cipher, parts.sessions)
    await grants.store_for_operator(world.library.build_grants(secret, shelves))


def create_tokens(world: Any) -> TokenService:
    parts = world.parts
    return TokenService(
        parts.stores.connections,
        parts.cipher,
        parts.adapters,
        now=parts.now,
        count_refresh=parts.metrics.count_refresh,
    )


async def request_token(world: Any, shelf: str) -> Any:
    return await world.request_token("library-fetcher", f"library:{shelf}")


async def report_refused(world: Any, shelf: str, token: str) -> Any:
    body = {"connection": f"library:{shelf}", "access_token_sha256": hash_token(token)}
    return await world.call_internal("/internal/tokens/refused", body, "library-fetcher")


async def load_states(world: Any) -> dict[str, str]:
    async with world.database.transaction() as tx:
        rows = await tx.execute(text("SELECT name, state FROM connections"))
        return {row.name.partition(":")[2]: row.state for row in rows}


async def load_logins(world: Any) -> list[Any]:
    async with world.database.transaction() as tx:
        return list(await tx.execute(text("SELECT id, secret, is_refused FROM logins")))


@pytest.mark.parametrize("token", ["", "null", "[]", '["a"]', '["a", 1]', '["a", "b", "c"]', '{"a": "b"}', "a secret"])
def test_a_token_of_another_form_is_not_split_and_not_shown(token: str) -> None:
    assert split_login(join_login('a "secret"\n', "ä/own,part")) == ('a "secret"\n', "ä/own,part")
    with pytest.raises(ValueError, match="not made of") as raised:
        split_login(token)
    assert "secret" not in str(raised.value)


def test_a_shared_login_is_not_shown() -> None:
    assert SECRET not in repr(SharedLogin(SECRET))


async def test_the_accounts_of_a_sign_in_share_one_row_and_each_gets_both_parts(world: Any) -> None:
    await connect(world, ART, LAW)
    assert len(await load_logins(world)) == 1
    for shelf in (ART, LAW):
        response = await request_token(world, shelf)
        assert (response.status_code, split_login(response.json()["access_token"])) == (200, (SECRET, shelf))


async def test_a_refused_token_ends_all_that_share_the_login_and_no_others(world: Any) -> None:
    await connect(world, ART, LAW)
    await connect(world, MAPS)
    await world.drain_outbox()
    token = (await request_token(world, ART)).json()["access_token"]
    response = await report_refused(world, ART, token)
    assert (response.status_code, response.json()) == (409, {"state": "reauthorise"})
    assert await load_states(world) == {ART: "reauthorise", LAW: "reauthorise", MAPS: "connected"}
    events = await world.drain_outbox()
    assert {(event.connection, event.state) for event in events} == {
        (f"library:{shelf}", "reauthorise") for shelf in (ART, LAW)
    }
    assert (await request_token(world, LAW)).status_code == 409
    assert (await request_token(world, MAPS)).status_code == 200


async def test_an_outdated_refusal_changes_nothing(world: Any) -> None:
    await connect(world, ART, LAW, secret="rita:an old password")
    old = (await request_token(world, ART)).json()["access_token"]
    await connect(world, ART, LAW)
    assert split_login((await report_refused(world, ART, old)).json()["access_token"]) == (SECRET, ART)
    assert set((await load_states(world)).values()) == {"connected"}


async def test_two_refusals_at_once_end_each_connection_once(world: Any) -> None:
    await connect(world, ART, LAW, MAPS)
    await world.drain_outbox()
    tokens = {shelf: (await request_token(world, shelf)).json()["access_token"] for shelf in (ART, LAW)}
    responses = await asyncio.gather(*(report_refused(world, *item) for item in tokens.items()))
    assert {response.status_code for response in responses} == {409}
    events = await world.drain_outbox()
    assert sorted((event.connection, event.revision) for event in events) == [
        (f"library:{shelf}", 2) for shelf in (ART, LAW, MAPS)
    ]


async def test_what_a_kill_leaves_connected_ends_at_its_next_request_for_a_token(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await connect(world, ART, LAW, MAPS)
    tokens = create_tokens(world)
    token = (await tokens.get_token(f"library:{ART}")).access_token

    class Killed(BaseException):
        pass

    async def kill(_login: object) -> list[str]:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(world.stores.connections, "list_names_by_login", kill)
        with pytest.raises(Killed):
            await tokens.replace_token(f"library:{ART}", hash_token(token))
    assert await load_states(world) == {ART: "reauthorise", LAW: "connected", MAPS: "connected"}
    with pytest.raises(ConnectionEndedError):
        await tokens.get_token(f"library:{LAW}")
    assert set((await load_states(world)).values()) == {"reauthorise"}


async def test_a_connection_that_is_locked_for_long_holds_no_answer_up(world: Any) -> None:
    await connect(world, ART, LAW, MAPS)
    tokens = create_tokens(world)
    tokens._answer_seconds = 0.3
    token = (await tokens.get_token(f"library:{ART}")).access_token
    async with world.stores.connections.lock(f"library:{LAW}"):
        with pytest.raises(ConnectionEndedError):
            await tokens.replace_token(f"library:{ART}", hash_token(token))
    assert (await load_states(world))[LAW] == "connected"
    assert (await request_token(world, LAW)).status_code == 409
    assert set((await load_states(world)).values()) == {"reauthorise"}


async def test_a_new_sign_in_revives_only_what_it_connects(world: Any) -> None:
    await connect(world, ART, LAW)
    token = (await request_token(world, ART)).json()["access_token"]
    await report_refused(world, ART, token)
    await connect(world, ART)
    assert await load_states(world) == {ART: "connected", LAW: "reauthorise"}
    assert [login.is_refused for login in sorted(await load_logins(world), key=lambda one: one.is_refused)] == [
        False,
        True,
    ]
    assert (await request_token(world, ART)).status_code == 200
    assert (await request_token(world, LAW)).status_code == 409
    await connect(world, LAW)
    assert [login.is_refused for login in await load_logins(world)] == [False, False]


async def test_a_login_is_deleted_with_the_last_connection_that_refers_to_it(world: Any) -> None:
    await connect(world, ART, LAW, MAPS)
    (first,) = await load_logins(world)
    await connect(world, MAPS, secret="rita:another password")
    assert len(await load_logins(world)) == 2
    erasure = create_erasure_service(world.parts)
    await erasure.disconnect_and_remove_app(f"library:{ART}", Operator())
    assert first.id in {login.id for login in await load_logins(world)}
    await erasure.delete_and_remove_app(f"library:{LAW}", Operator())
    assert first.id not in {login.id for login in await load_logins(world)}
    await connect(world, MAPS)
    assert len(await load_logins(world)) == 1
    await erasure.delete_and_remove_app(f"library:{MAPS}", Operator())
    assert await load_logins(world) == []


async def test_the_last_two_that_leave_a_login_at_once_leave_none_behind(world: Any) -> None:
    erasure = create_erasure_service(world.parts)
    for _ in range(5):
        await connect(world, ART, LAW)
        await asyncio.gather(
            *(erasure.disconnect_and_remove_app(f"library:{shelf}", Operator()) for shelf in (ART, LAW))
        )
        assert await load_logins(world) == []


async def test_logins_are_encrypted_under_new_keys_when_they_are_used(world: Any, make_settings: Any) -> None:
    await connect(world, ART, LAW)
    old = world.settings.token_encryption_keys["k1"]
    both = make_settings().model_copy(update={"token_encryption_keys": {"k2": b"n" * 32, "k1": old}})
    world.restart(both)
    responses = await asyncio.gather(*(request_token(world, shelf) for shelf in (ART, LAW)))
    assert [split_login(one.json()["access_token"]) for one in responses] == [(SECRET, ART), (SECRET, LAW)]
    assert "k1." not in await world.dump_database()
    world.restart(both.model_copy(update={"token_encryption_keys": {"k2": b"n" * 32}}))
    assert (await request_token(world, ART)).status_code == 200


async def test_a_missing_key_holds_the_connections_until_it_is_back(world: Any, make_settings: Any) -> None:
    await connect(world, ART)
    both = make_settings().model_copy(update={"token_encryption_keys": {"k2": b"n" * 32}})
    world.restart(both)
    response = await request_token(world, ART)
    assert (response.status_code, "TOKEN_ENCRYPTION_KEYS" in response.json()["reason"]) == (424, True)
    world.restart(make_settings())
    assert (await request_token(world, ART)).status_code == 200
    async with world.database.transaction() as tx:
        await tx.execute(text("UPDATE logins SET secret = (SELECT access_token FROM connections)"))
    response = await request_token(world, ART)
    assert (response.status_code, "login cannot be decrypted" in response.json()["reason"]) == (424, True)


async def test_no_row_log_or_event_has_the_secret(world: Any, capsys: pytest.CaptureFixture[str]) -> None:
    await connect(world, ART, LAW)
    dump = await world.dump_database()
    token = await create_tokens(world).get_token(f"library:{ART}")
    assert isinstance(token, TokenResponse)
    row = await world.stores.connections.find(f"library:{ART}")
    shown = [dump, repr(token), repr(row), str(await world.drain_outbox())]
    await report_refused(world, ART, token.access_token)
    captured = capsys.readouterr()
    shown += [captured.out, captured.err]
    for part in ("a password of the library", row.login.secret):
        assert part not in "".join(shown[1:])
    assert "a password of the library" not in dump
