"""No secret of a whole run appears in logs, spans, messages, dead letters, metrics or tables."""

import asyncio
import hashlib
import hmac
import re
import sqlite3
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import httpx
import orjson
import pytest
from aiokafka import AIOKafkaProducer

from gateway.tokens.encryption import TokenCipher
from merchant_sync.operating.internal_api import InternalApi
from merchant_sync.parts import SERVICES
from merchant_sync.stack import Stack
from otlp_receiver import Receiver
from secret_search import dump_tables, dump_topics, read_logs, search_texts
from tables import Tables, get_name
from test_disconnect_and_erasure import press_button
from world import World, wait_until

pytestmark = pytest.mark.integration
PUBLIC = {"shopify_api_key", "facebook_app_id"}
"""Secrets of the environment that are public: the ids of the apps."""
SECRET_PARAMETERS = {"code", "state", "hmac", "hub.verify_token"}
SANDBOX_TOKENS = re.compile(r"shpat_[0-9a-f]{40}|shprt_[0-9a-f]{40}|EAA[0-9a-f]{120}")


@pytest.fixture(scope="module")
def stack(traced_stack: Stack) -> Stack:
    """Use the stack that exports its spans."""
    return traced_stack


class SecretRecorder:
    """Records every secret that was used in the run, by kind."""

    def __init__(self) -> None:
        self.kinds: dict[str, set[str]] = {}

    def record(self, kind: str, *secrets: str) -> None:
        """Record secrets of one kind."""
        self.kinds.setdefault(kind, set()).update(secrets)

    def create_browser(self, world: World) -> httpx.Client:
        """Create a browser whose URLs and cookies are recorded."""
        hooks = {"response": [self._record_response]}
        return httpx.Client(base_url=world.visit.gateway_url, timeout=60, event_hooks=hooks)

    def _record_response(self, response: httpx.Response) -> None:
        for url in (str(response.request.url), response.headers.get("location", "")):
            for name, value in parse_qsl(urlsplit(url).query):
                if name in SECRET_PARAMETERS:
                    self.record(name, value)
        for cookie in response.headers.get_list("set-cookie"):
            name, _, value = cookie.partition(";")[0].partition("=")
            if len(value) > 8:
                self.record("session" if name == "session_id" else "login cookie", value)


def sign(secret: str, body: bytes) -> str:
    """Sign a delivery as Shopify does."""
    return b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode()


def build_signed_request(secret: str, person: str) -> str:
    """Build the `signed_request` with which Meta says that a person has removed the app."""
    payload = orjson.dumps({"user_id": person, "algorithm": "HMAC-SHA256", "issued_at": 2_000_000_000})
    encoded = urlsafe_b64encode(payload).decode().rstrip("=")
    signature = hmac.digest(secret.encode(), encoded.encode(), hashlib.sha256)
    return f"{urlsafe_b64encode(signature).decode().rstrip('=')}.{encoded}"


def deliver(world: World, recorder: SecretRecorder, shop: str, signature: str, body: bytes) -> int:
    """Deliver a webhook; return the status of the response."""
    recorder.record("webhook signature", signature)
    headers = {
        "X-Shopify-Topic": "products/update",
        "X-Shopify-Shop-Domain": shop,
        "X-Shopify-Webhook-Id": str(uuid4()),
    }
    address = f"{world.visit.gateway_url}/shopify/webhook"
    return httpx.post(address, content=body, headers={**headers, "X-Shopify-Hmac-Sha256": signature}).status_code


def read_stored_tokens(world: World) -> Iterator[tuple[str, str]]:
    """Yield the kind of each token that the gateway has stored, and the token, decrypted."""
    key = world.stack.build_settings("gateway")["TOKEN_ENCRYPTION_KEYS"]
    key_id, _, encoded = key.partition(":")
    cipher = TokenCipher({key_id: b64decode(encoded)})
    for row in world.select_rows("SELECT name, access_token, refresh_token FROM gateway.connections"):
        for kind, encrypted in (("access", row.access_token), ("refresh", row.refresh_token)):
            if encrypted is not None:
                yield kind, cipher.decrypt(encrypted, connection=row.name, kind=kind)


