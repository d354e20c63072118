"""Check Kafka: the brokers answer, and every topic exists with the configuration that the product gives it."""

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from contracts.topics import PARTITIONS, Topic, list_topics
from merchant_sync.access import Access
from merchant_sync.operating import brokers
from merchant_sync.operating.checks import Finding, report_bad, report_good, report_warning
from messaging.errors import UnavailableError
from messaging.provisioning import REPLICATION_FACTOR, build_config
from platforms.registry import DESTINATIONS, PLATFORMS

_CREATE = "run deploy/kafka/setup.sh, or start the gateway where its user may create topics; never by auto-creation"


async def check(access: Access) -> AsyncIterator[Finding]:
    """Check that Kafka answers, and that each topic of the product exists and is configured as the product does it."""
    address = access.require_settings("KAFKA_BOOTSTRAP_SERVERS")[0]
    try:
        async with brokers.create_admin(access) as admin:
            count = len((await admin.describe_cluster())["brokers"])
            yield report_good("Kafka", f"{address} answers, {count} broker{'s' if count > 1 else ''}")
            for finding in await _check_topics(admin, count):
                yield finding
    except UnavailableError as error:
        action = "bring it back, or correct KAFKA_BOOTSTRAP_SERVERS and its credentials"
        yield report_bad("Kafka", f"{address}: {str(error).removeprefix('Kafka: ')}", action)


async def _check_topics(admin: AIOKafkaAdminClient, broker_count: int) -> list[Finding]:
    expected = list_topics(PLATFORMS, DESTINATIONS)
    names = set(await admin.list_topics())
    existing = [topic for topic in expected if topic.name in names]
    missing = [topic for topic in expected if topic.name not in names]
    findings = [report_bad(f"topic {topic.name}", "is not there", _CREATE) for topic in missing]
    if existing:
        descriptions = await admin.describe_topics([topic.name for topic in existing])
        partitions = {description["topic"]: description["partitions"] for description in descriptions}
        configs = await load_configs(admin, [topic.name for topic in existing])
        for topic in existing:
            config = configs.get(topic.name, {})
            findings += compare_topic(topic, partitions[topic.name], config, min(REPLICATION_FACTOR, broker_count))
    if not findings:
        details = f"{len(existing)} with {PARTITIONS} partitions each, configured as provisioned"
        findings.append(report_good("topics", details))
    return findings


async def load_configs(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    """Return the configuration of each of the topics `names`, by the topic's name."""
    answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
    return {
        resource[3]: {entry[0]: entry[1] for entry in resource[4]}
        for answer in answers
        for resource in answer.resources
        if resource[0] == 0
    }


def compare_topic(
    topic: Topic, partitions: list[Mapping[str, Any]], config: Mapping[str, str], copies: int
) -> Iterator[Finding]:
    """Yield a finding for each difference between an existing topic and the one that the product would create.

    `config` is the existing topic's configuration; empty when the broker does not show it. `copies` is the number of
    replicas that each partition should have.
    """
    subject = f"topic {topic.name}"
    if len(partitions) != PARTITIONS:
        action = "keys live in partitions: stop everything once all is read, delete the topic and let it be created"
        yield report_bad(subject, f"has {len(partitions)} partitions, {PARTITIONS} are right", action)
    wrong = {name: value for name, value in build_config(topic).items() if config and config.get(name) != value}
    if wrong:
        details = ", ".join(f"{name} is {config.get(name)}" for name in wrong)
        changes = ",".join(f"{name}={value}" for name, value in wrong.items())
        command = f"kafka-configs.sh --alter --entity-type topics --entity-name {topic.name} --add-config {changes}"
        yield report_bad(subject, details, command)
    fewest = min((len(partition["replicas"]) for partition in partitions), default=0)
    if fewest < copies:
        details = f"has {fewest} copies, {copies} are possible"
        yield report_warning(subject, details, "kafka-reassign-partitions.sh adds replicas")
    if behind := [one["partition"] for one in partitions if len(one["isr"]) < len(one["replicas"])]:
        yield report_warning(subject, f"copies lag behind in partitions {behind}", "check the brokers that hold them")
