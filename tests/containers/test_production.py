"""The production files as an operator runs them: secrets in files, TLS, a user of Kafka for each service.

A shop is synced end to end. `outside.yaml` adds what is outside of an installation: the public address, a shop that is
reached by TLS at its real name, a bucket with a certificate of its own authority.
"""

import json
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from certificates import Authority
from composing import DEPLOY, MINUTES, ROOT, START, Compose
from contracts.permissions import list_permissions
from contracts.topics import list_topics
from merchant_sync.parts import FETCHERS, SERVICES
from platforms.registry import DESTINATIONS, PLATFORMS

FILES = (DEPLOY / "compose.yaml", DEPLOY / "compose.production.yaml", ROOT / "tests/containers/outside.yaml")
SHOP = "wares.myshopify.com"
FACEBOOK = "facebook-fetcher"
"""Runs with the profile `facebook` alone, which needs a Meta app."""
RUNNING = tuple(name for name in SERVICES if name != FACEBOOK)

VISIT = f"""
import time
from pathlib import Path
from merchant_sync import access, client
from merchant_sync.demo.shopify_sandbox import SandboxShops
visit = client.Visit(access.locate_installation(Path("data")))
shops, shop = SandboxShops(visit), {SHOP!r}

def wait_until_equal():
    deadline = time.monotonic() + 60
    while True:
        stored = visit.load_object(shop + "/shopify_data.json")
        if stored is not None and stored.document == shops.load_expected_document(shop):
            return
        assert time.monotonic() < deadline, "the object does not equal the shop"
        time.sleep(0.5)
"""
"""The beginning of what runs in the operator's container."""

WRITE_EVERYWHERE = """
import asyncio, os, sys
from aiokafka import AIOKafkaProducer
from aiokafka.errors import TopicAuthorizationFailedError
from service.settings import KafkaSettings, list_settings_folders
brokers = KafkaSettings(_secrets_dir=list_settings_folders()).build_brokers()

async def main():
    async with AIOKafkaProducer(**brokers.client_options) as producer:
        for topic in sys.argv[1:]:
            try:
                await producer.send_and_wait(topic, b"{}", key=b"attempt:of-a-test", partition=0)
            except TopicAuthorizationFailedError:
                continue
            print(topic)

asyncio.run(main())
"""
"""Writes to each of the topics as the service in whose container it runs; prints those to which it may."""


@pytest.fixture(scope="module")
def given() -> dict[str, str]:
    """The operator's own secrets, by name."""
    names = ("SPACES_ACCESS_KEY", "SPACES_SECRET_KEY", "SHOPIFY_API_KEY", "SHOPIFY_API_SECRET")
    return {name: secrets.token_hex(16) for name in names}


