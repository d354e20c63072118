"""Everything about Shopify that needs no IO: names, consent, signatures, scopes, topics, deliveries.

Sources: shopify.dev on the authorization code grant, access scopes and webhook deliveries. A callback's query is
signed in one of two encodings, those of Shopify's Python and of its JavaScript library.
"""

import hmac
import re
from binascii import b2a_base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode
from uuid import uuid4

import orjson

from gateway.platforms.shopify_records import RECORDS, gid
from gateway.platforms.shopify_topics import ALWAYS, DELIVERED, TOPICS
from platform_sdk.deliveries import Delivery, DeliveryHeader, DeliveryKind
from platform_sdk.errors import RequestRejectedError

SLUG = "shopify"
CALLBACK_TOLERANCE_SECONDS = 300
TEST_MARK = "merchant-sync-test-"
"""Begins the webhook id of the gateway's own test delivery; Shopify's are plain UUIDs."""
LOGIN_FORM = "acme or acme.myshopify.com"
"""The forms of a shop's name that are taken, for people."""

_SHOP = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\.myshopify\.com")
_HANDLE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")

_COSTS = {
    "read_products": ("products", "collections"),
    "read_inventory": ("inventory",),
    "read_locations": ("locations",),
    "read_discounts": ("discounts",),
}
_KINDS = {
    b"app/uninstalled": DeliveryKind.UNINSTALLED,
    b"app/scopes_update": DeliveryKind.SCOPES_CHANGED,
    b"customers/data_request": DeliveryKind.CUSTOMER_DATA,
    b"customers/redact": DeliveryKind.CUSTOMER_DELETION,
    b"shop/redact": DeliveryKind.ACCOUNT_DELETION,
}

_ABOUT_DATA = (DeliveryKind.ACCOUNT_DELETION, DeliveryKind.CUSTOMER_DELETION, DeliveryKind.CUSTOMER_DATA)

_HMAC, _TOPIC, _SHOP_DOMAIN = b"x-shopify-hmac-sha256", b"x-shopify-topic", b"x-shopify-shop-domain"
_WEBHOOK_ID, _TRIGGERED_AT = b"x-shopify-webhook-id", b"x-shopify-triggered-at"
_READ = frozenset((_HMAC, _TOPIC, _SHOP_DOMAIN, _WEBHOOK_ID, _TRIGGERED_AT))
_DELIVERY_HEADERS = (
    DeliveryHeader("X-Shopify-Hmac-Sha256", "Base64 of the raw body's HMAC-SHA256 under the app's secret"),
    DeliveryHeader("X-Shopify-Topic", "What happened, e.g. products/update"),
    DeliveryHeader("X-Shopify-Shop-Domain", "The shop, e.g. acme.myshopify.com"),
    DeliveryHeader("X-Shopify-Webhook-Id", "The same in every copy: ten copies are one sync", required=False),
    DeliveryHeader("X-Shopify-Triggered-At", "When it happened, of an uninstall", required=False),
)


