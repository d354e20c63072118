"""Tokens: who may have them, one refresh for fifty callers, what heals, what revokes, and that none is ever seen."""

import asyncio
import time
from typing import Any

import pytest
from sqlalchemy import text

from database.pool import Database
from gateway.tokens.encryption import TokenCipher
from gateway.tokens.service import TokenService, hash_token
from platform_sdk.errors import TransientError

pytestmark = pytest.mark.integration

NAME = "shopify:acme.myshopify.com"


async def refuse(world: Any, token: str) -> Any:
    body = {"connection": NAME, "access_token_sha256": hash_token(token)}
    return await world.ask("/internal/tokens/refused", body)


async def test_a_fetcher_gets_its_platforms_token(world: Any) -> None:
    await world.connect()
    answer = await world.token()
    assert answer.status_code == 200
    assert answer.json()["epoch"] == 1
    assert answer.json()["access_token"] in world.shopify.good_access
    assert answer.json()["expires_at"] > 0


async def test_a_fetcher_of_another_platform_is_refused(world: Any) -> None:
    await world.connect()
    assert (await world.token("facebook-fetcher")).status_code == 403
    assert (await world.token("scheduler")).status_code == 403
    assert (await world.service.post("/internal/tokens", json={"connection": NAME})).status_code == 401
    for wrong in ("Bearer wrong", "Basic " + "s" * 20, "s" * 20, "Bearer "):
        answer = await world.service.post(
            "/internal/tokens", json={"connection": NAME}, headers={"Authorization": wrong}
        )
        assert answer.status_code == 401


async def test_the_internal_endpoints_are_not_on_the_public_listener(world: Any) -> None:
    await world.connect()
    answer = await world.browser.post("/internal/tokens", json={"connection": NAME})
    assert answer.status_code == 404


async def test_an_unknown_connection_is_404(world: Any) -> None:
    assert (await world.token()).status_code == 404
    assert (await refuse(world, "x")).status_code == 404


async def test_fifty_callers_cause_one_refresh(world: Any) -> None:
    await world.connect()
    await world.expire()
    answers = await asyncio.gather(*(world.token() for _ in range(50)))
    assert world.shopify.refreshes == 1
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["access_token"] for answer in answers}) == 1


async def test_two_gateways_cause_one_refresh(world: Any) -> None:
    await world.connect()
    await world.expire()
    first = world.token()
    service = world.service
    world.restart(world.settings)
    assert world.service is not service
    answers = await asyncio.gather(first, *(world.token() for _ in range(3)))
    assert world.shopify.refreshes == 1
    assert {answer.status_code for answer in answers} == {200}


async def test_a_refresh_whose_answer_was_lost_heals(world: Any) -> None:
    await world.connect()
    await world.expire()
    world.shopify.lose_answers = 1
    assert (await world.token()).status_code == 424
    assert (await world.token()).status_code == 200


async def test_a_token_with_a_minute_left_serves_while_shopify_is_away(world: Any) -> None:
    world.shopify.lifetime = 90
    await world.connect()
    world.shopify.down = True
    assert (await world.token()).status_code == 200
    await world.expire()
    answer = await world.token()
    assert answer.status_code == 424
    assert answer.json() == {"reason": "Shopify does not answer", "retry_after": 30}


async def test_a_shop_that_is_gone_is_its_own_trouble_and_no_other_connections(world: Any) -> None:
    await world.connect()
    await world.connect(shop="other")
    token = (await world.token()).json()["access_token"]
    await world.expire()
    world.shopify.gone = {"acme.myshopify.com"}
    assert (await world.token()).status_code == 424
    assert (await refuse(world, token)).status_code == 424
    assert (await world.token(name="shopify:other.myshopify.com")).status_code == 200


