"""Connecting a shop and its webhooks without requests: names, signed queries, scopes, topics."""

import hmac
import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from platform_sdk.adapters import PlatformAdapter
from platform_sdk.connection_methods import OAuthCallback
from platform_sdk.deliveries import Delivery
from platform_sdk.errors import RequestRejectedError
from platform_sdk.resources import expand_scopes
from platforms.shopify.admin_api import split_scopes
from platforms.shopify.connect import create_adapter, is_query_signed
from platforms.shopify.settings import Settings
from platforms.shopify.shop_names import derive_shop_domain, parse_shop_domain
from platforms.shopify.webhooks import format_delivered_topic

SECRET = "the app's secret"
ALL_SCOPES = ("read_products", "read_inventory", "read_locations", "read_discounts")
MALICIOUS_NAMES = [
    "evil.com#.myshopify.com",
    "evil.com/.myshopify.com",
    "evil.com?.myshopify.com",
    "acme.myshopify.com.evil.com",
    "acme.myshopify.com\n",
    "acme\n",
    " acme",
    "https://acme.myshopify.com@evil.com",
    "https://acme.myshopify.com.evil.com/",
    "https://evil.com/acme.myshopify.com",
    "https://admin.shopify.com.evil.com/store/acme",
    "https://admin.shopify.com/store/acme\n",
    "https://admin.shopify.com/store/",
    "https://-acme.myshopify.com",
    "javascript:acme.myshopify.com",
    "//acme.myshopify.com",
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


@pytest.mark.parametrize("name", MALICIOUS_NAMES)
def test_malicious_shop_names_are_refused(name: str) -> None:
    assert derive_shop_domain(name) is None
    assert parse_shop_domain(name) is None


def test_all_spellings_of_a_shop_have_one_name() -> None:
    names = (
        *("acme", "ACME", "acme.myshopify.com", "Acme.MyShopify.com", "https://acme.myshopify.com/"),
        *(
            "http://acme.myshopify.com/admin?x=1#y",
            "https://admin.shopify.com/store/acme",
            "admin.shopify.com/store/acme/",
        ),
        "https://admin.shopify.com/store/ACME/products?selectedView=all",
    )
    assert {derive_shop_domain(name) for name in names} == {"acme.myshopify.com"}
    assert {parse_shop_domain(name) for name in names} == {"acme.myshopify.com", None}
    assert parse_shop_domain("acme") is None
    assert derive_shop_domain("4-2") == "4-2.myshopify.com"


def build_query(parameters: dict[str, str], *, secret: str = SECRET, raw: str = "") -> bytes:
    message = "&".join(sorted(f"{name}={value}" for name, value in parameters.items()))
    mac = hmac.digest(secret.encode(), message.encode(), "sha256").hex()
    return ("&".join(f"{name}={value}" for name, value in parameters.items()) + f"&hmac={mac}{raw}").encode()


GOOD = {"code": "c", "shop": "acme.myshopify.com", "state": "s", "timestamp": "1000"}


@pytest.fixture
def shopify(make_settings: Callable[..., Settings]) -> PlatformAdapter:
    """The adapter of Shopify, as the gateway creates it."""
    return create_adapter(make_settings(), httpx.AsyncClient(), lambda: 0)


def parse(shopify: PlatformAdapter, raw: bytes, *, now: float = 1000.0) -> OAuthCallback:
    method: Any = shopify.connection_method
    callback: OAuthCallback = method.parse_callback(raw, now)
    return callback


def read_delivery(shopify: PlatformAdapter, headers: list[tuple[bytes, bytes]], body: bytes) -> Delivery:
    assert shopify.webhooks is not None
    (delivery,) = shopify.webhooks.verify_and_parse_deliveries(headers, body)
    return delivery


def list_topics(shopify: PlatformAdapter, *scopes: str) -> tuple[str, ...]:
    assert shopify.webhooks is not None
    return shopify.webhooks.list_topics(scopes)


def test_a_signed_callback_is_read(shopify: PlatformAdapter) -> None:
    assert parse(shopify, build_query(GOOD | {"host": "YWRtaW4"})) == OAuthCallback("acme.myshopify.com", "c", "s")
    assert parse(shopify, build_query(GOOD | {"shop": "Acme.myshopify.com"})).account == "acme.myshopify.com"


@pytest.mark.parametrize(
    "bad",
    [
        build_query(GOOD, secret="another"),
        build_query(GOOD, raw="&shop=evil.com"),
        build_query(GOOD, raw="&hmac=00"),
        build_query({name: value for name, value in GOOD.items() if name != "code"}),
        build_query({name: value for name, value in GOOD.items() if name != "shop"}),
        build_query({name: value for name, value in GOOD.items() if name != "state"}),
        build_query(GOOD | {"error": "access_denied"}),
        build_query(GOOD | {"shop": "evil.com"}),
        build_query(GOOD | {"timestamp": "699"}),
        build_query(GOOD | {"timestamp": "1301"}),
        build_query(GOOD | {"timestamp": "soon"}),
        build_query(GOOD).replace(b"&hmac=", b"&mac="),
        build_query(GOOD).replace(b"code=c", b"code=d"),
        build_query(GOOD).replace(b"hmac=", b"hmac=\xff"),
        b"code=%ff&shop=acme.myshopify.com&state=s&hmac=00",
        b"",
    ],
)
def test_a_callback_that_is_not_from_shopify_is_refused(shopify: PlatformAdapter, bad: bytes) -> None:
    with pytest.raises(RequestRejectedError) as rejected:
        parse(shopify, bad)
    assert rejected.value.status == 400


def test_both_encodings_of_a_signed_query_are_accepted() -> None:
    parameters = {"code": "a b&c", "shop": "acme.myshopify.com", "state": "50%"}
    python = "code=a b%26c&shop=acme.myshopify.com&state=50%25"
    javascript = "code=a%20b%26c&shop=acme.myshopify.com&state=50%25"
    for message in (python, javascript):
        mac = hmac.digest(SECRET.encode(), message.encode(), "sha256").hex()
        assert is_query_signed(parameters | {"hmac": mac}, ("former", SECRET))
        assert not is_query_signed(parameters | {"hmac": mac}, ("former",))
    assert not is_query_signed(parameters, (SECRET,))


def test_consent_is_requested_at_the_shop(shopify: PlatformAdapter) -> None:
    method: Any = shopify.connection_method
    address = method.build_authorize_url("acme.myshopify.com", "a state")
    assert address.startswith("https://acme.myshopify.com/admin/oauth/authorize?client_id=the%20app&scope=read_")
    assert address.endswith("&state=a%20state")


def test_a_missing_scope_is_named_with_what_it_costs(shopify: PlatformAdapter) -> None:
    granted = split_scopes("write_products,read_inventory,read_locations")
    assert shopify.accounts.find_missing_scopes(granted) == {"read_discounts": ("discounts",)}
    assert shopify.accounts.find_missing_scopes(())["read_products"] == ("products", "collections")
    assert expand_scopes(["write_products"]) == {"write_products", "read_products"}


def test_only_topics_of_granted_scopes_are_listed(shopify: PlatformAdapter) -> None:
    assert list_topics(shopify) == ("APP_UNINSTALLED", "APP_SCOPES_UPDATE", "SHOP_UPDATE")
    assert "PRODUCTS_UPDATE" in list_topics(shopify, "write_products")
    assert "DISCOUNTS_UPDATE" not in list_topics(shopify, "read_products")


def format_wire_name(topic: str) -> str:
    """Formats a topic such as `INVENTORY_LEVELS_UPDATE` as deliveries do: `inventory_levels/update`."""
    words = 2 if topic.startswith("INVENTORY_") else 1
    parts = topic.lower().split("_")
    return "_".join(parts[:words]) + "/" + "_".join(parts[words:])


def test_deliveries_of_every_subscribed_topic_are_parsed(shopify: PlatformAdapter) -> None:
    assert shopify.webhooks is not None
    named = {"admin_graphql_api_id": "gid://shopify/DiscountCodeNode/1", "myshopify_domain": "acme.myshopify.com"}
    body = json.dumps({"id": 1, "inventory_item_id": 1, **named})
    mac = b64encode(hmac.digest(SECRET.encode(), body.encode(), "sha256"))
    for topic in list_topics(shopify, *ALL_SCOPES):
        headers = [(b"x-shopify-topic", format_wire_name(topic).encode()), (b"x-shopify-hmac-sha256", mac)]
        headers.append((b"x-shopify-shop-domain", b"acme.myshopify.com"))
        assert read_delivery(shopify, headers, body.encode()).kind != "unknown", topic
        assert format_wire_name(topic) in shopify.webhooks.metric_topics


def test_times_with_nanoseconds_are_parsed(shopify: PlatformAdapter) -> None:
    headers = {"x-shopify-triggered-at": "2026-11-24T12:00:00.123456789Z", "x-shopify-topic": "app/uninstalled"}
    body = b'{"id": 1, "myshopify_domain": "acme.myshopify.com"}'
    signed = {
        "x-shopify-shop-domain": "acme.myshopify.com",
        "x-shopify-hmac-sha256": b64encode(hmac.digest(SECRET.encode(), body, "sha256")).decode(),
    }
    pairs = [(name.encode(), value.encode()) for name, value in (signed | headers).items()]
    assert read_delivery(shopify, pairs, body).triggered_at == 1_795_521_600_123


def test_a_record_is_named_by_its_gid_or_its_number(shopify: PlatformAdapter) -> None:
    def parse_record_id(resource: str, text: str) -> str | None:
        return shopify.accounts.parse_record_id("acme.myshopify.com", resource, text)

    assert parse_record_id("products", "7") == "gid://shopify/Product/7"
    assert parse_record_id("inventory", "gid://shopify/InventoryItem/9") == "gid://shopify/InventoryItem/9"
    assert parse_record_id("discounts", "gid://shopify/DiscountCodeNode/5") == "gid://shopify/DiscountCodeNode/5"
    for resource, text in (
        ("products", "gid://shopify/Product/"),
        ("products", "seven"),
        ("products", "７"),
        ("discounts", "5"),
        ("orders", "1"),
    ):
        assert parse_record_id(resource, text) is None


def test_a_shop_has_an_object_key_and_an_address(
    shopify: PlatformAdapter, make_settings: Callable[..., Settings]
) -> None:
    assert shopify.manifest.build_object_key("acme.myshopify.com") == "acme.myshopify.com/shopify_data.json"
    assert shopify.accounts.build_account_url("acme.myshopify.com") == "https://acme.myshopify.com/admin"
    sandbox = make_settings(shopify_shop_url="http://sandbox/shops/{shop}")
    adapter = create_adapter(sandbox, httpx.AsyncClient(), lambda: 0)
    assert adapter.accounts.build_account_url("acme.myshopify.com") == "http://sandbox/shops/acme.myshopify.com/"


def test_secrets_are_in_no_repr(make_settings: Callable[..., Settings], shopify: PlatformAdapter) -> None:
    for secret in (SECRET, "the app's former secret"):
        assert secret not in repr(make_settings()) + repr(shopify)


def test_every_subscribed_topic_is_counted_by_its_name(shopify: PlatformAdapter) -> None:
    assert shopify.webhooks is not None
    delivered = {format_delivered_topic(topic) for topic in list_topics(shopify, *ALL_SCOPES)}
    assert delivered < set(shopify.webhooks.metric_topics)
    assert format_delivered_topic("INVENTORY_LEVELS_UPDATE") == "inventory_levels/update"
    assert format_delivered_topic("DISCOUNTS_REDEEMCODE_ADDED") == "discounts/redeemcode_added"