@dataclass(frozen=True)
class Shopify:
    """Shopify as seen by one app: its key, its secrets (current first) and its addresses."""

    api_key: str
    secrets: tuple[str, ...] = field(repr=False)
    redirect_uri: str
    webhook_address: str
    scopes: tuple[str, ...]
    shop_url: str = "https://{shop}"
    people_url: str = "https://{shop}"
    slug: str = SLUG
    title: str = "Shopify"
    account: str = "shop"
    configured: bool = True
    login_path: str = "/shopify/{shop_name}/login"
    login_form: tuple[str, str, str] = ("/shopify/login", "shop", LOGIN_FORM)
    claims: tuple[bytes, bytes, bytes] = (_TOPIC, _SHOP_DOMAIN, _WEBHOOK_ID)
    delivered: frozenset[str] = DELIVERED
    delivery_headers: tuple[DeliveryHeader, ...] = field(default=_DELIVERY_HEADERS, repr=False)

    def authorize_url(self, shop: str, state: str) -> str:
        """Where the browser is sent for consent to an offline token. `shop` has passed `shop_of`."""
        query = {
            "client_id": self.api_key,
            "scope": ",".join(self.scopes),
            "redirect_uri": self.redirect_uri,
            "state": state,
        }
        return f"{self.people_url.format(shop=shop)}/admin/oauth/authorize?{urlencode(query, quote_via=quote)}"

    def login_url(self, account: str) -> str:
        """The gateway's own path on which this shop's merchant signs in (again)."""
        return self.login_path.format(shop_name=account)

    def account_url(self, account: str) -> str:
        """Where the merchant manages the shop: its admin; elsewhere than at Shopify itself, the shop's own page."""
        page = "admin" if self.people_url == "https://{shop}" else ""
        return f"{self.people_url.format(shop=account)}/{page}"

    def get_object_key(self, account: str) -> str:
        """Where the shop's snapshot lies in the bucket."""
        return f"{account}/shopify_data.json"

    def parse_record_id(self, _account: str, resource: str, given: str) -> str | None:
        """The gid of a record of the shop, given as gid or number."""
        return gid(resource, given)

    def find_missing_scopes(self, granted: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """The scopes that were asked for and not granted, each with the resources that it costs."""
        have = expanded(granted)
        return {scope: _COSTS.get(scope, ()) for scope in self.scopes if scope not in have}

    def list_topics(self, granted: Iterable[str]) -> tuple[str, ...]:
        """The webhook topics that the resources within these scopes need, as GraphQL names them."""
        have = expanded(granted)
        return (*ALWAYS, *(topic for scope, topics in TOPICS.items() if scope in have for topic in topics))

    def read_deliveries(self, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> list[Delivery]:
        """The one delivery that these headers (names in lower case) and this raw body make.

        Raises RequestRejectedError: 401 unless exactly one HMAC header signs the body with the current or previous
        secret; 400 without topic or shop, with an unknown form of shop, with a body that is no such record or is about
        another shop. Only the body is signed, so an uninstall or a request about data must name its shop there, and
        nobody can make an account's deletion of what was said of a customer.
        """
        read = _headers(headers)
        if not signs_body(read.get(_HMAC, b""), body, self.secrets):
            raise RequestRejectedError(401, "the signature is missing, doubled or wrong")
        topic, account = read.get(_TOPIC), shop_of(read.get(_SHOP_DOMAIN, b"").decode("latin-1"), full=True)
        if not topic or account is None:
            raise RequestRejectedError(400, "X-Shopify-Topic or X-Shopify-Shop-Domain is missing or malformed")
        webhook_id = read.get(_WEBHOOK_ID, b"").decode("latin-1") or _invented_id(topic, account, body)
        payload = _parsed(body)
        kind, records = _asked(topic, webhook_id, payload)
        if _shop_in(payload, kind, account) != account or (
            kind is DeliveryKind.ACCOUNT_DELETION and "customer" in payload
        ):
            raise RequestRejectedError(
                400, "the body, which alone is signed, is not about the shop of X-Shopify-Shop-Domain"
            )
        triggered = None if kind is DeliveryKind.RECORDS else _moment(read.get(_TRIGGERED_AT))
        return [Delivery(topic.decode("latin-1"), f"{SLUG}:{account}", webhook_id, kind, records, triggered)]

    def build_probe(self, account: str) -> tuple[str, dict[str, str], bytes]:
        """A signed `products/update` of ours with an invented id: its webhook id, its headers, its body."""
        webhook_id = f"{TEST_MARK}{uuid4()}"
        body = orjson.dumps({"id": 1, "admin_graphql_api_id": "gid://shopify/Product/1"})
        headers = {
            "Content-Type": "application/json",
            _TOPIC.decode(): "products/update",
            _SHOP_DOMAIN.decode(): account,
            _WEBHOOK_ID.decode(): webhook_id,
            _HMAC.decode(): _body_signature(self.secrets[0], body).decode(),
        }
        return webhook_id, headers, body


def shop_of(name: str, *, full: bool = False) -> str | None:
    """The full domain, in lower case, of a shop named by its handle or its domain (`full`: its domain only).

    None for anything else. Not ASCII is refused before lower-casing, which would turn the Kelvin sign into a k.
    """
    lowered = name.lower() if name.isascii() else ""
    if _SHOP.fullmatch(lowered):
        return lowered
    return f"{lowered}.myshopify.com" if not full and _HANDLE.fullmatch(lowered) else None


def expanded(granted: Iterable[str]) -> frozenset[str]:
    """The granted scopes with those that they imply: `write_x` is `read_x` too."""
    listed = tuple(granted)
    return frozenset(listed) | {"read_" + scope.removeprefix("write_") for scope in listed if scope[:6] == "write_"}


def split_scopes(scope: str) -> tuple[str, ...]:
    """Shopify's comma-separated scopes, expanded and in order."""
    return tuple(sorted(expanded(part.strip() for part in scope.split(",") if part.strip())))


def callback_parameters(query: bytes, *, secrets: Sequence[str], now: float) -> dict[str, str]:
    """The parameters of a callback that Shopify signed within five minutes of `now` (seconds).

    Raises RequestRejectedError for a doubled key, a parameter that is missing, a cancelled consent, a signature of
    nobody's, a shop that is none, or another time. `shop` comes back in lower case.
    """
    pairs = _pairs(query)
    given = dict(pairs)
    if len(given) != len(pairs):
        raise RequestRejectedError(400, "the address holds a parameter twice")
    if "error" in given:
        raise RequestRejectedError(400, "the consent was cancelled")
    for name in ("code", "shop", "state"):
        if not given.get(name):
            raise RequestRejectedError(400, f"the parameter {name} is missing")
    if not signs_query(given, secrets):
        raise RequestRejectedError(400, "the signature (hmac) is not Shopify's")
    if abs(now - _seconds(given.get("timestamp", ""))) > CALLBACK_TOLERANCE_SECONDS:
        raise RequestRejectedError(400, "the answer is older than five minutes")
    shop = shop_of(given["shop"], full=True)
    if shop is None:
        raise RequestRejectedError(400, "the parameter shop is not a shop's domain")
    return given | {"shop": shop}


def signs_query(given: Mapping[str, str], secrets: Sequence[str]) -> bool:
    """Whether `hmac` signs the other parameters, in the Python library's encoding or else the JavaScript one's."""
    mac = given.get("hmac", "").encode()
    python = sorted(
        f"{_escaped(name).replace('=', '%3D')}={_escaped(value)}" for name, value in given.items() if name != "hmac"
    )
    javascript = sorted((name, value) for name, value in given.items() if name not in ("hmac", "signature"))
    messages = ("&".join(python), urlencode(javascript, quote_via=quote, safe="*"))
    return _signed_by_any(mac, messages, secrets)


def signs_body(mac: bytes, body: bytes, secrets: Sequence[str]) -> bool:
    """Whether `mac` is the base64 of the body's HMAC-SHA256 under one of the secrets, in constant time."""
    return True in [hmac.compare_digest(_body_signature(secret, body), mac) for secret in secrets]


def _signed_by_any(mac: bytes, messages: Sequence[str], secrets: Sequence[str]) -> bool:
    macs = [hmac.digest(s.encode(), m.encode(), "sha256").hex().encode() for s in secrets for m in messages]
    return True in [hmac.compare_digest(mac, own) for own in macs]


def _body_signature(secret: str, body: bytes) -> bytes:
    return b2a_base64(hmac.digest(secret.encode(), body, "sha256"), newline=False)


def _pairs(query: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=50)
    except ValueError as error:
        raise RequestRejectedError(400, "the address is malformed") from error


def _escaped(value: str) -> str:
    return value.replace("%", "%25").replace("&", "%26")


def _seconds(timestamp: str) -> int:
    return int(timestamp) if timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 12 else 0


def _headers(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Shopify's own headers; one that comes twice is as good as missing."""
    read: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _READ:
            read[name] = b"" if name in read else value
    return read


def _invented_id(topic: bytes, account: str, body: bytes) -> str:
    """Stands for a webhook id that is missing: the same for copies of one delivery."""
    return hmac.digest(b"%b\x1f%b" % (topic, account.encode()), body, "sha256").hex()


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestRejectedError(400, "the body is not JSON") from error
    if not isinstance(payload, dict):
        raise RequestRejectedError(400, "the body is not a JSON object")
    return payload


def _asked(topic: bytes, webhook_id: str, payload: Mapping[str, Any]) -> tuple[DeliveryKind, dict[str, list[str]]]:
    """What a delivery asks for. A deletion asks to read the same id: it is a hint, and reading proves it."""
    about = _KINDS.get(topic)
    asked = RECORDS.get(topic.partition(b"/")[0])
    if about or asked is None:
        return about or DeliveryKind.UNKNOWN, {}
    resource, beginning, named = asked
    kind = DeliveryKind.PROBE if webhook_id.startswith(TEST_MARK) else DeliveryKind.RECORDS
    return kind, {resource: [_gid(payload.get(named), beginning)]}


def _shop_in(payload: Mapping[str, Any], kind: DeliveryKind, account: str) -> object:
    """The shop that the body names; `account` where it names none and need not."""
    if kind in _ABOUT_DATA:
        return payload.get("shop_domain")
    return payload.get("myshopify_domain", payload.get("domain") if kind is DeliveryKind.UNINSTALLED else account)


def _gid(named: object, beginning: str) -> str:
    if type(named) is int and named > 0:
        return f"{beginning}{named}"
    if isinstance(named, str) and named.startswith(beginning) and len(named) < 200:
        return named
    raise RequestRejectedError(400, "the body names no record")


def _moment(stamp: bytes | None) -> int | None:
    """Milliseconds of an RFC 3339 time, whose fraction Shopify gives in nanoseconds."""
    try:
        cut = re.sub(r"(\.\d{3})\d*", r"\1", (stamp or b"").decode("ascii"))
        return int(datetime.fromisoformat(cut).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