def read_issued_tokens(world: World) -> set[str]:
    """Return all tokens that the sandbox ever issued, also those of persons, which the product does not store."""
    path = world.stack.data_dir / "sandbox" / "sandbox.sqlite"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = [row for name in names for row in database.execute(f"SELECT * FROM {name}")]
    text = "\n".join(v.decode(errors="replace") if isinstance(v, bytes) else str(v) for row in rows for v in row)
    return set(SANDBOX_TOKENS.findall(text))


def connect_and_disconnect_shop(world: World, recorder: SecretRecorder, secret: str) -> None:
    """Connect a shop, edit it, send valid and forged requests about it, and disconnect it."""
    shop = world.make_shop(products=5)
    browser = recorder.create_browser(world)
    connected = world.connect(shop, browser)
    assert world.wait_for_sync(connected)["state"] == "success"
    world.edit_product(shop, world.list_products(shop)[0]["number"], title="Watched")
    world.wait_until_equal(shop)
    body = orjson.dumps({"id": world.list_products(shop)[0]["number"]})
    assert deliver(world, recorder, shop, sign(secret, body), body) == 200
    assert deliver(world, recorder, shop, sign("no app's secret", body), body) == 401
    parameters = {"shop": shop, "code": uuid4().hex, "state": uuid4().hex, "hmac": uuid4().hex, "timestamp": "1"}
    assert browser.get("/shopify/callback", params=parameters).status_code == 400
    assert call_back_with_wrong_code(world, recorder, shop, secret).status_code == 400
    for kind, token in read_stored_tokens(world):
        recorder.record(f"{kind} token", token)
    make_and_rotate_key(world, recorder, f"shopify:{shop}")
    assert press_button(browser, f"shopify:{shop}", "disconnect").status_code == 303


def make_and_rotate_key(world: World, recorder: SecretRecorder, connection: str) -> None:
    """Make a key for the data API and one in its place."""
    with InternalApi(world.access) as api:
        made = api.make_key(connection, "watched", ["read"], None)
        for one in (made, api.rotate_key(connection, made["id"], 1)):
            recorder.record("key", one["key"].removeprefix(one["prefix"]))


def call_back_with_wrong_code(world: World, recorder: SecretRecorder, shop: str, secret: str) -> httpx.Response:
    """Call back as Shopify does, correctly signed, with a code that Shopify's token endpoint refuses."""
    browser = recorder.create_browser(world)
    login = dict(parse_qsl(urlsplit(browser.get(f"/shopify/{shop}/login").headers["location"]).query))
    parameters = {"code": uuid4().hex, "shop": shop, "state": login["state"], "timestamp": str(2_000_000_000)}
    message = "&".join(f"{name}={value}" for name, value in sorted(parameters.items()))
    signature = hmac.digest(secret.encode(), message.encode(), hashlib.sha256).hex()
    return browser.get("/shopify/callback", params={**parameters, "hmac": signature})


def connect_and_remove_pages(world: World, recorder: SecretRecorder, secrets: dict[str, str]) -> None:
    """Connect pages, call back with invented codes, verify the webhook address, and remove the app."""
    browser, person = recorder.create_browser(world), world.create_person(pages=1)
    pages = world.connect_pages(person["id"], browser)
    world.edit_page(pages.pages[0]["id"], name="Watched")
    world.wait_until_page_equal(pages.pages[0]["id"])
    for kind, token in read_stored_tokens(world):
        recorder.record(f"{kind} token", token)
    login = dict(parse_qsl(urlsplit(browser.get("/facebook/login").headers["location"]).query))
    for state in (login["state"], uuid4().hex):
        assert browser.get("/facebook/callback", params={"code": uuid4().hex, "state": state}).status_code == 400
    for token in (secrets["facebook_verify_token"], uuid4().hex):
        parameters = {"hub.mode": "subscribe", "hub.challenge": "7", "hub.verify_token": token}
        browser.get("/facebook/webhook", params=parameters)
    valid = build_signed_request(secrets["facebook_app_secret"], person["id"])
    forged = build_signed_request("no app's secret", person["id"])
    recorder.record("signed_request", valid, forged)
    address = f"{world.visit.gateway_url}/facebook/deauthorize"
    assert httpx.post(address, data={"signed_request": forged}).status_code == 400
    assert httpx.post(address, data={"signed_request": valid}).status_code == 200
    wait_until(lambda: world.read_state(pages.pages[0]["connection"]) == "uninstalled" or None)


