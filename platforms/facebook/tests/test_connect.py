"""Connecting pages and their webhooks without requests: dialog, callbacks, signatures, batches."""

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from platform_sdk.adapters import PlatformAdapter
from platform_sdk.deliveries import Delivery, DeliveryKind
from platform_sdk.errors import RequestRejectedError
from platforms.facebook.connect import FacebookOAuth, create_adapter
from platforms.facebook.settings import Settings
from platforms.facebook.tests.fake_graph import APP_ID, APP_SECRET
from platforms.facebook.webhook_fields import WEBHOOK_FIELDS
from platforms.facebook.webhooks import FacebookUserRequests, FacebookWebhooks

PREVIOUS = "facebook's former secret"


def build_batch(*entries: Any, kind: str = "page") -> bytes:
    return json.dumps({"object": kind, "entry": entries}).encode()


def build_entry(page: Any = "1001", **more: Any) -> dict[str, Any]:
    return {"id": page, "time": 1_795_500_000, "changes": [{"field": "name", "value": "Café"}], **more}


def build_headers(body: bytes, secret: str = APP_SECRET) -> list[tuple[bytes, bytes]]:
    mac = hmac.digest(secret.encode(), body, "sha256").hex()
    return [(b"content-type", b"application/json"), (b"x-hub-signature-256", f"sha256={mac}".encode())]


@pytest.fixture
def facebook(make_settings: Callable[..., Settings]) -> PlatformAdapter:
    """The adapter of Facebook, as the gateway creates it."""
    return create_adapter(make_settings(), httpx.AsyncClient(), lambda: 0)


@pytest.fixture
def oauth(facebook: PlatformAdapter) -> FacebookOAuth:
    assert isinstance(facebook.connection_method, FacebookOAuth)
    return facebook.connection_method


@pytest.fixture
def webhooks(facebook: PlatformAdapter) -> FacebookWebhooks:
    assert isinstance(facebook.webhooks, FacebookWebhooks)
    return facebook.webhooks


@pytest.fixture
def requests(facebook: PlatformAdapter) -> FacebookUserRequests:
    assert isinstance(facebook.user_requests, FacebookUserRequests)
    return facebook.user_requests


def read(webhooks: FacebookWebhooks, body: bytes, secret: str = APP_SECRET) -> list[Delivery]:
    return webhooks.verify_and_parse_deliveries(build_headers(body, secret), body)


def get_refusal_status(webhooks: FacebookWebhooks, headers: list[tuple[bytes, bytes]], body: bytes) -> int:
    with pytest.raises(RequestRejectedError) as rejected:
        webhooks.verify_and_parse_deliveries(headers, body)
    return rejected.value.status


def test_consent_is_requested_in_facebooks_dialog(oauth: FacebookOAuth) -> None:
    parts = urlsplit(oauth.build_authorize_url("", "a state"))
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == "https://www.facebook.com/v25.0/dialog/oauth"
    assert {name: value for name, (value,) in parse_qs(parts.query).items()} == {
        "client_id": APP_ID,
        "redirect_uri": "http://gateway.test/facebook/callback",
        "state": "a state",
        "scope": "pages_show_list,pages_manage_metadata,pages_read_engagement,pages_messaging",
        "response_type": "code",
    }
    assert "auth_type=rerequest" in oauth.build_authorize_url("", "a state", again=True)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        (b"state=s", "code is missing"),
        (b"code=&state=s", "code is missing"),
        (b"code=c", "state is missing"),
        (b"", "code is missing"),
        (b"code=c&state=s&state=t", "twice"),
        (b"code=%ff&state=s", "malformed"),
        (b"error_reason=user_denied&error=access_denied&error_description=x&state=s", "cancelled"),
        (b"error=access_denied&code=c&state=s", "cancelled"),
    ],
)
def test_a_refused_callback_names_the_reason(oauth: FacebookOAuth, query: bytes, reason: str) -> None:
    with pytest.raises(RequestRejectedError, match=reason):
        oauth.parse_callback(query, 0)


def test_each_entry_of_a_batch_becomes_one_delivery(webhooks: FacebookWebhooks) -> None:
    body = build_batch(*(build_entry(str(1000 + number % 200), time=number) for number in range(1000)))
    deliveries = webhooks.verify_and_parse_deliveries(build_headers(body), body)
    assert len({delivery.webhook_id for delivery in deliveries}) == 1000
    assert deliveries[7].connection == "facebook:1007"
    assert {(delivery.topic, delivery.kind) for delivery in deliveries} == {("page", DeliveryKind.RECORDS)}
    assert deliveries[7].records == {"page": ["1007"]}


