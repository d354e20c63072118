"""TLS and logins on a real Kafka: every client connects, or its error names the setting to check."""

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

from certificates import Authority
from contracts.events import Event
from contracts.topics import Topic
from messaging.brokers import Brokers, Login
from messaging.dead_letters import DeadLetterPublisher
from messaging.errors import UnavailableError
from messaging.keyed_consumer import KeyedConsumer
from messaging.provisioning import create_missing_topics
from messaging.publisher import EventPublisher, OutboundMessage
from messaging.tls import create_context, load_certificate
from secured_kafka import USER, SecuredKafka, run_secured_kafka

JARS = Path(__file__).parents[3] / "data" / "cache"


class Note(Event):
    text: str


@pytest.fixture(scope="module")
def kafka_cluster() -> Iterator[SecuredKafka]:
    with TemporaryDirectory() as folder, run_secured_kafka(Path(folder), JARS) as running:
        yield running


Connect = Callable[[SecuredKafka], Brokers]


def use_scram(kafka: SecuredKafka) -> Brokers:
    return Brokers(kafka.secured, create_context(str(kafka.authority.ca)), Login(USER, kafka.password))


def use_short_scram(kafka: SecuredKafka) -> Brokers:
    return replace(use_scram(kafka), login=Login(USER, kafka.password, "SCRAM-SHA-256"))


def use_plain(kafka: SecuredKafka) -> Brokers:
    return replace(use_scram(kafka), login=Login(USER, kafka.password, "PLAIN"))


def login_without_tls(kafka: SecuredKafka) -> Brokers:
    return Brokers(kafka.login, login=Login(USER, kafka.password))


def use_certificate(kafka: SecuredKafka) -> Brokers:
    context, pair = create_context(str(kafka.authority.ca)), kafka.authority.sign("client")
    load_certificate(context, str(pair.cert), str(pair.key))
    return Brokers(kafka.mutual, context)


@asynccontextmanager
async def run_consumer(brokers: Brokers, topic: str, publisher: EventPublisher) -> AsyncIterator["asyncio.Queue[str]"]:
    """Consume `topic` into a queue of texts."""
    texts: asyncio.Queue[str] = asyncio.Queue()

    async def handle(_key: str, events: Sequence[Note]) -> None:
        for event in events:
            texts.put_nowait(event.text)

    consumer = KeyedConsumer(
        brokers,
        topic,
        group=topic,
        parse=Note.model_validate_json,
        handle=handle,
        dead_letters=DeadLetterPublisher(publisher),
    )
    await consumer.start()
    try:
        yield texts
    finally:
        await consumer.stop(grace=0.5)


@pytest.mark.integration
@pytest.mark.parametrize("connect", [use_scram, use_short_scram, use_plain, login_without_tls, use_certificate])
async def test_every_client_connects(kafka_cluster: SecuredKafka, connect: Connect) -> None:
    brokers, topic = connect(kafka_cluster), f"notes.{uuid4().hex[:8]}"
    async with asyncio.timeout(30):
        await create_missing_topics(brokers, (Topic(topic),))
        async with (
            EventPublisher(brokers, source="test") as publisher,
            run_consumer(brokers, topic, publisher) as texts,
        ):
            await publisher.send(OutboundMessage(topic, "shopify:acme", Note(text="safely"), "1"))
            assert await texts.get() == "safely"
        assert await brokers.check_health() is None


def trust_a_stranger(kafka: SecuredKafka) -> Brokers:
    with TemporaryDirectory() as folder:
        return replace(use_scram(kafka), tls=create_context(str(Authority(Path(folder), "strangers").ca)))


def use_another_name(kafka: SecuredKafka) -> Brokers:
    return replace(use_scram(kafka), servers=kafka.secured.replace("127.0.0.1", "localhost"))


def use_a_wrong_password(kafka: SecuredKafka) -> Brokers:
    return replace(use_scram(kafka), login=Login(USER, "not-" + kafka.password))


def use_a_wrong_plain_password(kafka: SecuredKafka) -> Brokers:
    return replace(use_scram(kafka), login=Login(USER, "not-" + kafka.password, "PLAIN"))


def omit_the_login(kafka: SecuredKafka) -> Brokers:
    return replace(use_scram(kafka), login=None)


def login_where_none_is_expected(kafka: SecuredKafka) -> Brokers:
    return replace(use_certificate(kafka), login=Login(USER, kafka.password))


def omit_the_certificate(kafka: SecuredKafka) -> Brokers:
    return Brokers(kafka.mutual, create_context(str(kafka.authority.ca)))


def omit_tls(kafka: SecuredKafka) -> Brokers:
    return Brokers(kafka.secured)


def use_tls_where_there_is_none(kafka: SecuredKafka) -> Brokers:
    return replace(use_scram(kafka), servers=kafka.login)


REFUSED: dict[Connect, str] = {
    trust_a_stranger: "KAFKA_CA_FILE",
    use_another_name: "KAFKA_CA_FILE",
    use_a_wrong_password: "KAFKA_PASSWORD",
    use_a_wrong_plain_password: "KAFKA_PASSWORD",
    omit_the_login: "KAFKA_SECURITY_PROTOCOL",
    login_where_none_is_expected: "KAFKA_SECURITY_PROTOCOL",
    omit_the_certificate: "KAFKA_CERT_FILE",
    omit_tls: "KAFKA_SECURITY_PROTOCOL",
    use_tls_where_there_is_none: "KAFKA_SECURITY_PROTOCOL",
}


@pytest.mark.integration
@pytest.mark.parametrize("connect", REFUSED)
async def test_the_error_of_every_client_names_the_setting_to_check(
    kafka_cluster: SecuredKafka, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    brokers = connect(kafka_cluster)
    async with asyncio.timeout(20):
        with pytest.raises(UnavailableError, match=REFUSED[connect]) as provisioning:
            await create_missing_topics(brokers, (Topic("nothing"),))
        with pytest.raises(UnavailableError, match=REFUSED[connect]) as publishing:
            async with EventPublisher(brokers, source="test"):
                pass
    errors = [*traceback.format_exception(provisioning.value), *traceback.format_exception(publishing.value)]
    assert brokers.servers in str(provisioning.value)
    assert str(provisioning.value).startswith("Kafka: ")
    assert kafka_cluster.password not in "".join(errors) + caplog.text + repr(brokers)


def test_addresses_are_separated_by_commas() -> None:
    assert Brokers(" one:9092, two:9093,").client_options["bootstrap_servers"] == ["one:9092", "two:9093"]


async def test_without_an_address_the_health_check_fails() -> None:
    assert await Brokers("").check_health() == "no broker is named"
