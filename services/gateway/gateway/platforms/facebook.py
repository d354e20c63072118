"""Everything about Facebook that needs no IO: consent, signatures, permissions, webhooks, deliveries.

Sources: developers.facebook.com on the manual login flow, permissions, secure requests (`appsecret_proof`), webhooks
for Pages and the signed request of the deauthorize and data deletion callbacks.
"""

import hmac
import re
import time
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit
from uuid import uuid4

import orjson
import structlog

from platform_sdk.deliveries import Delivery, DeliveryHeader, DeliveryKind
from platform_sdk.errors import RequestRejectedError

log = structlog.get_logger()

SLUG = "facebook"
TEST_MARK = "merchant-sync-test-"
"""Begins the webhook id of the gateway's own test delivery; those of Facebook's entries are hashes."""
TEST_PAGE = "0"
"""The page that the gateway's own test delivery is about: no page's id."""
NEEDED = ("pages_show_list", "pages_read_engagement")
"""Without these no page can be listed or read."""
ASK_AGAIN = "/facebook/login?again=1"
"""Where a browser is sent to be asked for what was declined; Facebook does not ask for it again by itself."""

_COSTS = {
    "pages_show_list": ("page",),
    "pages_read_engagement": ("page",),
    "pages_manage_metadata": ("webhooks",),
}
_PAGE_ID = re.compile(r"[0-9]{1,32}")
_SIGNATURE = b"x-hub-signature-256"
_TOPIC = "page"
"""Of all deliveries: one tells of any fields of a page."""
_DELIVERY_HEADERS = (
    DeliveryHeader("X-Hub-Signature-256", "sha256= and the hex HMAC-SHA256 of the raw body under the app's secret"),
)


