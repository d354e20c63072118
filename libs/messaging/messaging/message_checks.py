"""Checks that a message speaks only of what it has authority over.

Kafka's ACLs decide who may write to a topic, but not what is in a message. So these checks are what keeps the user of
one platform's fetcher from speaking of another platform's connections.
"""

from collections.abc import Mapping, Sequence

from contracts.events import ConnectionChanged, parse_platform
from contracts.topics import parse_topic_platform
from messaging.errors import ForeignMessageError


def check_subject(topic: str, key: str, event: object) -> None:
    """Raise `ForeignMessageError` unless `event` is about the connection `key`, and `topic` is one for its platform.

    `event` is an event or a decoded JSON object. One that names no connection is about the connection `key`.
    """
    subject = event.get("connection", key) if isinstance(event, Mapping) else getattr(event, "connection", key)
    if subject != key:
        raise ForeignMessageError("the event is about another connection than the message's key")
    platform = parse_topic_platform(topic)
    if platform is not None and parse_platform(key) != platform:
        raise ForeignMessageError(f"the connection is not one of {platform}, to which the topic {topic} belongs")


def check_epochs(events: Sequence[ConnectionChanged], *, revision: int, epoch: int) -> None:
    """Raise `ForeignMessageError` if a later revision of a connection has a lower epoch than an earlier one.

    `events` are states of one connection; `revision` and `epoch` are those of its stored state. The gateway never
    lowers an epoch.
    """
    for event in sorted(events, key=lambda event: event.revision):
        if event.revision <= revision:
            continue
        if event.epoch < epoch:
            raise ForeignMessageError(f"revision {event.revision} has epoch {event.epoch}, after epoch {epoch}")
        epoch = event.epoch
