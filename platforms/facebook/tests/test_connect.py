"""Connecting pages and their webhooks, as far as no request is sent: dialog, callbacks, signatures, batches."""

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


def batch(*entries: Any, kind: str = "page") -> bytes:
    return json.dumps({"object": kind, "entry": entries}).encode()


def entry(page: Any = "1001", **more: Any) -> dict[str, Any]:
    return {"id": page, "time": 1_795_500_000, "changes": [{"field": "name", "value": "Café"}], **more}


def signed(body: bytes, secret: str = APP_SECRET) -> list[tuple[bytes, bytes]]:
    mac = hmac.digest(secret.encode(), body, "sha256").hex()
    return [(b"content-type", b"application/json"), (b"x-hub-signature-256", f"sha256={mac}".encode())]


@pytest.fixture
def facebook(make_settings: Callable[..., Settings]) -> PlatformAdapter:
    """Facebook as the gateway sees it."""
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
    return webhooks.verify_and_parse_deliveries(signed(body, secret), body)


def refused(webhooks: FacebookWebhooks, headers: list[tuple[bytes, bytes]], body: bytes) -> int:
    with pytest.raises(RequestRejectedError) as rejected:
        webhooks.verify_and_parse_deliveries(headers, body)
    return rejected.value.status


def test_consent_is_asked_in_facebooks_dialog(oauth: FacebookOAuth) -> None:
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
def test_a_callback_that_cannot_be_used_says_why(oauth: FacebookOAuth, query: bytes, reason: str) -> None:
    with pytest.raises(RequestRejectedError, match=reason):
        oauth.parse_callback(query, 0)


def test_a_batch_gives_one_delivery_an_entry(webhooks: FacebookWebhooks) -> None:
    body = batch(*(entry(str(1000 + number % 200), time=number) for number in range(1000)))
    deliveries = webhooks.verify_and_parse_deliveries(signed(body), body)
    assert len({delivery.webhook_id for delivery in deliveries}) == 1000
    assert deliveries[7].connection == "facebook:1007"
    assert {(delivery.topic, delivery.kind) for delivery in deliveries} == {("page", DeliveryKind.RECORDS)}
    assert deliveries[7].records == {"page": ["1007"]}


def test_copies_of_an_entry_are_the_same_delivery_in_any_batch(webhooks: FacebookWebhooks) -> None:
    turned = dict(reversed(entry().items()))
    first, second = batch(entry()), batch(entry("1002"), turned)
    (one,) = webhooks.verify_and_parse_deliveries(signed(first), first)
    other, copy = webhooks.verify_and_parse_deliveries(signed(second), second)
    assert one.webhook_id == copy.webhook_id != other.webhook_id


def test_all_forms_of_entries_make_their_page_dirty(webhooks: FacebookWebhooks) -> None:
    forms = [{"id": "1", "time": 1, "changed_fields": ["name"]}, {"id": 2, "time": 1, "messaging": []}, {"id": "3"}]
    body = batch(*forms)
    read = webhooks.verify_and_parse_deliveries(signed(body), body)
    assert [delivery.connection for delivery in read] == ["facebook:1", "facebook:2", "facebook:3"]


def test_what_people_say_on_a_page_asks_for_nothing(webhooks: FacebookWebhooks) -> None:
    body = batch({"id": "1", "time": 1, "messaging": [{"message": {"text": "hello"}}]}, {"id": "1", "standby": []})
    assert {d.kind for d in webhooks.verify_and_parse_deliveries(signed(body), body)} == {DeliveryKind.UNKNOWN}


def test_an_entry_nested_without_end_is_malformed(webhooks: FacebookWebhooks) -> None:
    body = b'{"object":"page","entry":[{"id":"1","changes":' + b"[" * 400 + b"]" * 400 + b"}]}"
    with pytest.raises(RequestRejectedError) as refused:
        webhooks.verify_and_parse_deliveries(signed(body), body)
    assert refused.value.status == 400


def test_entries_without_an_id_are_skipped_and_counted(
    webhooks: FacebookWebhooks, capsys: pytest.CaptureFixture[str]
) -> None:
    body = batch({"time": 1}, entry(), {"id": ""}, {"id": "me"}, {"id": "１"}, "x", None, {"id": ["1001"]})
    assert [one.connection for one in webhooks.verify_and_parse_deliveries(signed(body), body)] == ["facebook:1001"]
    lines = [line for line in capsys.readouterr().out.splitlines() if "skipped" in line]
    assert len(lines) == 1
    assert "7" in lines[0]
    empty = batch()
    assert webhooks.verify_and_parse_deliveries(signed(empty), empty) == []


