"""No secret of a whole run is in anything that it said: logs, spans, messages, dead letters, metrics, tables."""

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
from merchant_sync.stack import Stack
from otlp_receiver import Receiver
from searching import holding, logs, said_in_kafka, tables
from test_letting_go import press
from world import World, until

pytestmark = pytest.mark.integration
PUBLIC = {"shopify_api_key", "facebook_app_id"}
"""What the platforms show to everybody: the ids of the apps."""
IN_ADDRESSES = {"code", "state", "hmac", "hub.verify_token"}
SANDBOX_TOKENS = re.compile(r"shpat_[0-9a-f]{40}|shprt_[0-9a-f]{40}|EAA[0-9a-f]{120}")


@pytest.fixture(scope="module")
def stack(traced_stack: Stack) -> Stack:
    """The stack that exports its spans."""
    return traced_stack


class Seen:
    """Every secret that was in the run, by kind."""

    def __init__(self) -> None:
        self.kinds: dict[str, set[str]] = {}

    def note(self, kind: str, *secrets: str) -> None:
        """These were in the run."""
        self.kinds.setdefault(kind, set()).update(secrets)

    def browser(self, world: World) -> httpx.Client:
        """A browser of which is noted what its addresses and cookies hold."""
        noting = {"response": [self._note_answer]}
        return httpx.Client(base_url=world.visit.gateway_url, timeout=60, event_hooks=noting)

    def _note_answer(self, answer: httpx.Response) -> None:
        for address in (str(answer.request.url), answer.headers.get("location", "")):
            for name, value in parse_qsl(urlsplit(address).query):
                if name in IN_ADDRESSES:
                    self.note(name, value)
        for cookie in answer.headers.get_list("set-cookie"):
            name, _, value = cookie.partition(";")[0].partition("=")
            if len(value) > 8:
                self.note("session" if name == "session_id" else "login cookie", value)


def sign(secret: str, body: bytes) -> str:
    """As Shopify signs a delivery."""
    return b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode()


def signed_request(secret: str, person: str) -> str:
    """As Meta signs who has taken the app away."""
    payload = orjson.dumps({"user_id": person, "algorithm": "HMAC-SHA256", "issued_at": 2_000_000_000})
    encoded = urlsafe_b64encode(payload).decode().rstrip("=")
    signature = hmac.digest(secret.encode(), encoded.encode(), hashlib.sha256)
    return f"{urlsafe_b64encode(signature).decode().rstrip('=')}.{encoded}"


def deliver(world: World, seen: Seen, shop: str, signature: str, body: bytes) -> int:
    """Deliver a webhook; the answer's status."""
    seen.note("webhook signature", signature)
    about = {"X-Shopify-Topic": "products/update", "X-Shopify-Shop-Domain": shop, "X-Shopify-Webhook-Id": str(uuid4())}
    address = f"{world.visit.gateway_url}/shopify/webhook"
    return httpx.post(address, content=body, headers={**about, "X-Shopify-Hmac-Sha256": signature}).status_code


def tokens_of(world: World) -> Iterator[tuple[str, str]]:
    """The tokens that the gateway keeps, opened."""
    key = world.stack.env_of("gateway")["TOKEN_ENCRYPTION_KEYS"]
    key_id, _, encoded = key.partition(":")
    cipher = TokenCipher({key_id: b64decode(encoded)})
    for row in world.rows("SELECT name, access_token, refresh_token FROM gateway.connections"):
        for kind, encrypted in (("access", row.access_token), ("refresh", row.refresh_token)):
            if encrypted is not None:
                yield kind, cipher.decrypt(encrypted, connection=row.name, kind=kind)


def tokens_given(world: World) -> set[str]:
    """All tokens that the sandbox has ever given, those of persons too, which the product does not keep."""
    path = world.stack.data_dir / "sandbox" / "sandbox.sqlite"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = [row for name in names for row in database.execute(f"SELECT * FROM {name}")]
    plain = "\n".join(v.decode(errors="replace") if isinstance(v, bytes) else str(v) for row in rows for v in row)
    return set(SANDBOX_TOKENS.findall(plain))


def shop_comes_and_goes(world: World, seen: Seen, secret: str) -> None:
    """A shop is connected, changes, is lied about, and is disconnected."""
    shop = world.make_shop(products=5)
    browser = seen.browser(world)
    connected = world.connect(shop, browser)
    assert world.ended(connected)["state"] == "success"
    world.edit(shop, world.products(shop)[0]["number"], title="Watched")
    world.equal(shop)
    body = orjson.dumps({"id": world.products(shop)[0]["number"]})
    assert deliver(world, seen, shop, sign(secret, body), body) == 200
    assert deliver(world, seen, shop, sign("no app's secret", body), body) == 401
    back = {"shop": shop, "code": uuid4().hex, "state": uuid4().hex, "hmac": uuid4().hex, "timestamp": "1"}
    assert browser.get("/shopify/callback", params=back).status_code == 400
    assert code_refused(world, seen, shop, secret).status_code == 400
    for kind, token in tokens_of(world):
        seen.note(f"{kind} token", token)
    assert press(browser, f"shopify:{shop}", "disconnect").status_code == 303


