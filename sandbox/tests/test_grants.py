"""OAuth: the consent page, the signature of the callback, authorization codes, tokens and their rotation."""

import hashlib
import hmac
from typing import Any

import httpx
import pytest

from sandbox.shopify.grants import Grants, TokenRefusal

SHOP = "acme.myshopify.com"
AUTHORIZE = f"/shops/{SHOP}/admin/oauth/authorize"
PARAMS = {
    "client_id": "sandbox-key",
    "scope": "read_products,read_locations",
    "redirect_uri": "https://app.example/cb",
    "state": "nonce",
}


def _is_signed(params: httpx.QueryParams, secret: str = "sandbox-secret") -> bool:
    message = "&".join(f"{k}={v}" for k, v in sorted(params.items()) if k != "hmac")
    return hmac.compare_digest(hmac.new(secret.encode(), message.encode(), hashlib.sha256).hexdigest(), params["hmac"])


async def test_the_consent_page_shows_shop_and_scopes(sandbox: Any) -> None:
    page = await sandbox.http.get(AUTHORIZE, params=PARAMS)
    for part in ('id="accept"', 'id="decline"', SHOP, "read_locations", f"/shops/{SHOP}/"):
        assert part in page.text
    assert (await sandbox.control("GET", ""))["products"] == 25


@pytest.mark.parametrize("wrong", [{"client_id": "other"}, {"redirect_uri": ""}, {"redirect_uri": "javascript:1"}])
async def test_a_request_that_cannot_be_trusted_gets_an_error_page(sandbox: Any, wrong: dict[str, str]) -> None:
    for method in ("GET", "POST"):
        answer = await sandbox.http.request(method, AUTHORIZE, params={**PARAMS, **wrong})
        assert answer.status_code == 400 and 'id="problem"' in answer.text


async def test_accepting_redirects_to_the_app_with_a_signed_code(sandbox: Any) -> None:
    answer = await sandbox.http.post(AUTHORIZE, params=PARAMS, data={"decision": "accept"})
    callback = httpx.URL(answer.headers["location"])
    assert callback.host == "app.example"
    assert set(callback.params) == {"code", "hmac", "host", "shop", "state", "timestamp"}
    assert callback.params["state"] == "nonce" and callback.params["shop"] == SHOP and _is_signed(callback.params)


async def test_declining_redirects_to_the_app_with_an_error(sandbox: Any) -> None:
    answer = await sandbox.http.post(AUTHORIZE, params=PARAMS, data={"decision": "decline"})
    callback = httpx.URL(answer.headers["location"])
    assert callback.params["error"] == "access_denied" and "code" not in callback.params and _is_signed(callback.params)


async def test_an_authorization_code_works_once(sandbox: Any) -> None:
    code = await sandbox.authorize(scope="read_products")
    first = await sandbox.request_token(code=code, expiring="1")
    assert {name: first[name] for name in ("expires_in", "refresh_token_expires_in", "scope")} == {
        "expires_in": 3600,
        "refresh_token_expires_in": 7_776_000,
        "scope": "read_products",
    }
    assert (await sandbox.request_token(code=code, expiring="1"))["error"] == "invalid_request"
    assert set(await sandbox.request_token(code=await sandbox.authorize())) == {"access_token", "scope"}


async def test_a_merchant_may_grant_fewer_scopes(sandbox: Any) -> None:
    await sandbox.create_shop()
    await sandbox.control("PUT", "/grants", {"override": ["read_products"]})
    token = await sandbox.install(scope="read_products,read_discounts")
    body = (await sandbox.query(token, "{ currentAppInstallation { accessScopes { handle } } }")).json()
    assert body["data"]["currentAppInstallation"]["accessScopes"] == [{"handle": "read_products"}]


async def test_wrong_credentials_and_wrong_tokens_get_different_errors(sandbox: Any) -> None:
    await sandbox.install()
    assert (await sandbox.request_token(client_secret="x", grant_type="refresh_token", refresh_token="x"))[
        "error"
    ] == "invalid_client"
    assert (await sandbox.request_token(grant_type="refresh_token", refresh_token="x"))["error"] == "invalid_grant"
    answer = await sandbox.query("shpat_wrong", "{ shop { name } }")
    assert answer.status_code == 401 and answer.json()["errors"].startswith("[API] Invalid API key or access token")


async def test_only_the_answer_with_an_online_token_names_the_user(sandbox: Any) -> None:
    offline = await sandbox.request_token(code=await sandbox.authorize(), expiring="1")
    assert "associated_user" not in offline
    online = await sandbox.request_token(code=await sandbox.authorize(**{"grant_options[]": "per-user"}))
    assert online["associated_user"].keys() == {
        *("id", "first_name", "last_name", "email", "email_verified", "account_owner", "locale", "collaborator")
    }
    assert online["associated_user_scope"] == online["scope"]
    assert "refresh_token" not in online
    assert await sandbox.request_token(grant_type="refresh_token", refresh_token=offline["refresh_token"])
    for token in (offline["access_token"], online["access_token"]):
        assert (await sandbox.query(token, "{ shop { id } }")).status_code == 200


def test_an_old_refresh_token_is_valid_until_its_replacement_is_used() -> None:
    grants = Grants()
    first = grants.exchange_code(grants.grant_and_issue_code("read_products"), expiring=True)
    second = grants.renew_tokens(first["refresh_token"])
    assert grants.renew_tokens(first["refresh_token"])["refresh_token"] == second["refresh_token"]
    third = grants.renew_tokens(second["refresh_token"])
    assert isinstance(grants.renew_tokens(first["refresh_token"]), TokenRefusal)
    assert grants.renew_tokens(third["refresh_token"])["access_token"]


def test_tokens_expire_and_a_new_grant_retires_older_refresh_tokens() -> None:
    grants, at = Grants(), 1_000.0
    first = grants.exchange_code(grants.grant_and_issue_code("", lambda: at), expiring=True, clock=lambda: at)
    assert grants.is_valid_access_token(first["access_token"], lambda: at + 3_599)
    assert not grants.is_valid_access_token(first["access_token"], lambda: at + 3_601)
    grants.exchange_code(grants.grant_and_issue_code("", lambda: at), expiring=True, clock=lambda: at)
    refusal = grants.renew_tokens(first["refresh_token"], lambda: at)
    assert isinstance(refusal, TokenRefusal)
    assert "refresh token" in refusal.description


async def test_the_control_api_expires_access_tokens_and_revokes_refresh_tokens(sandbox: Any) -> None:
    tokens = await sandbox.request_token(code=await sandbox.authorize(), expiring="1")
    await sandbox.control("POST", "/grants/expire")
    assert (await sandbox.query(tokens["access_token"], "{ shop { id } }")).status_code == 401
    renewed = await sandbox.request_token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert (await sandbox.query(renewed["access_token"], "{ shop { id } }")).status_code == 200
    await sandbox.control("POST", "/grants/revoke")
    assert (await sandbox.request_token(grant_type="refresh_token", refresh_token=renewed["refresh_token"]))[
        "error"
    ] == "invalid_grant"