@pytest.mark.parametrize("secret", [APP_SECRET, PREVIOUS])
def test_the_current_and_the_previous_secret_sign(webhooks: FacebookWebhooks, secret: str) -> None:
    body = batch(entry())
    assert len(webhooks.verify_and_parse_deliveries(signed(body, secret), body)) == 1


def test_a_signature_that_is_not_facebooks_is_401(webhooks: FacebookWebhooks) -> None:
    body = batch(entry())
    (content, (name, good)) = signed(body)
    bad = [b"", good[7:], good.upper(), good + b" ", good[:-1], b"sha1=" + good[7:]]
    bad += ["sha256=é".encode(), b"sha256=\xff"]
    for value in bad:
        assert refused(webhooks, [content, (name, value)], body) == 401
    assert refused(webhooks, [content], body) == 401
    assert refused(webhooks, [content, (name, good), (name, good)], body) == 401
    assert refused(webhooks, signed(body, "another"), body) == 401
    assert refused(webhooks, signed(body), body + b" ") == 401
    assert refused(webhooks, [content, (b"x-hub-signature", good)], body) == 401


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
        batch(entry(), kind="user"),
    ],
)
def test_what_is_no_batch_about_pages_is_400(webhooks: FacebookWebhooks, body: bytes) -> None:
    assert refused(webhooks, signed(body), body) == 400


def test_the_test_delivery_is_a_signed_batch_about_no_page(webhooks: FacebookWebhooks) -> None:
    webhook_id, headers, body = webhooks.build_probe("1001")
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    (delivery,) = webhooks.verify_and_parse_deliveries(pairs, body)
    assert (delivery.kind, delivery.connection, delivery.webhook_id) == (DeliveryKind.PROBE, "facebook:0", webhook_id)
    assert b"1001" not in body
    for other in (entry("0"), entry("1001", merchant_sync_test=webhook_id), entry("0", merchant_sync_test="x")):
        forged = batch(other)
        assert [one.kind for one in webhooks.verify_and_parse_deliveries(signed(forged), forged)] == [
            DeliveryKind.RECORDS
        ]


def test_a_challenge_is_answered_to_who_knows_the_verify_token(webhooks: FacebookWebhooks) -> None:
    good = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": "verify-me-8c41"}
    assert webhooks.answer_challenge(good) == "1158201444"
    for name, wrong in (("hub.mode", "unsubscribe"), ("hub.verify_token", "é"), ("hub.verify_token", "")):
        assert webhooks.answer_challenge(good | {name: wrong}) is None
    for name in good:
        assert webhooks.answer_challenge({given: value for given, value in good.items() if given != name}) is None


def encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def signed_request(payload: Any, secret: str = APP_SECRET) -> str:
    about = encoded(json.dumps(payload).encode())
    return f"{encoded(hmac.digest(secret.encode(), about.encode(), 'sha256'))}.{about}"


ABOUT = {"user_id": "4004", "algorithm": "HMAC-SHA256", "issued_at": 1_795_500_000}


@pytest.mark.parametrize("secret", [APP_SECRET, PREVIOUS])
def test_a_signed_request_names_its_user(requests: FacebookUserRequests, secret: str) -> None:
    assert requests.parse_signed_request(signed_request(ABOUT, secret)) == ("4004", 1_795_500_000_000)
    assert requests.parse_signed_request(signed_request(ABOUT | {"padding": "x"}, secret))[0] == "4004"


@pytest.mark.parametrize(
    "forged",
    [
        "",
        ".",
        "x.y.z",
        "é.é",
        signed_request(ABOUT, "another"),
        signed_request(ABOUT) + "=",
        signed_request(ABOUT | {"algorithm": "none"}),
        signed_request({"user_id": "4004"}),
        signed_request(ABOUT | {"user_id": ""}),
        signed_request(ABOUT | {"user_id": 4004}),
        signed_request(["user_id"]),
        signed_request(ABOUT).partition(".")[2],
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


def test_a_page_has_its_places(facebook: PlatformAdapter) -> None:
    assert facebook.accounts.get_object_key("1001") == "facebook/1001/page_data.json"
    assert facebook.accounts.build_account_url("1001") == "https://www.facebook.com/1001"


def test_only_what_facebook_delivers_changes_of_can_be_subscribed_to(
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