async def test_a_token_endpoint_that_hangs_is_answered_for_in_time(world: Any) -> None:
    await world.connect()
    await world.expire()
    world.shopify.hanging = True
    cipher = TokenCipher(world.settings.token_encryption_keys)
    tokens = TokenService(
        world.stores.connections,
        cipher,
        world.parts.apis,
        now=lambda: time.time_ns() // 10**6,
        count_refresh=world.parts.metrics.count_refresh,
        answer_seconds=0.2,
    )
    outcomes = await asyncio.gather(*(tokens.get_token(NAME) for _ in range(12)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {TransientError}
    world.shopify.hanging = False
    assert (await tokens.get_token(NAME)).access_token in world.shopify.good_access


async def test_a_store_that_is_away_is_everybodys_trouble(world: Any) -> None:
    world.database = Database("postgresql://nobody@127.0.0.1:1/nothing", schema="gateway")
    world.restart(world.settings)
    assert (await world.token()).status_code == 503
    assert (await refuse(world, "x")).status_code == 503


async def test_a_dead_refresh_token_asks_for_a_new_sign_in(world: Any) -> None:
    await world.connect()
    await world.expire()
    world.shopify.revoke_tokens()
    answer = await world.token()
    assert (answer.status_code, answer.json()) == (409, {"state": "reauthorise"})
    assert [event.state for event in await world.said()] == ["connected", "reauthorise"]
    assert (await world.browser.get("/connections")).json()["connections"][0]["state"] == "reauthorise"
    await world.connect()
    assert (await world.token()).status_code == 200
    assert (await world.said())[-1].epoch == 1


async def test_a_refused_token_is_replaced_once(world: Any) -> None:
    await world.connect()
    token = (await world.token()).json()["access_token"]
    answers = await asyncio.gather(*(refuse(world, token) for _ in range(10)))
    assert world.shopify.refreshes == 1
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["access_token"] for answer in answers} != {token}


async def test_a_refused_token_that_cannot_be_replaced_asks_for_a_new_sign_in(world: Any) -> None:
    world.shopify.expiring = False
    await world.connect()
    token = (await world.token()).json()["access_token"]
    assert (await refuse(world, "some older token")).json()["access_token"] == token
    answer = await refuse(world, token)
    assert (answer.status_code, answer.json()) == (409, {"state": "reauthorise"})


async def test_keys_are_rotated_while_running(world: Any, make_settings: Any) -> None:
    await world.connect()
    before = (await world.token()).json()["access_token"]
    old = world.settings.token_encryption_keys["k1"]
    both = make_settings().model_copy(update={"token_encryption_keys": {"k2": b"n" * 32, "k1": old}})
    world.restart(both)
    assert (await world.token()).json()["access_token"] == before
    assert "k1." not in await world.dump()
    world.restart(both.model_copy(update={"token_encryption_keys": {"k2": b"n" * 32}}))
    assert (await world.token()).json()["access_token"] == before
    world.restart(make_settings())
    assert (await world.token()).status_code == 424
    async with world.database.transaction() as tx:
        await tx.execute(text("UPDATE connections SET access_token = 'k1.?'"))
    assert (await world.token()).status_code == 424


async def test_no_response_or_log_holds_a_token(world: Any, capsys: pytest.CaptureFixture[str]) -> None:
    page = world.new_browser("text/html")
    seen = [(await page.get(world.callback(await world.started(page)))).text]
    seen += [(await page.get(path)).text for path in ("/", "/connections")]
    await world.expire()
    await world.token()
    await world.ask("/internal/connections/" + NAME + "/assert", {"sync_id": str(NO_SYNC), "first": True}, "scheduler")
    seen.append((await world.browser.get(world.callback(await world.started(), code="secret-code-x"))).text)
    world.shopify.down = True
    seen.append((await world.browser.get(world.callback(await world.started()))).text)
    world.shopify.down = False
    world.shopify.revoke_tokens()
    await world.expire()
    seen.append((await world.token()).text)
    captured = capsys.readouterr()
    seen += [await world.dump(), captured.out, captured.err, repr(world.shopify._grant())]
    seen += [str(message) for message in world.kafka.sent]
    for secret in (*world.shopify.secrets, "secret-"):
        assert all(secret not in text for text in seen)


NO_SYNC = "00000000-0000-4000-8000-000000000000"
