"""Facebook's webhooks for Pages: verifies signed batches of entries, challenges, and signed requests of users.

Source: developers.facebook.com on webhooks for Pages and on the signed request of the deauthorize and data deletion
callbacks.
"""

import hmac
import re
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any
from uuid import uuid4

import orjson
import structlog

from platform_sdk.adapters import WebhookReport
from platform_sdk.deliveries import Delivery, DeliveryHeader, DeliveryKind
from platform_sdk.errors import RequestRejectedError
from platforms.facebook.graph import Graph
from platforms.facebook.manifest import MANIFEST
from platforms.facebook.resources import PAGE
from platforms.facebook.settings import Settings
from platforms.facebook.subscriptions import PageSubscriptions

log = structlog.get_logger()

PROBE_PREFIX = "merchant-sync-test-"
"""The prefix of the webhook ids of probes, the test deliveries that the gateway sends. Others have a hash as id."""
PROBE_PAGE = "0"
"""The Page id in probes. No Page has this id."""

_PAGE_ID = re.compile(r"[0-9]{1,32}")
_SIGNATURE = b"x-hub-signature-256"
_TOPIC = "page"
"""The topic of all deliveries. One delivery may report changes of any fields of a Page."""


class FacebookWebhooks:
    """The webhooks of one Facebook app. `now` returns ms since the Unix epoch."""

    metric_topics: Collection[str] = frozenset({_TOPIC})
    challenge_parameters: Mapping[str, str] = {
        "hub.mode": "subscribe",
        "hub.verify_token": "The verify token of this installation",
        "hub.challenge": "What to answer",
    }
    claim_headers = (b"", b"", b"")
    headers = (
        DeliveryHeader("X-Hub-Signature-256", "sha256= and the hex HMAC-SHA256 of the raw body under the app's secret"),
    )

    def __init__(self, settings: Settings, graph: Graph, *, now: Callable[[], int]) -> None:
        self._secrets = settings.secrets
        self._verify_token = settings.facebook_verify_token.get_secret_value()
        self._fields = settings.facebook_subscribed_fields
        self._subscriptions = PageSubscriptions(graph, settings, now=now)
        self.address = settings.facebook_webhook_address

    def list_topics(self, scopes: Iterable[str]) -> tuple[str, ...]:  # noqa: ARG002
        """Return the fields to subscribe to. `scopes` has no effect: Facebook refuses fields that lack a permission."""
        return self._fields

    def verify_and_parse_deliveries(self, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> list[Delivery]:
        """Verify a request and return a delivery for each entry. Names of headers are in lower case, `body` is raw.

        Raises RequestRejectedError with status 401 unless there is exactly one X-Hub-Signature-256, with a signature of
        the body by the current or the previous secret. Raises it with status 400 when the body is not a batch of
        entries about Pages. Entries without a Page's id are skipped and logged.
        """
        signatures = [value for name, value in headers if name == _SIGNATURE]
        if len(signatures) != 1 or not self._is_body_signed(signatures[0], body):
            raise RequestRejectedError(401, "the signature is missing, doubled or wrong")
        entries = _parse_entries(body)
        deliveries = [delivery for entry in entries if (delivery := _parse_entry(entry)) is not None]
        if len(deliveries) < len(entries):
            skipped = len(entries) - len(deliveries)
            log.warning("entries without a page's id skipped", skipped=skipped, kept=len(deliveries))
        return deliveries

    def build_probe(self, account: str) -> tuple[str, dict[str, str], bytes]:  # noqa: ARG002
        """Build a webhook probe (a test delivery): a signed batch about an invented Page.

        Returns the webhook id, the headers and the body of the probe.
        """
        webhook_id = f"{PROBE_PREFIX}{uuid4()}"
        entry = {"id": PROBE_PAGE, "time": int(time.time()), "merchant_sync_test": webhook_id}
        body = orjson.dumps({"object": "page", "entry": [entry]})
        signature = f"sha256={_compute_signature(self._secrets[0], body)}"
        return webhook_id, {"Content-Type": "application/json", "X-Hub-Signature-256": signature}, body

    async def ensure_subscriptions(self, account: str, token: str, *, topics: Sequence[str]) -> WebhookReport:
        """Subscribe the app to the fields `topics` of Pages, and this Page to the app."""
        return await self._subscriptions.ensure_subscriptions(account, token, topics)

    async def inspect_subscriptions(self, account: str, token: str, *, topics: Sequence[str]) -> WebhookReport:
        """Return which of the fields `topics` of this Page are delivered to `address`."""
        return await self._subscriptions.inspect_subscriptions(account, token, topics)

    def answer_challenge(self, query: Mapping[str, str]) -> str | None:
        """Return the response to the request by which Facebook verifies the webhook URL: the challenge in `query`.

        Returns None unless the mode and the verify token in `query` are right.
        """
        token = query.get("hub.verify_token", "").encode("utf-8", "surrogateescape")
        is_ours = hmac.compare_digest(token, self._verify_token.encode())
        return query.get("hub.challenge") if is_ours and query.get("hub.mode") == "subscribe" else None

    def _is_body_signed(self, signature: bytes, body: bytes) -> bool:
        return _is_expected_signature(
            signature, (b"sha256=" + _compute_signature(secret, body).encode() for secret in self._secrets)
        )


class FacebookUserRequests:
    """Verifies users' requests to remove the app or to delete their data. Facebook signs them with the app's secret."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = tuple(secrets)

    def parse_signed_request(self, text: str) -> tuple[str, int]:
        """Return the app-scoped user id in a `signed_request`, and when the request was made (ms since the Unix epoch).

        Raises RequestRejectedError unless the text has an HMAC-SHA256 signature by the current or the previous secret,
        a user id and a time.
        """
        encoded_signature, _, payload = text.partition(".")
        signature = _decode_base64url_or_empty(encoded_signature).hex().encode()
        signed = payload.encode("utf-8", "surrogateescape")  # the signature is over the payload as it was received
        if not _is_expected_signature(
            signature, (_compute_signature(secret, signed).encode() for secret in self._secrets)
        ):
            raise RequestRejectedError(400, "the signed request is not Facebook's")
        content = _parse_json_or_none(_decode_base64url_or_empty(payload))
        is_known = isinstance(content, dict) and content.get("algorithm") == "HMAC-SHA256"
        user = content.get("user_id") if is_known else None
        if not isinstance(user, str) or not user:
            raise RequestRejectedError(400, "the signed request names no user")
        issued_at = content.get("issued_at")
        if type(issued_at) is not int:
            raise RequestRejectedError(400, "the signed request does not say when it was made")
        return user, issued_at * 1000


def _parse_entries(body: bytes) -> list[Any]:
    payload = _parse_json_or_none(body)
    if not isinstance(payload, dict) or payload.get("object") != "page":
        raise RequestRejectedError(400, "the body is not a JSON object about pages")
    entries = payload.get("entry")
    if not isinstance(entries, list):
        raise RequestRejectedError(400, "the body has no list of entries")
    return entries


def _parse_entry(entry: Any) -> Delivery | None:
    """Return the delivery for one entry of a webhook request's batch; None when the entry has no Page's id.

    An entry about changes asks to read the Page. An entry that contains only messages to the Page has the kind UNKNOWN.
    """
    page = str(entry.get("id", "")) if isinstance(entry, dict) else ""
    if not _PAGE_ID.fullmatch(page):
        return None
    connection = f"{MANIFEST.slug}:{page}"
    records = {PAGE.name: [page]}
    probe = entry.get("merchant_sync_test")
    if page == PROBE_PAGE and isinstance(probe, str) and probe.startswith(PROBE_PREFIX):
        return Delivery(_TOPIC, connection, probe, DeliveryKind.PROBE, records, None)
    try:
        # Facebook's entries have no id. The hash of an entry is the same for all its copies, in any batch.
        webhook_id = sha256(orjson.dumps(entry, option=orjson.OPT_SORT_KEYS)).hexdigest()
    except orjson.JSONEncodeError as error:
        raise RequestRejectedError(400, "an entry is nested too deep") from error
    is_change = "changes" in entry or "changed_fields" in entry or not {"messaging", "standby"} & entry.keys()
    if not is_change:
        return Delivery(_TOPIC, connection, webhook_id, DeliveryKind.UNKNOWN, {}, None)
    return Delivery(_TOPIC, connection, webhook_id, DeliveryKind.RECORDS, records, None)


def _compute_signature(secret: str, content: bytes) -> str:
    return hmac.digest(secret.encode(), content, "sha256").hex()


def _is_expected_signature(signature: bytes, expected: Iterable[bytes]) -> bool:
    """Return whether `signature` is one of `expected`. Compares it with all of them, each in constant time."""
    return True in [hmac.compare_digest(signature, own) for own in expected]


def _decode_base64url_or_empty(text: str) -> bytes:
    """Decode base64url without padding. Returns no bytes when the text is malformed."""
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""


def _parse_json_or_none(raw: bytes) -> Any:
    """Return the parsed JSON; None when `raw` is not JSON."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
