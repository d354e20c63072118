"""Access tokens: who gets them, one refresh for many callers, failures, revocation, and that no token is shown."""

import asyncio
import time
from typing import Any

import pytest
from sqlalchemy import text

from database.pool import Database
from gateway.internal.permissions import can_get_token
from gateway.tokens.encryption import TokenCipher
from gateway.tokens.service import TokenService, hash_token
from platform_sdk.errors import TransientError

pytestmark = pytest.mark.integration

NAME = "shopify:acme.myshopify.com"


async def report_rejected(world: Any, token: str, caller: str = "shopify-fetcher") -> Any:
    body = {"connection": NAME, "access_token_sha256": hash_token(token)}
    return await world.call_internal("/internal/tokens/refused", body, caller)


async def test_a_fetcher_gets_its_platforms_token(world: Any) -> None:
    await world.connect()
    response = await world.request_token()
    assert response.status_code == 200
    assert response.json()["epoch"] == 1
    assert response.json()["access_token"] in world.shopify.valid_access_tokens
    assert response.json()["expires_at"] > 0


async def test_a_fetcher_of_another_platform_is_refused(world: Any) -> None:
    await world.connect()
    assert (await world.request_token("facebook-fetcher")).status_code == 403
    assert (await world.request_token("scheduler")).status_code == 403
    assert (await world.service.post("/internal/tokens", json={"connection": NAME})).status_code == 401
    for header in ("Bearer wrong", "Basic " + "s" * 20, "s" * 20, "Bearer "):
        response = await world.service.post(
            "/internal/tokens", json={"connection": NAME}, headers={"Authorization": header}
        )
        assert response.status_code == 401


async def test_the_writer_of_a_platform_gets_the_same_token_and_reports_a_refused_one(world: Any) -> None:
    await world.connect()
    token = (await world.request_token("shopify-writer")).json()["access_token"]
    assert token == (await world.request_token("shopify-fetcher")).json()["access_token"]
    replaced = await report_rejected(world, token, "shopify-writer")
    assert replaced.status_code == 200
    assert replaced.json()["access_token"] != token


@pytest.mark.parametrize("caller", ["odoo-writer", "spaces-writer", "facebook-writer"])
async def test_no_other_writer_gets_a_token_or_has_one_replaced(world: Any, caller: str) -> None:
    await world.connect()
    assert (await world.request_token(caller)).status_code == 403
    token = (await world.request_token()).json()["access_token"]
    assert (await report_rejected(world, token, caller)).status_code == 403


def test_a_platform_that_nothing_is_written_to_has_no_writer() -> None:
    for caller in ("facebook-writer", "shopify-writer", "spaces-writer", "writer", "-writer"):
        assert not can_get_token(caller, "facebook:1002"), caller
    assert can_get_token("facebook-fetcher", "facebook:1002")
    assert can_get_token("odoo-writer", "odoo:acme.example.com/production")


async def test_the_internal_endpoints_are_not_on_the_public_listener(world: Any) -> None:
    await world.connect()
    response = await world.browser.post("/internal/tokens", json={"connection": NAME})
    assert response.status_code == 404


async def test_an_unknown_connection_is_404(world: Any) -> None:
    assert (await world.request_token()).status_code == 404
    assert (await report_rejected(world, "x")).status_code == 404


async def test_fifty_callers_cause_one_refresh(world: Any) -> None:
    await world.connect()
    await world.expire_token()
    responses = await asyncio.gather(*(world.request_token() for _ in range(50)))
    assert world.shopify.refreshes == 1
    assert {response.status_code for response in responses} == {200}
    assert len({response.json()["access_token"] for response in responses}) == 1


async def test_two_gateways_cause_one_refresh(world: Any) -> None:
    await world.connect()
    await world.expire_token()
    first = world.request_token()
    service = world.service
    world.restart(world.settings)
    assert world.service is not service
    responses = await asyncio.gather(first, *(world.request_token() for _ in range(3)))
    assert world.shopify.refreshes == 1
    assert {response.status_code for response in responses} == {200}


async def test_a_refresh_whose_response_was_lost_is_repeated(world: Any) -> None:
    await world.connect()
    await world.expire_token()
    world.shopify.responses_to_lose = 1
    assert (await world.request_token()).status_code == 424
    assert (await world.request_token()).status_code == 200


async def test_a_token_with_a_minute_left_is_used_while_shopify_is_unavailable(world: Any) -> None:
    world.shopify.lifetime = 90
    await world.connect()
    world.shopify.down = True
    assert (await world.request_token()).status_code == 200
    await world.expire_token()
    response = await world.request_token()
    assert response.status_code == 424
    reason = "the sign-in at Shopify could not be refreshed: Shopify does not answer"
    assert response.json() == {"reason": reason, "retry_after": 30}