def connect_tables(world: World, recorder: SecretRecorder) -> None:
    """Connect a table behind a phpMyAdmin, have a wrong password refused, and a changed one in a sync."""
    tables, browser = Tables(world), recorder.create_browser(world)
    table = tables.create(5)
    name = get_name(tables.connect(table, browser=browser), table)
    login = tables.sandbox.build_credentials()
    wrong, other = uuid4().hex, uuid4().hex
    recorder.record("password", login["password"], wrong, other)
    assert browser.post("/phpmyadmin/connect", json={**login, "password": wrong}).status_code == 400
    with tables.use_password(other):
        tables.request_sync(name)
        wait_until(lambda: world.read_state(name) == "reauthorise" or None)


def cause_failures(world: World) -> None:
    """Publish a message that cannot be handled, call the internal port with a wrong key, and restart Postgres."""
    asyncio.run(publish_invalid_message(world.stack.environment.build_addresses()["KAFKA_BOOTSTRAP_SERVERS"]))
    log = world.stack.get_log_path("shopify-fetcher")
    wait_until(lambda: "message dead-lettered" in log.read_text() or None)
    internal_url = world.stack.build_settings("scheduler")["GATEWAY_INTERNAL_URL"]
    forged = {"Authorization": f"Bearer {uuid4().hex}"}
    assert httpx.post(f"{internal_url}/internal/tokens", json={"connection": "a:b"}, headers=forged).status_code == 401
    world.stack.stop_part("postgres")
    for name in ("gateway", "scheduler", "spaces-writer"):
        wait_until(lambda n=name: "UnavailableError" in world.stack.get_log_path(n).read_text() or None)
    world.stack.start_part("postgres")


async def publish_invalid_message(servers: str) -> None:
    """Publish a message that is not valid JSON."""
    async with AIOKafkaProducer(bootstrap_servers=servers) as producer:
        await producer.send_and_wait("sync.requested.shopify", b"{broken", key=b"shopify:nobody.myshopify.com")


def fetch_metrics(world: World) -> dict[str, str]:
    """Fetch `/metrics` of every service."""
    stack = world.stack
    own_urls = {name: f"http://127.0.0.1:{stack.build_settings(name)['PORT']}" for name in SERVICES}
    urls = {**own_urls, "gateway": stack.build_settings("scheduler")["GATEWAY_INTERNAL_URL"]}
    return {name: httpx.get(f"{url}/metrics").raise_for_status().text for name, url in urls.items()}


def test_no_secret_of_a_whole_run_appears_in_any_output(world: World, receiver: Receiver) -> None:
    recorder, secrets = SecretRecorder(), dict(world.stack.environment.secrets)
    recorder.record("setting", *(value for name, value in secrets.items() if name not in PUBLIC))
    connect_and_disconnect_shop(world, recorder, secrets["shopify_api_secret"])
    connect_and_remove_pages(world, recorder, secrets)
    connect_tables(world, recorder)
    cause_failures(world)
    recorder.record("issued by a platform", *read_issued_tokens(world))

    servers = world.stack.environment.build_addresses()["KAFKA_BOOTSTRAP_SERVERS"]
    texts = {
        **{f"log of {name}": text for name, text in read_logs(world).items()},
        **{f"topic {name}": text for name, text in asyncio.run(dump_topics(servers)).items()},
        **{f"metrics of {name}": text for name, text in fetch_metrics(world).items()},
        **dump_tables(world),
        "spans": "\n".join(body.decode(errors="replace") for body in receiver.bodies),
    }
    for kind in (
        "code",
        "state",
        "hmac",
        "session",
        "login cookie",
        "access token",
        "refresh token",
        "key",
        "signed_request",
        "password",
    ):
        assert recorder.kinds[kind], f"no {kind} was in the run"
    all_secrets = [secret for kind in recorder.kinds.values() for secret in kind]
    assert all(len(secret) >= 7 for secret in all_secrets)
    names = {name for name, text in texts.items() if "hopify" in text}
    assert {"topic sync.requested.shopify.dlq", "spans", "log of gateway", "metrics of gateway"} <= names

    assert search_texts(texts, all_secrets) == {}
    for secret in all_secrets:  # check that the search does find each secret where there is one
        assert search_texts({"copy": f"{texts['log of gateway']} a line with {secret} in it"}, [secret]) == {
            "copy": {secret}
        }
