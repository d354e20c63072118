"""Each service has a Kafka user of its own, which may do what its trip needs and nothing that is another's."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError
from typer.testing import CliRunner

from contracts.events import ConnectionChanged, RecordsPage
from contracts.permissions import AUTOSCALER, OPERATOR, KafkaPermission, list_permissions, list_users
from contracts.topics import CONNECTION_CHANGED, get_fetched_topic, list_topics
from kafka_with_acls import SET_UP_TOPIC, SET_UP_USER, KafkaWithAcls, run_kafka_with_acls
from merchant_sync.access import resolve_access
from merchant_sync.app import app
from merchant_sync.environment import SETTINGS as ALL_SETTINGS
from merchant_sync.parts import SANDBOX
from merchant_sync.stack import Stack
from messaging.brokers import Brokers
from messaging.errors import UnavailableError
from messaging.provisioning import ensure_topics
from messaging.publisher import EventPublisher, OutboundMessage
from platforms.registry import DESTINATIONS, PLATFORMS
from world import CACHED_JARS, SETTINGS, World, wait_until

pytestmark = pytest.mark.integration
TOPICS = [topic.name for topic in list_topics(PLATFORMS, DESTINATIONS)]


@pytest.fixture(scope="module")
def kafka_with_acls() -> Iterator[KafkaWithAcls]:
    """Run a Kafka with ACLs, set up by the script."""
    with TemporaryDirectory(prefix="merchant-sync-") as folder, run_kafka_with_acls(Path(folder), CACHED_JARS) as kafka:
        output = kafka.run_setup()
        assert f"topic {SET_UP_TOPIC}\n" in output and f"user {SET_UP_USER}\n" in output
        yield kafka


class StackWithUsers(Stack):
    """A stack on a Kafka with ACLs, whose services log in as themselves."""

    def __init__(self, data_dir: Path, kafka: KafkaWithAcls) -> None:
        self.kafka = kafka
        login = {name: value for name, value in kafka.get_settings("gateway").items() if "USERNAME" not in name}
        super().__init__(data_dir, given={**SETTINGS, **login}, auto_restart=False)

    def build_settings(self, name: str) -> dict[str, str]:
        """Return the settings of a service with its own user."""
        settings = super().build_settings(name)
        return settings if name == SANDBOX else {**settings, **self.kafka.get_settings(name)}


@pytest.fixture
def world(kafka_with_acls: KafkaWithAcls) -> Iterator[World]:
    """Run the whole product on the Kafka with ACLs."""
    with (
        TemporaryDirectory(prefix="merchant-sync-") as folder,
        StackWithUsers(Path(folder) / "data", kafka_with_acls) as stack,
        World(stack) as running,
    ):
        yield running


def publish_as(kafka: KafkaWithAcls, user: str, message: OutboundMessage) -> None:
    async def publish() -> None:
        async with EventPublisher(kafka.connect_as(user), source="test") as publisher:
            await publisher.send(message)

    asyncio.run(publish())


def read_log(world: World, service: str) -> str:
    return world.stack.get_log_path(service).read_text()


def run_operator(world: World, kafka: KafkaWithAcls, *words: str) -> str:
    """Run a command of the operator, which logs in as itself, and return what it prints."""
    known = resolve_access(world.stack.data_dir, world.stack.given).settings
    settings = {name: value for name, value in known.items() if name in ALL_SETTINGS}
    env = {**settings, **kafka.get_settings(OPERATOR), "COLUMNS": "500"}
    result = CliRunner().invoke(app, [*words, "--data", "/nonexistent"], env=env)
    assert result.exit_code == 0, f"{result.output}\n{result.stderr}\n{result.exception!r}"
    return result.stdout


def test_every_service_makes_its_whole_trip_with_its_own_rights_and_foreign_events_do_nothing(
    world: World, kafka_with_acls: KafkaWithAcls
) -> None:
    shop = world.make_shop(products=5)
    world.connect_and_sync(shop)
    world.edit_product(shop, world.list_products(shop)[0]["number"], title="Renamed")
    world.wait_until_equal(shop, within=60)
    world.poll_shop_now(shop)
    wait_until(lambda: world.list_shop_syncs(shop, cause="poll", state="success") or None, within=60)
    page = world.connect_pages(world.create_person(pages=1)["id"]).pages[0]["id"]
    world.edit_page(page, phone="+49 30 1")
    world.wait_until_page_equal(page, within=60)

    # An event about another platform's connection, by somebody who may write to the topic: dead-lettered with a reason.
    foreign = RecordsPage(
        connection=f"shopify:{shop}", epoch=1, read_id=uuid4(), step=1, page=0, resource="products", records=()
    )
    topic = get_fetched_topic("facebook")
    publish_as(kafka_with_acls, "facebook-fetcher", OutboundMessage(topic, foreign.connection, foreign, "foreign"))
    wait_until(lambda: "not one of facebook" in read_log(world, "spaces-writer") or None, within=60)
    # An invented connection with another's object key, even by who may write `connection.changed`: refused, too.
    key = f"{shop}/shopify_data.json"
    for revision, state in enumerate(("connected", "redacted"), 1):
        invented = ConnectionChanged(
            connection="shopify:invented.myshopify.com", revision=revision, epoch=revision, state=state, object_key=key
        )
        publish_as(
            kafka_with_acls, "gateway", OutboundMessage(CONNECTION_CHANGED, invented.connection, invented, str(uuid4()))
        )
        wait_until(
            lambda count=revision: read_log(world, "spaces-writer").count("object key is not that of") >= count or None
        )
    assert world.find_difference(shop) is None

    assert "data.fetched.facebook" in run_operator(world, kafka_with_acls, "dlq", "list")
    run_operator(world, kafka_with_acls, "dlq", "replay", "--all")
    assert "spaces-writer.data.fetched" in run_operator(world, kafka_with_acls, "status")
    assert "✓ topics" in run_operator(world, kafka_with_acls, "doctor", "--sample", "0")
    refused = [name for name in world.stack.names if "AuthorizationFailed" in read_log(world, name)]
    assert refused == []


async def list_writable(kafka: KafkaWithAcls, user: str) -> set[str]:
    """Return the topics to which the user can write."""
    producer = AIOKafkaProducer(**kafka.connect_as(user).client_options)
    await producer.start()

    async def can_write(topic: str) -> bool:
        try:
            await producer.send_and_wait(topic, b"{}", key=b"attempt:of-a-test", partition=0)
        except TopicAuthorizationFailedError:
            return False
        return True

    try:
        answers = await asyncio.gather(*(can_write(topic) for topic in TOPICS))
    finally:
        await producer.stop()
    return {topic for topic, answer in zip(TOPICS, answers, strict=True) if answer}


async def list_readable(kafka: KafkaWithAcls, user: str) -> set[str]:
    """Return the topics from which the user can read. Each must have a message in partition 0."""

    async def can_read(topic: str) -> bool:
        consumer = AIOKafkaConsumer(**kafka.connect_as(user).client_options, auto_offset_reset="earliest")
        await consumer.start()
        try:
            if topic not in await consumer.topics():
                return False
            consumer.assign([TopicPartition(topic, 0)])
            await consumer.getone()
        except TopicAuthorizationFailedError:
            return False
        finally:
            await consumer.stop()
        return True

    answers = await asyncio.gather(*(can_read(topic) for topic in TOPICS))
    return {topic for topic, answer in zip(TOPICS, answers, strict=True) if answer}


def get_permitted(user: str, operation: str) -> set[str]:
    permitted = (one for one in list_permissions(PLATFORMS, DESTINATIONS) if one.resource == "topic")
    return {one.name for one in permitted if (one.user, one.operation) == (user, operation)}


@pytest.mark.parametrize("user", list_users(PLATFORMS, DESTINATIONS))
async def test_a_user_writes_what_the_table_says_and_nothing_else(kafka_with_acls: KafkaWithAcls, user: str) -> None:
    assert await list_writable(kafka_with_acls, user) == get_permitted(user, "Write")


@pytest.mark.parametrize("user", ["shopify-fetcher", "gateway", "data-api"])
async def test_a_user_reads_what_the_table_says_and_nothing_else(kafka_with_acls: KafkaWithAcls, user: str) -> None:
    async with EventPublisher(Brokers(kafka_with_acls.local), source="test") as publisher:
        for topic in TOPICS:
            batch = publisher.create_batch()
            batch.append(timestamp=None, key=b"attempt:of-a-test", value=b"{}", headers=[])
            await publisher.send_batch(batch, topic, 0)
    assert await list_readable(kafka_with_acls, user) == get_permitted(user, "Read")


def test_the_table_gives_a_fetcher_its_platforms_topics_alone() -> None:
    for platform in PLATFORMS:
        fetcher = f"{platform}-fetcher"
        own = {f"data.fetched.{platform}", f"data.fetched.{platform}.full", f"sync.progressed.{platform}"}
        dead_letters = {f"sync.requested.{platform}.dlq", f"sync.requested.{platform}.full.dlq"}
        assert get_permitted(fetcher, "Write") == own | dead_letters
        assert get_permitted(fetcher, "Read") == {f"sync.requested.{platform}", f"sync.requested.{platform}.full"}
    permissions = [one for one in list_permissions(PLATFORMS, DESTINATIONS) if one.operation == "Write"]
    assert {one.user for one in permissions if one.name == "connection.changed"} == {"gateway", OPERATOR}
    assert not get_permitted(AUTOSCALER, "Write") | get_permitted(AUTOSCALER, "Read")


def test_the_table_gives_a_writer_the_writes_to_its_platform_alone() -> None:
    assert DESTINATIONS
    for platform in DESTINATIONS:
        writer, requests = f"{platform}-writer", f"write.requested.{platform}"
        stock = f"{requests}.stock"
        assert get_permitted(writer, "Write") == {f"write.completed.{platform}", f"{requests}.dlq", f"{stock}.dlq"}
        assert get_permitted(writer, "Read") == {requests, stock}
        writing = {one.user for one in list_permissions(PLATFORMS, DESTINATIONS) if is_write(one, requests)}
        assert writing == {"linker", OPERATOR}


def is_write(permission: KafkaPermission, topic: str) -> bool:
    return (permission.operation, permission.resource, permission.name) == ("Write", "topic", topic)


def test_the_table_lets_the_data_api_read_what_readers_see_and_write_nothing() -> None:
    topics = {"connection.changed", "data.stored", "key.changed", "link.changed", "record.changed", "sync.changed"}
    assert get_permitted("data-api", "Read") == topics
    assert not get_permitted("data-api", "Write")
    # It follows whole topics: every process needs all of it, so it has no consumer group.
    assert {one.resource for one in list_permissions(PLATFORMS, DESTINATIONS) if one.user == "data-api"} == {"topic"}


async def test_a_group_of_another_service_cannot_be_joined(kafka_with_acls: KafkaWithAcls) -> None:
    brokers = kafka_with_acls.connect_as("facebook-fetcher")
    for group in ("spaces-writer.data.fetched", "shopify-fetcher.sync.requested.shopify", "facebook-fetcher"):
        consumer = AIOKafkaConsumer("sync.requested.facebook", **brokers.client_options, group_id=group)
        with pytest.raises(GroupAuthorizationFailedError):
            await consumer.start()
        await consumer.stop()


async def test_a_wrong_password_is_refused(kafka_with_acls: KafkaWithAcls) -> None:
    brokers = kafka_with_acls.connect_as("gateway")
    options = {**brokers.client_options, "sasl_plain_username": "spaces-writer"}
    producer = AIOKafkaProducer(**options)
    with pytest.raises(Exception, match=r"(?i)unable to bootstrap|authentication"):
        await producer.start()
    await producer.stop()


async def test_a_service_creates_no_topics_and_says_what_to_run_when_one_of_its_own_is_missing(
    kafka_with_acls: KafkaWithAcls,
) -> None:
    brokers, topics = kafka_with_acls.connect_as("gateway"), list_topics(PLATFORMS, DESTINATIONS)
    await ensure_topics(brokers, topics, service="gateway")
    kafka_with_acls.run_tool("kafka-topics.sh", "--delete", "--topic", "connection.changed")
    try:
        with pytest.raises(UnavailableError, match=r"connection\.changed missing.* run deploy/kafka/setup\.sh"):
            await ensure_topics(brokers, topics, service="gateway")
    finally:
        assert "topic connection.changed" in kafka_with_acls.run_setup()
    await ensure_topics(brokers, topics, service="gateway")


def list_rights(kafka: KafkaWithAcls, user: str) -> int:
    return kafka.run_tool("kafka-acls.sh", "--list", "--principal", f"User:{user}").count("ALLOW")


async def test_the_setup_changes_nothing_twice_takes_back_what_is_too_much_and_leaves_other_users_alone(
    kafka_with_acls: KafkaWithAcls,
) -> None:
    rights = list_rights(kafka_with_acls, "facebook-fetcher")
    for user in ("facebook-fetcher", "somebody-else"):
        right = ("--allow-principal", f"User:{user}", "--operation", "Write", "--topic", "connection.changed")
        kafka_with_acls.run_tool("kafka-acls.sh", "--add", *right)
    assert "connection.changed" in await list_writable(kafka_with_acls, "facebook-fetcher")
    assert "remove facebook-fetcher Write topic literal" in kafka_with_acls.run_setup()
    assert list_rights(kafka_with_acls, "facebook-fetcher") == rights
    assert list_rights(kafka_with_acls, "somebody-else") == 1
    assert not re.search("^(add|remove|topic) ", kafka_with_acls.run_setup(), re.MULTILINE)


async def test_a_new_password_is_valid_after_the_next_setup(kafka_with_acls: KafkaWithAcls) -> None:
    kafka_with_acls.passwords[AUTOSCALER] = "another password"
    kafka_with_acls.run_setup()
    assert await list_writable(kafka_with_acls, AUTOSCALER) == set()