def test_copies_of_an_entry_have_the_same_webhook_id_in_any_batch(webhooks: FacebookWebhooks) -> None:
    turned = dict(reversed(build_entry().items()))
    first, second = build_batch(build_entry()), build_batch(build_entry("1002"), turned)
    (original,) = webhooks.verify_and_parse_deliveries(build_headers(first), first)
    other, copy = webhooks.verify_and_parse_deliveries(build_headers(second), second)
    assert original.webhook_id == copy.webhook_id != other.webhook_id


def test_all_forms_of_entries_name_their_page(webhooks: FacebookWebhooks) -> None:
    forms = [{"id": "1", "time": 1, "changed_fields": ["name"]}, {"id": 2, "time": 1, "messaging": []}, {"id": "3"}]
    body = build_batch(*forms)
    read = webhooks.verify_and_parse_deliveries(build_headers(body), body)
    assert [delivery.connection for delivery in read] == ["facebook:1", "facebook:2", "facebook:3"]


def test_messages_of_people_request_no_sync(webhooks: FacebookWebhooks) -> None:
    body = build_batch(
        {"id": "1", "time": 1, "messaging": [{"message": {"text": "hello"}}]}, {"id": "1", "standby": []}
    )
    assert {d.kind for d in webhooks.verify_and_parse_deliveries(build_headers(body), body)} == {DeliveryKind.UNKNOWN}


def test_a_deeply_nested_entry_is_malformed(webhooks: FacebookWebhooks) -> None:
    body = b'{"object":"page","entry":[{"id":"1","changes":' + b"[" * 400 + b"]" * 400 + b"}]}"
    with pytest.raises(RequestRejectedError) as raised:
        webhooks.verify_and_parse_deliveries(build_headers(body), body)
    assert raised.value.status == 400


def test_entries_without_an_id_are_skipped_and_counted(
    webhooks: FacebookWebhooks, capsys: pytest.CaptureFixture[str]
) -> None:
    body = build_batch({"time": 1}, build_entry(), {"id": ""}, {"id": "me"}, {"id": "１"}, "x", None, {"id": ["1001"]})
    assert [delivery.connection for delivery in webhooks.verify_and_parse_deliveries(build_headers(body), body)] == [
        "facebook:1001"
    ]
    lines = [line for line in capsys.readouterr().out.splitlines() if "skipped" in line]
    assert len(lines) == 1
    assert "7" in lines[0]
    empty = build_batch()
    assert webhooks.verify_and_parse_deliveries(build_headers(empty), empty) == []


@pytest.mark.parametrize("secret", [APP_SECRET, PREVIOUS])
def test_signatures_by_the_current_and_the_previous_secret_are_valid(webhooks: FacebookWebhooks, secret: str) -> None:
    body = build_batch(build_entry())
    assert len(webhooks.verify_and_parse_deliveries(build_headers(body, secret), body)) == 1


def test_a_signature_that_is_not_facebooks_is_401(webhooks: FacebookWebhooks) -> None:
    body = build_batch(build_entry())
    (content, (name, good)) = build_headers(body)
    bad = [b"", good[7:], good.upper(), good + b" ", good[:-1], b"sha1=" + good[7:]]
    bad += ["sha256=é".encode(), b"sha256=\xff"]
    for value in bad:
        assert get_refusal_status(webhooks, [content, (name, value)], body) == 401
    assert get_refusal_status(webhooks, [content], body) == 401
    assert get_refusal_status(webhooks, [content, (name, good), (name, good)], body) == 401
    assert get_refusal_status(webhooks, build_headers(body, "another"), body) == 401
    assert get_refusal_status(webhooks, build_headers(body), body + b" ") == 401
    assert get_refusal_status(webhooks, [content, (b"x-hub-signature", good)], body) == 401


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"object": "page", "entry": [{"id": "1001"',
        b'{"object": "page", "entry": [{"id": "\xff"}]}',
        b"[]",
        b'{"object": "page"}',
        b'{"object": "page", "entry": {}}',
        b'{"entry": []}',
        build_batch(build_entry(), kind="user"),
    ],
)
def test_a_body_that_is_no_batch_about_pages_is_400(webhooks: FacebookWebhooks, body: bytes) -> None:
    assert get_refusal_status(webhooks, build_headers(body), body) == 400


