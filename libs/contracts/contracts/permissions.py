"""What each user of Kafka may do: the table from which the ACLs of the brokers are made.

Each service has a user of its own name. It follows from `contracts.topics` to which topics a service writes and which
it reads. Consumer groups are named `<service>.<name>`. In Kafka, reading or writing includes describing, and writing to
a topic is all that an idempotent producer needs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from contracts.topics import DEAD_LETTER_SUFFIX, OPERATOR, Topic, list_topics

AUTOSCALER = "keda"
"""The user of the autoscaler, which only sees how far consumer groups are behind."""

Operation = Literal["Read", "Write", "Describe", "DescribeConfigs"]


@dataclass(frozen=True, order=True)
class KafkaPermission:
    """The right of `user` to do `operation` on a topic or a consumer group.

    `resource` says which of both `name` is. A `prefixed` name stands for all names that begin with it, and the
    `literal` name `*` for all names.
    """

    user: str
    operation: Operation
    resource: Literal["topic", "group"]
    pattern: Literal["literal", "prefixed"]
    name: str


def list_permissions(platforms: tuple[str, ...], destinations: tuple[str, ...] = ()) -> tuple[KafkaPermission, ...]:
    """Return the permissions of all users of an installation with these platforms, sorted.

    `destinations` are the platforms among them that links write to.
    """
    topics = list_topics(platforms, destinations)
    return tuple(sorted({*_permit_services(topics), *_permit_operator(topics), *_permit_autoscaler(topics)}))


def list_users(platforms: tuple[str, ...], destinations: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the names of all users, sorted."""
    return tuple(sorted({permission.user for permission in list_permissions(platforms, destinations)}))


def _permit_services(topics: tuple[Topic, ...]) -> Iterator[KafkaPermission]:
    for topic in topics:
        yield from (KafkaPermission(service, "Write", "topic", "literal", topic.name) for service in topic.producers)
        readers = (*topic.consumers, *topic.observers)
        yield from (KafkaPermission(service, "Read", "topic", "literal", topic.name) for service in readers)
        yield from (KafkaPermission(service, "Read", "group", "prefixed", f"{service}.") for service in topic.consumers)


def _permit_operator(topics: tuple[Topic, ...]) -> Iterator[KafkaPermission]:
    yield KafkaPermission(OPERATOR, "Describe", "group", "literal", "*")
    for topic in topics:
        # It replays dead letters, and notes on their topic that one is discarded.
        yield KafkaPermission(OPERATOR, "Write", "topic", "literal", topic.name)
        if topic.name.endswith(DEAD_LETTER_SUFFIX):
            yield KafkaPermission(OPERATOR, "Read", "topic", "literal", topic.name)
        yield KafkaPermission(OPERATOR, "DescribeConfigs", "topic", "literal", topic.name)


def _permit_autoscaler(topics: tuple[Topic, ...]) -> Iterator[KafkaPermission]:
    for topic in topics:
        yield KafkaPermission(AUTOSCALER, "Describe", "topic", "literal", topic.name)
        for service in topic.consumers:
            yield KafkaPermission(AUTOSCALER, "Describe", "group", "prefixed", f"{service}.")
