"""Kafka: the brokers, and every topic as provisioning makes it."""

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from contracts.topics import PARTITIONS, Topic, list_topics
from merchant_sync.access import Access
from merchant_sync.operating import brokers
from merchant_sync.operating.checks import Finding, bad, good, warning
from merchant_sync.topics import PLATFORMS
from messaging.errors import KafkaUnavailableError
from messaging.provisioning import COPIES, build_config

_MAKE = "start the gateway, which makes missing topics; never by auto-creation"


async def look(access: Access) -> AsyncIterator[Finding]:
    """The cluster, then its topics: missing, or other than they are made."""
    where = access.need("KAFKA_BOOTSTRAP_SERVERS")[0]
    try:
        async with brokers.administering(access) as admin:
            count = len((await admin.describe_cluster())["brokers"])
            yield good("Kafka", f"{where} answers, {count} broker{'s' if count > 1 else ''}")
            for finding in await _topics(admin, count):
                yield finding
    except KafkaUnavailableError as away:
        yield bad("Kafka", f"{where}: {away}", "bring it back, or correct KAFKA_BOOTSTRAP_SERVERS and its credentials")


async def _topics(admin: AIOKafkaAdminClient, count: int) -> list[Finding]:
    wanted = list_topics(PLATFORMS)
    there = set(await admin.list_topics())
    known = [topic for topic in wanted if topic.name in there]
    findings = [bad(f"topic {topic.name}", "is not there", _MAKE) for topic in wanted if topic.name not in there]
    if known:
        described = {one["topic"]: one["partitions"] for one in await admin.describe_topics([t.name for t in known])}
        settings = await _configs(admin, [topic.name for topic in known])
        for topic in known:
            findings += judged(topic, described[topic.name], settings.get(topic.name, {}), min(COPIES, count))
    if not findings:
        findings.append(good("topics", f"{len(known)} with {PARTITIONS} partitions each, kept as they should be"))
    return findings


async def _configs(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    """Each topic's configuration by name."""
    answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
    return {
        resource[3]: {entry[0]: entry[1] for entry in resource[4]}
        for answer in answers
        for resource in answer.resources
        if resource[0] == 0
    }


def judged(
    topic: Topic, partitions: list[Mapping[str, Any]], settings: Mapping[str, str], copies: int
) -> Iterator[Finding]:
    """Where a topic differs from how it is made. `settings` are empty where the broker does not show them."""
    what = f"topic {topic.name}"
    if len(partitions) != PARTITIONS:
        do = "keys live in partitions: with everything stopped and read to the end, delete the topic and let it be made"
        yield bad(what, f"has {len(partitions)} partitions, {PARTITIONS} are right", do)
    wrong = {name: value for name, value in build_config(topic).items() if settings and settings.get(name) != value}
    if wrong:
        seen = ", ".join(f"{name} is {settings.get(name)}" for name in wrong)
        added = ",".join(f"{name}={value}" for name, value in wrong.items())
        alter = f"kafka-configs.sh --alter --entity-type topics --entity-name {topic.name} --add-config {added}"
        yield bad(what, seen, alter)
    fewest = min((len(partition["replicas"]) for partition in partitions), default=0)
    if fewest < copies:
        yield warning(what, f"has {fewest} copies, {copies} are possible", "kafka-reassign-partitions.sh adds replicas")
    if behind := [one["partition"] for one in partitions if len(one["isr"]) < len(one["replicas"])]:
        yield warning(what, f"copies lag behind in partitions {behind}", "look at the brokers that hold them")