def test_the_probe_is_a_signed_batch_about_no_page(webhooks: FacebookWebhooks) -> None:
    webhook_id, headers, body = webhooks.build_probe("1001")
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    (delivery,) = webhooks.verify_and_parse_deliveries(pairs, body)
    assert (delivery.kind, delivery.connection, delivery.webhook_id) == (DeliveryKind.PROBE, "facebook:0", webhook_id)
    assert b"1001" not in body
    for other in (
        build_entry("0"),
        build_entry("1001", merchant_sync_test=webhook_id),
        build_entry("0", merchant_sync_test="x"),
    ):
        forged = build_batch(other)
        assert [delivery.kind for delivery in webhooks.verify_and_parse_deliveries(build_headers(forged), forged)] == [
            DeliveryKind.RECORDS
        ]


def test_a_challenge_is_returned_only_with_the_verify_token(webhooks: FacebookWebhooks) -> None:
    good = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": "verify-me-8c41"}
    assert webhooks.answer_challenge(good) == "1158201444"
    for name, wrong in (("hub.mode", "unsubscribe"), ("hub.verify_token", "é"), ("hub.verify_token", "")):
        assert webhooks.answer_challenge(good | {name: wrong}) is None
    for name in good:
        assert webhooks.answer_challenge({key: value for key, value in good.items() if key != name}) is None


def encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def sign_request(payload: Any, secret: str = APP_SECRET) -> str:
    encoded_payload = encode(json.dumps(payload).encode())
    return f"{encode(hmac.digest(secret.encode(), encoded_payload.encode(), 'sha256'))}.{encoded_payload}"


PAYLOAD = {"user_id": "4004", "algorithm": "HMAC-SHA256", "issued_at": 1_795_500_000}


@pytest.mark.parametrize("secret", [APP_SECRET, PREVIOUS])
def test_a_signed_request_names_its_user(requests: FacebookUserRequests, secret: str) -> None:
    assert requests.parse_signed_request(sign_request(PAYLOAD, secret)) == ("4004", 1_795_500_000_000)
    assert requests.parse_signed_request(sign_request(PAYLOAD | {"padding": "x"}, secret))[0] == "4004"


@pytest.mark.parametrize(
    "forged",
    [
        "",
        ".",
        "x.y.z",
        "é.é",
        sign_request(PAYLOAD, "another"),
        sign_request(PAYLOAD) + "=",
        sign_request(PAYLOAD | {"algorithm": "none"}),
        sign_request({"user_id": "4004"}),
        sign_request(PAYLOAD | {"user_id": ""}),
        sign_request(PAYLOAD | {"user_id": 4004}),
        sign_request(["user_id"]),
        sign_request(PAYLOAD).partition(".")[2],
    ],
)
def test_a_forged_signed_request_is_refused(requests: FacebookUserRequests, forged: str) -> None:
    with pytest.raises(RequestRejectedError):
        requests.parse_signed_request(forged)


def test_a_declined_permission_is_named_with_what_it_costs(facebook: PlatformAdapter) -> None:
    granted = ("pages_show_list", "pages_read_engagement", "public_profile")
    assert facebook.accounts.find_missing_scopes(granted) == {
        "pages_manage_metadata": ("webhooks",),
        "pages_messaging": (),
    }


def test_a_page_has_an_object_key_and_an_address(facebook: PlatformAdapter) -> None:
    assert facebook.manifest.build_object_key("1001") == "facebook/1001/page_data.json"
    assert facebook.accounts.build_account_url("1001") == "https://www.facebook.com/1001"


def test_only_fields_with_webhooks_can_be_subscribed_to(
    webhooks: FacebookWebhooks, make_settings: Callable[..., Settings]
) -> None:
    assert set(webhooks.list_topics(())) <= WEBHOOK_FIELDS
    settings = make_settings(facebook_subscribed_fields="name, phone,name")
    assert settings.facebook_subscribed_fields == ("name", "phone")
    assert not {"about", "link", "emails", "username"} & WEBHOOK_FIELDS


def test_secrets_are_in_no_repr(make_settings: Callable[..., Settings], facebook: PlatformAdapter) -> None:
    for secret in (APP_SECRET, PREVIOUS, "verify-me-8c41"):
        assert secret not in repr(make_settings()) + repr(facebook)


def test_a_page_is_the_only_record_of_its_connection(facebook: PlatformAdapter) -> None:
    assert facebook.accounts.parse_record_id("1029", "page", "1029") == "1029"
    assert facebook.accounts.parse_record_id("1029", "page", "1030") is None
    assert facebook.accounts.parse_record_id("1029", "products", "1029") is None