@dataclass(frozen=True)
class Facebook:
    """Facebook as seen by one app: its id, its secrets (current first) and its addresses.

    Without `app_id` it is not configured: it has no login and takes no deliveries, and what is known of its
    connections stays.
    """

    app_id: str
    secrets: tuple[str, ...] = field(repr=False)
    verify_token: str = field(repr=False)
    redirect_uri: str
    webhook_address: str
    scopes: tuple[str, ...]
    subscribed_fields: tuple[str, ...]
    version: str = "v25.0"
    dialog_url: str = "https://www.facebook.com"
    slug: str = SLUG
    title: str = "Facebook"
    account: str = "page"
    login_path: str = "/facebook/login"
    login_form: None = None
    claims: tuple[bytes, bytes, bytes] = (b"", b"", b"")
    delivered: frozenset[str] = frozenset({_TOPIC})
    delivery_headers: tuple[DeliveryHeader, ...] = field(default=_DELIVERY_HEADERS, repr=False)

    @property
    def configured(self) -> bool:
        """Whether this installation has an app at Facebook."""
        return bool(self.app_id)

    @property
    def secret(self) -> str:
        """The current secret; empty where there is no app."""
        return next(iter(self.secrets), "")

    @property
    def origin(self) -> str:
        """This installation's own address, as browsers reach it."""
        parts = urlsplit(self.redirect_uri)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def app_token(self) -> str:
        """The access token of the app itself."""
        return f"{self.app_id}|{self.secret}"

    def dialog(self, state: str, *, again: bool = False) -> str:
        """Where the browser is sent for consent; `again`: to be asked once more for what was declined."""
        query = {
            "client_id": self.app_id,
            "redirect_uri": self.redirect_uri,
            "state": state,
            "scope": ",".join(self.scopes),
            "response_type": "code",
            **({"auth_type": "rerequest"} if again else {}),
        }
        return f"{self.dialog_url}/{self.version}/dialog/oauth?{urlencode(query, quote_via=quote)}"

    def proof(self, token: str) -> str:
        """The `appsecret_proof` of a token: that the secret's owner sends it."""
        return hmac.digest(self.secret.encode(), token.encode(), "sha256").hex()

    def login_url(self, _account: str) -> str:
        """The gateway's own path on which any page's merchant signs in (again): one consent is for all."""
        return self.login_path

    def account_url(self, account: str) -> str:
        """Where the merchant manages the page: the page itself."""
        return f"{self.dialog_url}/{account}"

    def get_object_key(self, account: str) -> str:
        """Where the page's snapshot lies in the bucket."""
        return f"facebook/{account}/page_data.json"

    def parse_record_id(self, account: str, resource: str, given: str) -> str | None:
        """The page itself is a connection's only record."""
        return given if (resource, given) == ("page", account) else None

    def find_missing_scopes(self, granted: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """The permissions that were asked for and declined, each with what it costs."""
        have = frozenset(granted)
        return {scope: _COSTS.get(scope, ()) for scope in self.scopes if scope not in have}

    def list_topics(self, _granted: Iterable[str]) -> tuple[str, ...]:
        """The fields whose changes are asked for, whatever is granted: one that lacks its permission is refused."""
        return self.subscribed_fields

    def read_deliveries(self, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> list[Delivery]:
        """One delivery for each entry of the batch that these headers (names in lower case) and this raw body make.

        Raises `RequestRejectedError`: 401 unless exactly one X-Hub-Signature-256 signs the body with the current or the
        previous secret; 400 for a body that is no batch about pages. An entry without a page's id is skipped.
        """
        given = [value for name, value in headers if name == _SIGNATURE]
        if len(given) != 1 or not self.signs(given[0], body):
            raise RequestRejectedError(401, "the signature is missing, doubled or wrong")
        entries = _entries(body)
        deliveries = [_delivery(entry) for entry in entries]
        taken = [delivery for delivery in deliveries if delivery is not None]
        if len(taken) < len(entries):
            log.warning("entries without a page's id skipped", skipped=len(entries) - len(taken), taken=len(taken))
        return taken

    def signs(self, signature: bytes, body: bytes) -> bool:
        """Whether `signature` (`sha256=` and hex) is one of ours over these bytes."""
        return _is_one_of(signature, (b"sha256=" + _signature(secret, body).encode() for secret in self.secrets))

    def build_probe(self, account: str) -> tuple[str, dict[str, str], bytes]:  # noqa: ARG002
        """A signed batch of ours about an invented page: its webhook id, its headers, its body."""
        webhook_id = f"{TEST_MARK}{uuid4()}"
        entry = {"id": TEST_PAGE, "time": int(time.time()), "merchant_sync_test": webhook_id}
        body = orjson.dumps({"object": "page", "entry": [entry]})
        signature = f"sha256={_signature(self.secret, body)}"
        return webhook_id, {"Content-Type": "application/json", "X-Hub-Signature-256": signature}, body

    def challenge(self, query: Mapping[str, str]) -> str | None:
        """What to answer when Facebook verifies the webhook's address; None unless it shows our verify token."""
        shown = query.get("hub.verify_token", "").encode("utf-8", "surrogateescape")
        ours = hmac.compare_digest(shown, self.verify_token.encode())
        return query.get("hub.challenge") if ours and query.get("hub.mode") == "subscribe" else None

    def user_of(self, signed_request: str) -> tuple[str, int]:
        """The app-scoped user that a `signed_request` is about, and when it was made (ms).

        The signature is over the encoded payload as it was received. Raises `RequestRejectedError` unless the current
        or the previous secret signed it, by HMAC-SHA256, and it names a user and its moment.
        """
        signature, _, payload = signed_request.partition(".")
        shown = _decoded(signature).hex().encode()
        signed = payload.encode("utf-8", "surrogateescape")
        if not _is_one_of(shown, (_signature(secret, signed).encode() for secret in self.secrets)):
            raise RequestRejectedError(400, "the signed request is not Facebook's")
        about = _json(_decoded(payload))
        user = about.get("user_id") if isinstance(about, dict) and about.get("algorithm") == "HMAC-SHA256" else None
        if not isinstance(user, str) or not user:
            raise RequestRejectedError(400, "the signed request names no user")
        issued_at = about.get("issued_at")
        if type(issued_at) is not int:
            raise RequestRejectedError(400, "the signed request does not say when it was made")
        return user, issued_at * 1000


def callback_parameters(query: bytes) -> dict[str, str]:
    """`code` and `state` of a callback. Raises RequestRejectedError: a doubled key, a cancelled consent, one missing.

    Nothing signs them: the state proves that the consent was asked for here, the code that Facebook gave it.
    """
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=50)
    except ValueError as error:
        raise RequestRejectedError(400, "the address is malformed") from error
    given = dict(pairs)
    if len(given) != len(pairs):
        raise RequestRejectedError(400, "the address holds a parameter twice")
    if "error" in given or "error_reason" in given:
        raise RequestRejectedError(
            400, "the consent was cancelled, so that no page is connected; start again and choose your pages"
        )
    for name in ("code", "state"):
        if not given.get(name):
            raise RequestRejectedError(400, f"the parameter {name} is missing")
    return given


def _entries(body: bytes) -> list[Any]:
    payload = _json(body)
    if not isinstance(payload, dict) or payload.get("object") != "page":
        raise RequestRejectedError(400, "the body is not a JSON object about pages")
    entries = payload.get("entry")
    if not isinstance(entries, list):
        raise RequestRejectedError(400, "the body has no list of entries")
    return entries


def _delivery(entry: Any) -> Delivery | None:
    """What an entry asks for: to read its page, or nothing where people only talk on it. None where it names no page.

    Facebook gives entries no id: the hash of one absorbs the copies of a batch that comes again, in any batch.
    """
    page = str(entry.get("id", "")) if isinstance(entry, dict) else ""
    if not _PAGE_ID.fullmatch(page):
        return None
    test = entry.get("merchant_sync_test")
    if page == TEST_PAGE and isinstance(test, str) and test.startswith(TEST_MARK):
        return Delivery(_TOPIC, f"{SLUG}:{page}", test, DeliveryKind.PROBE, {"page": [page]}, None)
    try:
        webhook_id = sha256(orjson.dumps(entry, option=orjson.OPT_SORT_KEYS)).hexdigest()
    except orjson.JSONEncodeError as error:
        raise RequestRejectedError(400, "an entry is nested too deep") from error
    told = "changes" in entry or "changed_fields" in entry or not {"messaging", "standby"} & entry.keys()
    kind, records = (DeliveryKind.RECORDS, {"page": [page]}) if told else (DeliveryKind.UNKNOWN, {})
    return Delivery(_TOPIC, f"{SLUG}:{page}", webhook_id, kind, records, None)


def _signature(secret: str, signed: bytes) -> str:
    return hmac.digest(secret.encode(), signed, "sha256").hex()


def _is_one_of(shown: bytes, own: Iterable[bytes]) -> bool:
    """Compared with every one of them, in constant time."""
    return True in [hmac.compare_digest(shown, each) for each in own]


def _decoded(encoded: str) -> bytes:
    """The bytes of base64url without padding; none where it is malformed."""
    try:
        return urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    except ValueError:
        return b""


def _json(raw: bytes) -> Any:
    """The parsed body; None where it is no JSON."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
