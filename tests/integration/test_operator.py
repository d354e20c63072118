"""The operator's commands on the running stack: what they show when all is well, and what they say when it is not."""

import asyncio
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from typer.testing import CliRunner, Result

from contracts.events import SyncRequested
from contracts.headers import build_headers
from contracts.topics import PARTITIONS, Topic, get_sync_topic
from merchant_sync import access, environment
from merchant_sync.access import Access
from merchant_sync.app import app
from merchant_sync.operating import brokers
from messaging.dead_letters import DeadLetterPublisher
from messaging.provisioning import build_config
from world import World, until

pytestmark = pytest.mark.integration
SPARE = "sync.progressed.dlq"
"""A topic that holds nothing in these tests, and so may be broken."""


@pytest.fixture(scope="module", autouse=True)
def plain() -> Iterator[None]:
    """No colours and no line breaks in what is printed."""
    usual = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "500"
    yield
    os.environ.pop("COLUMNS") if usual is None else os.environ.update(COLUMNS=usual)


class Operator:
    """The command as it is typed, on the running stack or by the settings of an access elsewhere."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.access: Access = access.resolve(world.stack.data_dir, world.stack.given)

    @property
    def settings(self) -> dict[str, str]:
        """What an operator of this installation would set, were it elsewhere."""
        return {name: value for name, value in self.access.settings.items() if name in environment.SETTINGS}

    def run(self, *words: str, code: int = 0) -> Result:
        done = CliRunner().invoke(app, [*words, "--data", str(self.world.stack.data_dir)])
        assert done.exit_code == code, f"{done.output}\n{done.stderr}\n{done.exception!r}"
        return done

    def told(self, *words: str, code: int = 0) -> Any:
        """What a command says as JSON."""
        return orjson.loads(self.run(*words, "--json", code=code).stdout)

    def elsewhere(self, *words: str, code: int = 0, **settings: str) -> Result:
        """The command with settings alone, as in a container: no stack runs on its folder."""
        given = {**self.settings, **settings}
        done = CliRunner().invoke(app, [*words, "--data", "/nonexistent"], env=given)
        assert done.exit_code == code, f"{done.output}\n{done.stderr}\n{done.exception!r}"
        return done

    def findings(self, *, code: int, sample: int = 0, **settings: str) -> dict[str, dict[str, str]]:
        """What the doctor finds that is not good, by what it looked at."""
        done = self.elsewhere("doctor", "--sample", str(sample), "--json", code=code, **settings)
        return {one["subject"]: one for one in orjson.loads(done.stdout)["findings"] if one["result"] != "good"}


@pytest.fixture
def operator(world: World) -> Operator:
    return Operator(world)


def administered(operator: Operator, do: Any) -> Any:
    async def run() -> Any:
        async with brokers.create_admin(operator.access) as admin:
            return await do(admin)

    return asyncio.run(run())


def test_the_doctor_finds_nothing_wrong_with_a_stack_that_runs(world: World, operator: Operator) -> None:
    world.synced(world.make_shop(products=5))
    told = operator.told("doctor")
    assert told["bad"] == 0, told
    looked_at = {one["subject"] for one in told["findings"]}
    assert {"Kafka", "topics", "bucket merchant-sync", "Postgres of gateway", "Postgres of spaces_writer"} <= looked_at
    assert {"clock beside Shopify", "webhooks from outside", "internal routes from outside", "scheduler"} <= looked_at
    assert any(what.startswith("shopify:") for what in looked_at)
    assert "✓ the operator's key" in operator.run("doctor", "--sample", "0").stdout


def test_the_doctor_works_by_settings_alone(operator: Operator) -> None:
    assert operator.findings(code=0, sample=5) == {}


def test_no_installation_is_an_error_that_names_what_to_set(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["status", "--data", str(tmp_path)])
    assert done.exit_code == 2
    assert "GATEWAY_INTERNAL_URL" in done.stderr and "make up" in done.stderr


async def _made(admin: AIOKafkaAdminClient, partitions: int) -> None:
    await admin.delete_topics([SPARE])
    while SPARE in await admin.list_topics():
        await asyncio.sleep(0.1)
    if partitions:
        await admin.create_topics([NewTopic(SPARE, partitions, 1, topic_configs=build_config(Topic(SPARE)))])


@pytest.mark.parametrize(("partitions", "said"), [(0, "is not there"), (3, "has 3 partitions, 12 are right")])
def test_the_doctor_names_a_topic_that_is_missing_or_cut_wrong(operator: Operator, partitions: int, said: str) -> None:
    administered(operator, lambda admin: _made(admin, partitions))
    try:
        found = operator.findings(code=1)
        assert found.keys() == {f"topic {SPARE}"}
        assert found[f"topic {SPARE}"]["details"] == said
    finally:
        administered(operator, lambda admin: _made(admin, PARTITIONS) if partitions else _created(admin))


async def _created(admin: AIOKafkaAdminClient) -> None:
    await admin.create_topics([NewTopic(SPARE, PARTITIONS, 1, topic_configs=build_config(Topic(SPARE)))])


async def _kept(admin: AIOKafkaAdminClient, settings: Mapping[str, str]) -> None:
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, SPARE, configs=dict(settings))])


def test_the_doctor_names_a_retention_that_is_not_as_made(operator: Operator) -> None:
    made = build_config(Topic(SPARE))
    administered(operator, lambda admin: _kept(admin, {**made, "retention.ms": "1000"}))
    try:
        found = operator.findings(code=1)[f"topic {SPARE}"]
        assert found["details"] == "retention.ms is 1000"
        assert f"--add-config retention.ms={made['retention.ms']}" in found["action"]
    finally:
        administered(operator, lambda admin: _kept(admin, made))


def test_the_doctor_names_a_schema_that_is_behind(world: World, operator: Operator) -> None:
    world.run("UPDATE scheduler.schema_versions SET name = 'x' || name WHERE name = '0002_erased.sql'")
    try:
        found = operator.findings(code=1)
    finally:
        world.run("UPDATE scheduler.schema_versions SET name = '0002_erased.sql' WHERE name = 'x0002_erased.sql'")
    assert "lacks 0002_erased.sql" in found["Postgres of scheduler"]["details"]


def test_the_doctor_names_a_role_that_may_read_anothers_schema(world: World, operator: Operator) -> None:
    world.run("GRANT USAGE ON SCHEMA gateway TO scheduler")
    try:
        found = operator.findings(code=1)
    finally:
        world.run("REVOKE USAGE ON SCHEMA gateway FROM scheduler")
    assert found["role of scheduler"]["details"] == "may read gateway as well"


WRONG: dict[str, tuple[dict[str, str], str]] = {
    "bucket merchant-sync": ({"SPACES_SECRET_KEY": "wrong"}, "SPACES_ACCESS_KEY and SPACES_SECRET_KEY"),
    "bucket other": ({"SPACES_BUCKET": "other"}, "make the bucket"),
    "Postgres of gateway": ({"GATEWAY_DATABASE_URL": "postgresql://a:b@{postgres}/x"}, "GATEWAY_DATABASE_URL"),
    "Postgres of scheduler": ({"SCHEDULER_DATABASE_URL": "postgresql://a:b@127.0.0.1:9/x"}, "SCHEDULER_DATABASE_URL"),
    "Kafka": ({"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9"}, "KAFKA_BOOTSTRAP_SERVERS"),
    "the operator's key": ({"INTERNAL_KEY": "somebody else's key"}, "operator:key in both INTERNAL_KEYS"),
    "settings of gateway": ({"SHOPIFY_API_VERSION": "latest"}, "correct them"),
}


@pytest.mark.parametrize("what", WRONG)
def test_the_doctor_says_what_to_do_about_a_wrong_setting(operator: Operator, what: str) -> None:
    settings, mend = WRONG[what]
    postgres = operator.access.get_database_url("gateway").partition("@")[2].partition("/")[0]
    found = operator.findings(code=1, **{name: value.format(postgres=postgres) for name, value in settings.items()})
    assert mend in found[what]["action"], found


def test_the_doctor_knows_our_gateway_from_another_that_answers(world: World, operator: Operator) -> None:
    found = operator.findings(code=1, SHOPIFY_WEBHOOK_ADDRESS=f"{world.visit.sandbox_url}/shopify/webhook")
    assert "to a delivery without signature, our gateway 401" in found["webhooks from outside"]["details"]
    inside = operator.access.get("GATEWAY_INTERNAL_URL")
    found = operator.findings(code=1, SHOPIFY_WEBHOOK_ADDRESS=f"{inside}/shopify/webhook")
    assert "GATEWAY_INTERNAL_PORT" in found["internal routes from outside"]["action"]


def test_the_doctor_names_a_gateway_that_is_down(world: World, operator: Operator) -> None:
    world.stack.kill("gateway")
    told = operator.told("doctor", code=1)
    bad = {one["subject"] for one in told["findings"] if one["result"] == "bad"}
    assert {"gateway", "gateway, internal", "webhooks from outside"} <= bad
    assert "Kafka" not in bad and "bucket merchant-sync" not in bad


def test_the_doctor_names_a_subscription_that_is_gone(world: World, operator: Operator) -> None:
    shop = world.make_shop(products=3)
    world.synced(shop)
    gone = world.told("GET", f"/{shop}/subscriptions")["subscriptions"][0]
    world.told("DELETE", f"/{shop}/subscriptions/{gone['number']}")
    told = operator.told("doctor", "--sample", "500", code=1)
    found = next(one for one in told["findings"] if one["subject"] == f"shopify:{shop}")
    assert found["result"] == "bad" and gone["topic"].upper().replace("/", "_") in found["details"]
    operator.run("sync", f"shopify:{shop}", "--wait")
    told = operator.told("doctor", "--sample", "500")
    assert told["bad"] == 0


def test_the_status_counts_what_there_is(world: World, operator: Operator) -> None:
    shop = world.make_shop(products=5)
    world.synced(shop)
    told = operator.told("status")
    connected = [one for one in told["connections"] if (one["platform"], one["state"]) == ("shopify", "connected")]
    assert connected[0]["connections"] >= 1
    assert {"group": "shopify-fetcher.sync.requested.shopify.full", "topic": "sync.requested.shopify.full"} in [
        {"group": one["group"], "topic": one["topic"]} for one in told["lag"]
    ], told["lag"]
    (fresh,) = [one for one in told["last_success_age_seconds"] if one["platform"] == "shopify"]
    assert fresh["p95"] is not None
    assert operator.told("status", "--connection", f"shopify:{shop}")["last_sync"]["state"] == "success"
    assert "No connection shopify:nowhere" in operator.run("status", "--connection", "shopify:nowhere", code=1).stderr
    assert "Consumer" not in operator.run("status").stderr


def test_the_status_shows_work_that_a_dead_service_leaves(world: World, operator: Operator) -> None:
    shop = world.make_shop(products=20)
    world.synced(shop)
    world.stack.kill("shopify-fetcher")
    world.edit(shop, world.products(shop)[0]["number"], title="While nobody fetched")
    topic = get_sync_topic("shopify")

    def seen() -> dict[str, Any] | None:
        told: dict[str, Any] = operator.told("status")
        behind = [one["messages"] for one in told["lag"] if one["topic"] == topic and "fetcher" in one["group"]]
        return told if sum(behind) and told["open_syncs"] and told["oldest_unfinished_seconds"] > 0 else None

    until(seen)
    world.stack.start_part("shopify-fetcher")
    world.equal(shop)
    until(lambda: True if not sum(one["messages"] for one in operator.told("status")["lag"]) else None)


def test_a_full_sync_is_started_and_followed(world: World, operator: Operator) -> None:
    shop = world.make_shop(products=30)
    world.synced(shop)
    world.lose(shop)
    told = operator.told("sync", f"shopify:{shop}", "--wait")
    assert (told["mode"], told["cause"], told["state"]) == ("full", "manual", "success")
    world.equal(shop)


def test_some_records_are_read_anew(world: World, operator: Operator) -> None:
    shop = world.make_shop(products=30)
    world.synced(shop)
    product = world.products(shop)[0]["number"]
    world.faults(shop, webhooks_off=True)
    world.edit(shop, product, title="Nobody was told")
    records = ("--mode", "incremental", "--resource", "products", "--id", str(product))
    told = operator.told("sync", f"shopify:{shop}", *records, "--wait")
    assert (told["mode"], told["cause"], told["state"], told["changed"]) == ("incremental", "manual", "success", 1)
    world.equal(shop)


def test_what_cannot_be_synced_is_said(world: World, operator: Operator) -> None:
    shop = world.make_shop(products=3)
    world.synced(shop)
    assert "No connection shopify:nowhere" in operator.run("sync", "shopify:nowhere.myshopify.com", code=1).stderr
    records = ("--mode", "incremental", "--resource", "orders", "--id", "1")
    assert "Shopify has no orders 1" in operator.run("sync", f"shopify:{shop}", *records, code=1).stderr
    assert "--resource" in operator.run("sync", f"shopify:{shop}", "--mode", "incremental", code=2).stderr
    world.told("POST", f"/{shop}/uninstall")
    until(lambda: world.state_of(f"shopify:{shop}") == "uninstalled" or None)
    assert "is not connected" in operator.run("sync", f"shopify:{shop}", code=1).stderr


# -- dead letters


def letters_of(operator: Operator, connection: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = operator.told("dlq", "list", "--connection", connection)
    return found


async def _said(there: Access, topic: str, key: str, body: bytes, headers: list[tuple[str, bytes]]) -> None:
    async with brokers.create_publisher(there) as publisher:
        await publisher.send_raw(topic, key.encode(), body, headers)


def test_a_poisoned_message_is_shown_and_said_again_as_it_was(world: World, operator: Operator) -> None:
    connection = f"shopify:poison-{uuid4().hex[:8]}.myshopify.com"
    topic = get_sync_topic("shopify")
    asyncio.run(_said(operator.access, topic, connection, b'{"not whole', [("ce_id", b"7")]))
    found = until(lambda: f if len(f := letters_of(operator, connection)) >= 2 else None)
    assert {one["group"] for one in found} == {"scheduler.requests", f"shopify-fetcher.{topic}"}
    place = (found[0]["topic"], str(found[0]["partition"]), str(found[0]["offset"]))
    shown = orjson.loads(operator.run("dlq", "show", *place).stdout)
    assert shown["headers"]["ce_id"] == "7" and "ValidationError" in shown["error"]
    assert shown["event"] == "[no JSON, 11 bytes: --body shows them]"
    assert orjson.loads(operator.run("dlq", "show", *place, "--body").stdout)["event"] == '{"not whole'
    assert operator.told("dlq", "replay", *place, "--dry-run")["dry_run"] is True
    assert len(letters_of(operator, connection)) == len(found)
    operator.run("dlq", "replay", *place)
    assert until(lambda: len(letters_of(operator, connection)) == len(found) + 2 or None, 60)
    assert "No dead letter" in operator.run("dlq", "show", place[0], place[1], "999999", code=1).stderr


def request_of(shop: str, product: str) -> SyncRequested:
    return SyncRequested(
        sync_id=uuid4(),
        connection=f"shopify:{shop}",
        epoch=1,
        cause="webhook",
        records={"products": (product,)},
        requested_at=1_800_000_000_000,
    )


async def _buried(there: Access, request: SyncRequested) -> None:
    """Have a request that nobody has handled lie among the dead letters, as the fetcher's intake puts it there."""
    topic, body = get_sync_topic("shopify"), request.model_dump_json().encode()
    headers = build_headers(request, source="gateway", event_id=str(request.sync_id), subject=request.connection)

    class Record:
        offset, partition, key, value = 0, 0, request.connection.encode(), body

    Record.topic, Record.headers = topic, headers  # type: ignore[attr-defined]
    async with brokers.create_publisher(there) as publisher:
        kept: Any = Record()
        await DeadLetterPublisher(publisher).publish(
            kept, RuntimeError("as it was in the test"), group=f"shopify-fetcher.{topic}"
        )


