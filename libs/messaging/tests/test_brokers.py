"""Kafka by TLS and with a login, on a real broker: who is let in is let in everywhere, who is not hears why."""

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest
from faststream.kafka import KafkaBroker

from certificates import Authority
from contracts.events import Event
from contracts.topics import Topic
from messaging.brokers import Brokers, Login
from messaging.dead_letters import DeadLetterPublisher
from messaging.errors import KafkaUnavailableError
from messaging.keyed_consumer import KeyedConsumer
from messaging.provisioning import provision
from messaging.publisher import EventPublisher, OutboundMessage
from messaging.tls import create_context, load_certificate
from secured import USER, SecuredKafka, secured_kafka

JARS = Path(__file__).parents[3] / "data" / "cache"


class Said(Event):
    text: str


@pytest.fixture(scope="module")
def secured() -> Iterator[SecuredKafka]:
    with TemporaryDirectory() as folder, secured_kafka(Path(folder), JARS) as running:
        yield running


Way = Callable[[SecuredKafka], Brokers]


def scram(kafka: SecuredKafka) -> Brokers:
    return Brokers(kafka.secured, create_context(str(kafka.authority.ca)), Login(USER, kafka.password))


def shorter_scram(kafka: SecuredKafka) -> Brokers:
    return replace(scram(kafka), login=Login(USER, kafka.password, "SCRAM-SHA-256"))


def plain(kafka: SecuredKafka) -> Brokers:
    return replace(scram(kafka), login=Login(USER, kafka.password, "PLAIN"))


def login_in_the_clear(kafka: SecuredKafka) -> Brokers:
    return Brokers(kafka.login, login=Login(USER, kafka.password))


def certificate(kafka: SecuredKafka) -> Brokers:
    context, pair = create_context(str(kafka.authority.ca)), kafka.authority.sign("client")
    load_certificate(context, str(pair.cert), str(pair.key))
    return Brokers(kafka.mutual, context)


@asynccontextmanager
async def hearing(brokers: Brokers, topic: str, publisher: EventPublisher) -> AsyncIterator["asyncio.Queue[str]"]:
    """What an intake hears."""
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def handle(_key: str, events: Sequence[Said]) -> None:
        for event in events:
            heard.put_nowait(event.text)

    broker = KafkaBroker(brokers.addresses, security=brokers.security, logger=None, allow_auto_create_topics=False)
    letters = DeadLetterPublisher(publisher)
    intake = KeyedConsumer(
        broker, topic, group=topic, parse=Said.model_validate_json, handle=handle, dead_letters=letters
    )
    await broker.start()
    try:
        yield heard
    finally:
        await intake.stop(grace=0.5)
        await broker.stop()


@pytest.mark.integration
@pytest.mark.parametrize("way", [scram, shorter_scram, plain, login_in_the_clear, certificate])
async def test_who_is_let_in_makes_topics_and_speaks_and_hears(secured: SecuredKafka, way: Way) -> None:
    brokers, topic = way(secured), f"said.{uuid4().hex[:8]}"
    async with asyncio.timeout(30):
        await provision(brokers, (Topic(topic),))
        async with EventPublisher(brokers, source="test") as publisher, hearing(brokers, topic, publisher) as heard:
            await publisher.send(OutboundMessage(topic, "shopify:acme", Said(text="safely"), "1"))
            assert await heard.get() == "safely"
        assert await brokers.check_health() is None


def of_a_stranger(kafka: SecuredKafka) -> Brokers:
    with TemporaryDirectory() as folder:
        return replace(scram(kafka), tls=create_context(str(Authority(Path(folder), "strangers").ca)))


def by_another_name(kafka: SecuredKafka) -> Brokers:
    return replace(scram(kafka), servers=kafka.secured.replace("127.0.0.1", "localhost"))


def with_a_wrong_password(kafka: SecuredKafka) -> Brokers:
    return replace(scram(kafka), login=Login(USER, "not-" + kafka.password))


def with_a_wrong_password_as_it_is(kafka: SecuredKafka) -> Brokers:
    return replace(scram(kafka), login=Login(USER, "not-" + kafka.password, "PLAIN"))


def without_a_login(kafka: SecuredKafka) -> Brokers:
    return replace(scram(kafka), login=None)


def with_a_login_where_none_is_taken(kafka: SecuredKafka) -> Brokers:
    return replace(certificate(kafka), login=Login(USER, kafka.password))


def without_a_certificate(kafka: SecuredKafka) -> Brokers:
    return Brokers(kafka.mutual, create_context(str(kafka.authority.ca)))


def in_the_clear(kafka: SecuredKafka) -> Brokers:
    return Brokers(kafka.secured)


def by_tls_where_there_is_none(kafka: SecuredKafka) -> Brokers:
    return replace(scram(kafka), servers=kafka.login)


REFUSED: dict[Way, str] = {
    of_a_stranger: "KAFKA_CA_FILE",
    by_another_name: "KAFKA_CA_FILE",
    with_a_wrong_password: "KAFKA_PASSWORD",
    with_a_wrong_password_as_it_is: "KAFKA_PASSWORD",
    without_a_login: "KAFKA_SECURITY_PROTOCOL",
    with_a_login_where_none_is_taken: "KAFKA_SECURITY_PROTOCOL",
    without_a_certificate: "KAFKA_CERT_FILE",
    in_the_clear: "KAFKA_SECURITY_PROTOCOL",
    by_tls_where_there_is_none: "KAFKA_SECURITY_PROTOCOL",
}


@pytest.mark.integration
@pytest.mark.parametrize("way", REFUSED)
async def test_who_is_not_let_in_hears_which_setting_to_look_at(
    secured: SecuredKafka, way: Way, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    brokers = way(secured)
    async with asyncio.timeout(20):
        with pytest.raises(KafkaUnavailableError, match=REFUSED[way]) as provisioning:
            await provision(brokers, (Topic("nothing"),))
        with pytest.raises(KafkaUnavailableError, match=REFUSED[way]) as publishing:
            async with EventPublisher(brokers, source="test"):
                pass
    said = [*traceback.format_exception(provisioning.value), *traceback.format_exception(publishing.value)]
    assert brokers.servers in str(provisioning.value)
    assert secured.password not in "".join(said) + caplog.text + repr(brokers)


def test_addresses_are_told_apart() -> None:
    assert Brokers(" one:9092, two:9093,").client_options["bootstrap_servers"] == ["one:9092", "two:9093"]


async def test_without_an_address_there_is_trouble() -> None:
    assert await Brokers("").check_health() == "no broker is named"
