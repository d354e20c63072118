"""Shopify's rules that need no IO: names of shops, signed queries, scopes, topics."""

import hmac
import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest

from gateway.platforms.shopify import Shopify, callback_parameters, expanded, shop_of, signs_query, split_scopes
from platform_sdk.errors import RequestRejectedError

SECRET = "the app's secret"
EVIL = [
    "evil.com#.myshopify.com",
    "evil.com/.myshopify.com",
    "evil.com?.myshopify.com",
    "acme.myshopify.com.evil.com",
    "acme.myshopify.com\n",
    "acme\n",
    " acme",
    "acme.myshopify.com/",
    "https://acme.myshopify.com",
    "acme@evil.com",
    "a.b",
    "a.b.myshopify.com",
    "-acme",
    "_acme",
    "ac_me",
    "\u212aacme",
    "аcme",
    "acme\x00",
    "%61cme",
    "..",
    "",
    "a" * 64,
    "127.0.0.1",
    "[::1]",
]


@pytest.mark.parametrize("name", EVIL)
def test_evil_shop_names_are_no_shops(name: str) -> None:
    assert shop_of(name) is None
    assert shop_of(name, full=True) is None


def test_a_shop_has_one_name() -> None:
    assert {shop_of(name) for name in ("acme", "ACME", "acme.myshopify.com", "Acme.MyShopify.com")} == {
        "acme.myshopify.com"
    }
    assert shop_of("acme", full=True) is None
    assert shop_of("4-2") == "4-2.myshopify.com"


def query(given: dict[str, str], *, secret: str = SECRET, raw: str = "") -> bytes:
    message = "&".join(sorted(f"{name}={value}" for name, value in given.items()))
    mac = hmac.digest(secret.encode(), message.encode(), "sha256").hex()
    return ("&".join(f"{name}={value}" for name, value in given.items()) + f"&hmac={mac}{raw}").encode()


GOOD = {"code": "c", "shop": "acme.myshopify.com", "state": "s", "timestamp": "1000"}


def read(given: bytes, *, now: float = 1000.0) -> dict[str, str]:
    return callback_parameters(given, secrets=(SECRET,), now=now)


def test_a_signed_callback_is_read() -> None:
    assert read(query(GOOD | {"host": "YWRtaW4"}))["shop"] == "acme.myshopify.com"
    assert read(query(GOOD | {"shop": "Acme.myshopify.com"}))["shop"] == "acme.myshopify.com"


@pytest.mark.parametrize(
    "bad",
    [
        query(GOOD, secret="another"),
        query(GOOD, raw="&shop=evil.com"),
        query(GOOD, raw="&hmac=00"),
        query({name: value for name, value in GOOD.items() if name != "code"}),
        query({name: value for name, value in GOOD.items() if name != "shop"}),
        query({name: value for name, value in GOOD.items() if name != "state"}),
        query(GOOD | {"error": "access_denied"}),
        query(GOOD | {"shop": "evil.com"}),
        query(GOOD | {"timestamp": "699"}),
        query(GOOD | {"timestamp": "1301"}),
        query(GOOD | {"timestamp": "soon"}),
        query(GOOD).replace(b"&hmac=", b"&mac="),
        query(GOOD).replace(b"code=c", b"code=d"),
        query(GOOD).replace(b"hmac=", b"hmac=\xff"),
        b"code=%ff&shop=acme.myshopify.com&state=s&hmac=00",
        b"",
    ],
)
def test_a_callback_that_is_not_shopifys_is_refused(bad: bytes) -> None:
    with pytest.raises(RequestRejectedError):
        read(bad)


def test_both_encodings_of_a_signature_are_known() -> None:
    given = {"code": "a b&c", "shop": "acme.myshopify.com", "state": "50%"}
    python = "code=a b%26c&shop=acme.myshopify.com&state=50%25"
    javascript = "code=a%20b%26c&shop=acme.myshopify.com&state=50%25"
    for message in (python, javascript):
        mac = hmac.digest(SECRET.encode(), message.encode(), "sha256").hex()
        assert signs_query(given | {"hmac": mac}, ("former", SECRET))
        assert not signs_query(given | {"hmac": mac}, ("former",))
    assert not signs_query(given, (SECRET,))


def test_consent_is_asked_at_the_shop_alone(app: Shopify) -> None:
    address = app.authorize_url("acme.myshopify.com", "a state")
    assert address.startswith("https://acme.myshopify.com/admin/oauth/authorize?client_id=the%20app&scope=read_")
    assert address.endswith("&state=a%20state")


def test_a_missing_scope_is_named_with_what_it_costs(app: Shopify) -> None:
    granted = split_scopes("write_products,read_inventory,read_locations")
    assert app.find_missing_scopes(granted) == {"read_discounts": ("discounts",)}
    assert expanded(["write_products"]) == {"write_products", "read_products"}


def test_only_granted_scopes_call_for_topics(app: Shopify) -> None:
    assert app.list_topics(()) == ("APP_UNINSTALLED", "APP_SCOPES_UPDATE", "SHOP_UPDATE")
    assert "PRODUCTS_UPDATE" in app.list_topics(("write_products",))
    assert "DISCOUNTS_UPDATE" not in app.list_topics(("read_products",))


def wire_name(topic: str) -> str:
    """`INVENTORY_LEVELS_UPDATE` as a delivery writes it."""
    words = 2 if topic.startswith("INVENTORY_") else 1
    parts = topic.lower().split("_")
    return "_".join(parts[:words]) + "/" + "_".join(parts[words:])


def test_every_topic_that_is_subscribed_is_understood(app: Shopify) -> None:
    named = {"admin_graphql_api_id": "gid://shopify/DiscountCodeNode/1", "myshopify_domain": "acme.myshopify.com"}
    body = json.dumps({"id": 1, "inventory_item_id": 1, **named})
    mac = b64encode(hmac.digest(SECRET.encode(), body.encode(), "sha256"))
    for topic in app.list_topics(app.scopes):
        headers = [(b"x-shopify-topic", wire_name(topic).encode()), (b"x-shopify-hmac-sha256", mac)]
        headers.append((b"x-shopify-shop-domain", b"acme.myshopify.com"))
        assert app.read_deliveries(headers, body.encode())[0].kind != "unknown", topic


def test_nanoseconds_are_understood(app: Shopify) -> None:
    headers = {"x-shopify-triggered-at": "2026-11-24T12:00:00.123456789Z", "x-shopify-topic": "app/uninstalled"}
    body = b'{"id": 1, "myshopify_domain": "acme.myshopify.com"}'
    signed = {
        "x-shopify-shop-domain": "acme.myshopify.com",
        "x-shopify-hmac-sha256": b64encode(hmac.digest(SECRET.encode(), body, "sha256")).decode(),
    }
    pairs = [(name.encode(), value.encode()) for name, value in (signed | headers).items()]
    assert app.read_deliveries(pairs, body)[0].triggered_at == 1_795_521_600_123


def test_secrets_are_in_no_repr(make_settings: Callable[..., Any]) -> None:
    settings = make_settings()
    for secret in (SECRET, "a secret of more", "s" * 20, "kkkk"):
        assert secret not in repr(settings) + repr(settings.shopify())