def test_a_replay_brings_the_data_and_a_second_one_changes_nothing(world: World, operator: Operator) -> None:
    shop = world.make_shop(products=10)
    world.synced(shop)
    product = world.products(shop)[0]
    world.faults(shop, webhooks_off=True)
    world.edit(shop, product["number"], title="What the lost message was about")
    request = request_of(shop, f"gid://shopify/Product/{product['number']}")
    asyncio.run(_buried(operator.access, request))
    (letter,) = until(lambda: letters_of(operator, request.connection) or None)
    assert letter["error"] == "RuntimeError: as it was in the test"
    place = (letter["topic"], str(letter["partition"]), str(letter["offset"]))

    assert operator.told("dlq", "replay", *place)["replayed"][0]["came_from"] == get_sync_topic("shopify")
    world.equal(shop)
    first = until(lambda: _finished(world, shop))
    before = world.object(shop)
    for _ in range(2):
        operator.run("dlq", "replay", "--topic", letter["topic"])
    until(lambda: True if not sum(one["messages"] for one in operator.told("status")["lag"]) else None)
    again, after = until(lambda: _finished(world, shop)), world.object(shop)

    assert before is not None and after is not None
    assert (after.body, after.metadata) == (before.body, before.metadata)
    assert [(one.sync_id, one.state, one.changed) for one in again] == [
        (one.sync_id, one.state, one.changed) for one in first
    ]
    assert len(letters_of(operator, request.connection)) == 1


def _finished(world: World, shop: str) -> list[Any] | None:
    """The shop's syncs once none of them is under way."""
    syncs = world.syncs(shop)
    return syncs if not {one.state for one in syncs} & {"queued", "running"} and len(syncs) > 1 else None


# -- the trip, as from within a container network


def test_a_visitor_inside_a_container_network_reaches_the_gateway_by_another_name(operator: Operator) -> None:
    """The gateway calls itself 127.0.0.1, its redirects and cookies do; it is reached as `localhost`."""
    reached = operator.access.gateway_url.replace("127.0.0.1", "localhost")
    there = access.resolve(Path("/nonexistent"), {**operator.settings, "GATEWAY_URL": reached})
    world = World(operator.world.stack, there)
    shop = world.make_shop(products=3)
    assert world.visit.gateway_url != there.gateway_url == reached
    assert world.synced(shop).browser.cookies