@pytest.fixture(scope="module")
def production(given: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    """The production installation, up and healthy."""
    folder = tmp_path_factory.mktemp("production")  # only its owner may enter it, as docs/operating.md advises
    settings = {f"{name}_FILE": str(_write(folder / name, value)) for name, value in given.items()}
    certificates = _make_certificates(folder)
    running = Compose(
        "merchant-sync-production-test",
        FILES,
        PUBLIC_URL="https://sync.example.com",
        TRUSTED_PROXIES="172.16.0.0/12",  # Docker's networks, of which `front` is in one
        KAFKA_IMAGE=_pin("apache/kafka:4.3.1"),
        POSTGRES_IMAGE=_pin("postgres:18"),
        SPACES_BUCKET="merchant-sync",
        SPACES_ENDPOINT_URL="https://bucket.example.com:9000",
        SPACES_CA_FILE=str(certificates / "ca.pem"),
        CERTIFICATES=str(certificates),
        **settings,
    )
    running("build", within=15 * MINUTES)
    try:
        running("up", "--wait", within=START)
        yield running
    finally:
        running("down", "--volumes")


def _write(file: Path, text: str) -> Path:
    file.write_text(text)
    file.chmod(0o644)
    return file


def _make_certificates(folder: Path) -> Path:
    """Return a folder with the authority's certificate, and a certificate and key for each that answers by TLS."""
    made, authority = folder / "certificates", Authority(folder, "authority")
    made.mkdir()
    made.chmod(0o755)
    hosts = {
        "gateway": ("gateway",),
        "scheduler": ("scheduler",),
        "linker": ("linker",),
        "front": ("sync.example.com", "*.myshopify.com"),
        "bucket": ("bucket.example.com",),
    }
    shutil.copy(authority.ca, made / "ca.pem")
    for name, own in hosts.items():
        pair = authority.sign(name, *own)
        shutil.copy(pair.cert, made / f"{name}.crt")
        shutil.copy(pair.key, made / f"{name}.key")
    return made


def _pin(image: str) -> str:
    """Return the image by its digest. One that was built on this machine has none."""
    command = ["docker", "image", "inspect", "--format", "{{json .RepoDigests}}", image]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    digests: list[str] = json.loads(found.stdout) if found.returncode == 0 else []
    return digests[0] if digests else image


def run_visit(production: Compose, body: str) -> str:
    """Run a few lines of Python with `visit`, `shops` and `shop` in the operator's container; return their output."""
    words = ("run", "--rm", "-T", "-e", "SANDBOX_PUBLIC_URL=http://platform:8090", "--entrypoint", "python")
    return production(*words, "operator", "-", given=VISIT + body)


def test_a_shop_is_connected_and_its_object_follows_it(production: Compose) -> None:
    body = (
        "shops.call('POST', '', {'shop': shop, 'seed': 7, 'products': 50})\n"
        "shops.connect(shop)\n"
        "wait_until_equal()\n"
        "number = shops.call('GET', f'/{shop}/products')['products'][0]['number']\n"
        "shops.call('PATCH', f'/{shop}/products/{number}', {'title': 'Renamed'})\n"
        "wait_until_equal()\n"
        "deliveries = shops.call('GET', f'/{shop}/deliveries', limit=1000)['deliveries']\n"
        "print({delivery['status'] for delivery in deliveries})\n"
    )
    assert run_visit(production, body).strip() == "{'delivered'}"


def test_the_doctor_finds_nothing_wrong(production: Compose) -> None:
    findings = json.loads(production("run", "--rm", "-T", "operator", "doctor", "--json"))["findings"]

    assert {"Kafka", "topics", "Postgres of gateway", "scheduler"} <= {finding["subject"] for finding in findings}
    assert [finding for finding in findings if finding["result"] == "bad"] == []


def test_a_secret_is_a_file_of_its_readers_alone_and_in_no_environment(
    production: Compose, given: dict[str, str]
) -> None:
    files = {
        name: set(production("exec", "-T", name, "sh", "-c", "ls /run/secrets 2>/dev/null || true").split())
        for name in RUNNING
    }
    bucket = {"SPACES_ACCESS_KEY", "SPACES_SECRET_KEY"}

    assert files["spaces-writer"] == bucket
    assert files["data-api"] == {*bucket, "DATA_API_KEYS"}
    assert {"SHOPIFY_API_KEY", "SHOPIFY_API_SECRET"} <= files["gateway"] and not files["gateway"] & bucket
    assert files["scheduler"] == files["shopify-fetcher"] == files["shopify-writer"] == set()
    shown = json.dumps(production.inspect())
    assert [name for name, value in given.items() if value in shown] == []
    logs = production("logs", "--no-color")
    # The key of an app at a platform is in every address that a browser is sent to.
    assert [name for name, value in given.items() if value in logs and name != "SHOPIFY_API_KEY"] == []


@pytest.mark.parametrize("service", RUNNING)
def test_a_services_user_of_kafka_writes_its_own_topics_and_no_others(production: Compose, service: str) -> None:
    topics = [topic.name for topic in list_topics(PLATFORMS, DESTINATIONS)]
    written = production("exec", "-T", service, "python", "-c", WRITE_EVERYWHERE, *topics).split()

    permitted = {
        one.name
        for one in list_permissions(PLATFORMS, DESTINATIONS)
        if (one.user, one.operation, one.resource) == (service, "Write", "topic")
    }
    assert set(written) == permitted
    for fetcher in {service} & set(FETCHERS):
        assert {name for name in written if name.startswith("data.")} == {
            f"data.fetched.{fetcher.removesuffix('-fetcher')}{end}" for end in ("", ".full")
        }
    for writer in {service} & {f"{platform}-writer" for platform in DESTINATIONS}:
        assert {name for name in written if not name.endswith(".dlq")} == {
            f"write.completed.{writer.removesuffix('-writer')}"
        }


def test_brokers_and_database_have_the_images_that_the_operator_named(production: Compose) -> None:
    images = {
        found["Config"]["Labels"]["com.docker.compose.service"]: found["Config"]["Image"]
        for found in production.inspect()
    }
    assert (images["kafka"], images["postgres"]) == (_pin("apache/kafka:4.3.1"), _pin("postgres:18"))
    assert not images.keys() & {"sandbox", "spaces", FACEBOOK}