async def test_a_missing_shop_does_not_affect_other_connections(world: Any) -> None:
    await world.connect()
    await world.connect(shop="other")
    token = (await world.request_token()).json()["access_token"]
    await world.expire_token()
    world.shopify.missing_accounts = {"acme.myshopify.com"}
    assert (await world.request_token()).status_code == 424
    assert (await report_rejected(world, token)).status_code == 424
    assert (await world.request_token(name="shopify:other.myshopify.com")).status_code == 200


async def test_a_hanging_token_endpoint_is_given_up_in_time(world: Any) -> None:
    await world.connect()
    await world.expire_token()
    world.shopify.hanging = True
    cipher = TokenCipher(world.settings.token_encryption_keys)
    tokens = TokenService(
        world.stores.connections,
        cipher,
        world.parts.adapters,
        now=lambda: time.time_ns() // 10**6,
        count_refresh=world.parts.metrics.count_refresh,
        answer_seconds=0.2,
    )
    outcomes = await asyncio.gather(*(tokens.get_token(NAME) for _ in range(12)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {TransientError}
    assert {str(outcome) for outcome in outcomes} == {
        "the sign-in at Shopify could not be refreshed: it took longer than 0 s"
    }
    world.shopify.hanging = False
    assert (await tokens.get_token(NAME)).access_token in world.shopify.valid_access_tokens


async def test_an_unavailable_database_is_503(world: Any) -> None:
    world.database = Database("postgresql://nobody@127.0.0.1:1/nothing", schema="gateway")
    world.restart(world.settings)
    assert (await world.request_token()).status_code == 503
    assert (await report_rejected(world, "x")).status_code == 503


async def test_a_rejected_refresh_token_requires_a_new_login(world: Any) -> None:
    await world.connect()
    await world.expire_token()
    world.shopify.revoke_tokens()
    response = await world.request_token()
    assert (response.status_code, response.json()) == (409, {"state": "reauthorise"})
    assert [event.state for event in await world.drain_outbox()] == ["connected", "reauthorise"]
    assert (await world.browser.get("/connections")).json()["connections"][0]["state"] == "reauthorise"
    await world.connect()
    assert (await world.request_token()).status_code == 200
    assert (await world.drain_outbox())[-1].epoch == 1


async def test_a_rejected_token_is_replaced_once(world: Any) -> None:
    await world.connect()
    token = (await world.request_token()).json()["access_token"]
    responses = await asyncio.gather(*(report_rejected(world, token) for _ in range(10)))
    assert world.shopify.refreshes == 1
    assert {response.status_code for response in responses} == {200}
    assert {response.json()["access_token"] for response in responses} != {token}


async def test_a_rejected_token_that_cannot_be_replaced_requires_a_new_login(world: Any) -> None:
    world.shopify.expiring = False
    await world.connect()
    token = (await world.request_token()).json()["access_token"]
    assert (await report_rejected(world, "some older token")).json()["access_token"] == token
    response = await report_rejected(world, token)
    assert (response.status_code, response.json()) == (409, {"state": "reauthorise"})


async def test_keys_are_rotated_while_running(world: Any, make_settings: Any) -> None:
    await world.connect()
    before = (await world.request_token()).json()["access_token"]
    old = world.settings.token_encryption_keys["k1"]
    both = make_settings().model_copy(update={"token_encryption_keys": {"k2": b"n" * 32, "k1": old}})
    world.restart(both)
    assert (await world.request_token()).json()["access_token"] == before
    assert "k1." not in await world.dump_database()
    world.restart(both.model_copy(update={"token_encryption_keys": {"k2": b"n" * 32}}))
    assert (await world.request_token()).json()["access_token"] == before
    world.restart(make_settings())
    assert (await world.request_token()).status_code == 424
    async with world.database.transaction() as tx:
        await tx.execute(text("UPDATE connections SET access_token = 'k1.?'"))
    assert (await world.request_token()).status_code == 424


async def test_no_response_or_log_holds_a_token(world: Any, capsys: pytest.CaptureFixture[str]) -> None:
    page = world.create_browser("text/html")
    outputs = [(await page.get(world.build_callback(await world.start_login(page)))).text]
    outputs += [(await page.get(path)).text for path in ("/", "/connections")]
    await world.expire_token()
    await world.request_token()
    await world.call_internal(
        "/internal/connections/" + NAME + "/assert", {"sync_id": str(NO_SYNC), "first": True}, "scheduler"
    )
    outputs.append(
        (await world.browser.get(world.build_callback(await world.start_login(), code="secret-code-x"))).text
    )
    world.shopify.down = True
    outputs.append((await world.browser.get(world.build_callback(await world.start_login()))).text)
    world.shopify.down = False
    world.shopify.revoke_tokens()
    await world.expire_token()
    outputs.append((await world.request_token()).text)
    captured = capsys.readouterr()
    outputs += [await world.dump_database(), captured.out, captured.err, repr(world.shopify._create_grant())]
    outputs += [str(message) for message in world.kafka.sent]
    for secret in (*world.shopify.secrets, "secret-"):
        assert all(secret not in text for text in outputs)


NO_SYNC = "00000000-0000-4000-8000-000000000000"