def code_refused(world: World, seen: Seen, shop: str, secret: str) -> httpx.Response:
    """A callback that is Shopify's in all but its code, which Shopify's own endpoint refuses."""
    browser = seen.browser(world)
    asked = dict(parse_qsl(urlsplit(browser.get(f"/shopify/{shop}/login").headers["location"]).query))
    back = {"code": uuid4().hex, "shop": shop, "state": asked["state"], "timestamp": str(2_000_000_000)}
    said = "&".join(f"{name}={value}" for name, value in sorted(back.items()))
    signed = hmac.digest(secret.encode(), said.encode(), hashlib.sha256).hex()
    return browser.get("/shopify/callback", params={**back, "hmac": signed})


def pages_come_and_go(world: World, seen: Seen, secrets: dict[str, str]) -> None:
    """Pages are connected, a callback is invented, the address is verified, and the person takes the app away."""
    browser, person = seen.browser(world), world.person(pages=1)
    pages = world.connect_pages(person["id"], browser)
    world.edit_page(pages.pages[0]["id"], name="Watched")
    world.page_equal(pages.pages[0]["id"])
    for kind, token in tokens_of(world):
        seen.note(f"{kind} token", token)
    login = dict(parse_qsl(urlsplit(browser.get("/facebook/login").headers["location"]).query))
    for state in (login["state"], uuid4().hex):
        assert browser.get("/facebook/callback", params={"code": uuid4().hex, "state": state}).status_code == 400
    for token in (secrets["facebook_verify_token"], uuid4().hex):
        asked = {"hub.mode": "subscribe", "hub.challenge": "7", "hub.verify_token": token}
        browser.get("/facebook/webhook", params=asked)
    good = signed_request(secrets["facebook_app_secret"], person["id"])
    forged = signed_request("no app's secret", person["id"])
    seen.note("signed_request", good, forged)
    address = f"{world.visit.gateway_url}/facebook/deauthorize"
    assert httpx.post(address, data={"signed_request": forged}).status_code == 400
    assert httpx.post(address, data={"signed_request": good}).status_code == 200
    until(lambda: world.state_of(pages.pages[0]["connection"]) == "uninstalled" or None)


def trouble(world: World) -> None:
    """A message that nobody can handle; a stranger at the internal port; a database that is away, and comes back."""
    asyncio.run(poison(world.stack.environment.addresses()["KAFKA_BOOTSTRAP_SERVERS"]))
    scheduler = world.stack.logs_of("shopify-fetcher")
    until(lambda: "message dead-lettered" in scheduler.read_text() or None)
    inside = world.stack.env_of("scheduler")["GATEWAY_INTERNAL_URL"]
    forged = {"Authorization": f"Bearer {uuid4().hex}"}
    assert httpx.post(f"{inside}/internal/tokens", json={"connection": "a:b"}, headers=forged).status_code == 401
    world.stack.stop_part("postgres")
    for name in ("gateway", "scheduler", "spaces-writer"):
        until(lambda n=name: " held" in world.stack.logs_of(n).read_text() or None)
    world.stack.start_part("postgres")


async def poison(servers: str) -> None:
    """Say what no contract knows."""
    async with AIOKafkaProducer(bootstrap_servers=servers) as producer:
        await producer.send_and_wait("sync.requested.shopify", b"{broken", key=b"shopify:nobody.myshopify.com")


def metrics(world: World) -> dict[str, str]:
    """What every service shows to Prometheus."""
    stack = world.stack
    at = {name: f"http://127.0.0.1:{stack.env_of(name)['PORT']}" for name in stack.names if name.endswith("r")}
    urls = {**at, "gateway": stack.env_of("scheduler")["GATEWAY_INTERNAL_URL"]}
    return {
        name: httpx.get(f"{urls[name]}/metrics").raise_for_status().text
        for name in ("gateway", "scheduler", "spaces-writer", "shopify-fetcher", "facebook-fetcher")
    }


def test_no_secret_of_a_whole_run_is_in_anything_that_it_said(world: World, receiver: Receiver) -> None:
    seen, secrets = Seen(), dict(world.stack.environment.secrets)
    seen.note("setting", *(value for name, value in secrets.items() if name not in PUBLIC))
    shop_comes_and_goes(world, seen, secrets["shopify_api_secret"])
    pages_come_and_go(world, seen, secrets)
    trouble(world)
    seen.note("given by a platform", *tokens_given(world))

    servers = world.stack.environment.addresses()["KAFKA_BOOTSTRAP_SERVERS"]
    said = {
        **{f"log of {name}": text for name, text in logs(world).items()},
        **{f"topic {name}": text for name, text in asyncio.run(said_in_kafka(servers)).items()},
        **{f"metrics of {name}": text for name, text in metrics(world).items()},
        **tables(world),
        "spans": "\n".join(body.decode(errors="replace") for body in receiver.bodies),
    }
    for kind in ("code", "state", "hmac", "session", "login cookie", "access token", "refresh token", "signed_request"):
        assert seen.kinds[kind], f"no {kind} was in the run"
    everything = [secret for kind in seen.kinds.values() for secret in kind]
    assert all(len(secret) >= 7 for secret in everything)
    shown = {name for name, text in said.items() if "hopify" in text}
    assert {"topic sync.requested.shopify.dlq", "spans", "log of gateway", "metrics of gateway"} <= shown

    assert holding(said, everything) == {}
    for secret in everything:  # the search finds each of them where it is
        assert holding({"copy": f"{said['log of gateway']} a line with {secret} in it"}, [secret]) == {"copy": {secret}}
