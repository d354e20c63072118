"""Webhook subscriptions as they must be: what one topic is refused costs no other.

How they are compared and made is each platform's client's; `assert_all` is for those that have one a topic and address.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

log = structlog.get_logger()
_AT_ONCE = 5

REGISTERED, MOVED, THERE, REFUSED = "registered", "moved", "already there", "refused"
MISSING = "not subscribed"


class SubscriptionRefused(Exception):
    """The platform does not take this subscription, for the reason in its text."""


Outcome = dict[str, str]
"""What became of one topic, as `{"status", "message"}`."""


@dataclass(frozen=True)
class Asserted:
    """An assertion's outcome by topic, and what else whoever looks at it should know."""

    topics: Mapping[str, Outcome]
    remarks: tuple[str, ...] = ()


class Subscriptions(Protocol):
    """A platform's subscriptions."""

    async def assert_subscriptions(self, account: str, token: str, *, topics: Sequence[str], address: str) -> Asserted:
        """Bring it about that these topics of the account are delivered to `address`; making nothing twice.

        Raises `TokenRefused` and `PlatformAway`; a topic that is refused is part of the outcome.
        """


@dataclass(frozen=True)
class Subscription:
    """One subscription as the platform lists it."""

    id: str
    topic: str
    address: str


class TopicSubscriptions(Protocol):
    """An account's subscriptions, one a topic and address. All raise `TokenRefused` and `PlatformAway`."""

    async def subscriptions(self, account: str, token: str) -> list[Subscription]:
        """All of them."""

    async def subscribe(self, account: str, token: str, topic: str, address: str) -> None:
        """Make one; one that is there already is fine. Raises `SubscriptionRefused`."""

    async def move(self, account: str, token: str, subscription: str, address: str) -> None:
        """Give one another address. Raises `SubscriptionRefused`."""


@dataclass(frozen=True)
class Step:
    """What one topic needs: nothing (`THERE`), a new subscription, or another address for `subscription`."""

    topic: str
    action: str
    subscription: str = ""


def plan(topics: Iterable[str], address: str, there: Sequence[Subscription]) -> list[Step]:
    """One step a topic. A topic that has our address needs nothing, whatever other addresses it has too."""
    ours = {subscription.topic for subscription in there if subscription.address == address}
    others = {subscription.topic: subscription.id for subscription in there if subscription.address != address}
    return [
        Step(topic, THERE)
        if topic in ours
        else Step(topic, MOVED, others[topic])
        if topic in others
        else Step(topic, REGISTERED)
        for topic in topics
    ]


async def assert_all(
    remote: TopicSubscriptions, *, account: str, token: str, topics: Iterable[str], address: str
) -> Asserted:
    """Bring every topic's subscription about, compared by (topic, address)."""
    steps = plan(topics, address, await remote.subscriptions(account, token))
    room = asyncio.Semaphore(_AT_ONCE)

    async def taken(step: Step) -> Outcome:
        async with room:
            return await _take(remote, account, token, step, address)

    outcomes = await asyncio.gather(*(taken(step) for step in steps), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return Asserted({step.topic: said for step, said in zip(steps, outcomes, strict=True) if isinstance(said, dict)})


async def _take(remote: TopicSubscriptions, account: str, token: str, step: Step, address: str) -> Outcome:
    try:
        if step.action == REGISTERED:
            await remote.subscribe(account, token, step.topic, address)
        elif step.action == MOVED:
            await remote.move(account, token, step.subscription, address)
    except SubscriptionRefused as refused:
        log.warning("subscription refused", account=account, topic=step.topic, reason=str(refused))
        return failure(str(refused))
    log.info(f"subscription {step.action}", account=account, topic=step.topic)
    return success(step.action)


def success(action: str) -> Outcome:
    """The outcome of a topic that is subscribed."""
    return {"status": "success", "message": action}


def failure(reason: str) -> Outcome:
    """The outcome of a topic that the platform refused."""
    return {"status": "failed", "message": f"{REFUSED}: {reason}"}


def webhook_status(asserted: Asserted, address: str) -> dict[str, Any]:
    """The whole of an assertion as it is shown: failed when any topic is, with every topic's own outcome."""
    topics = asserted.topics
    refused = [topic for topic, outcome in topics.items() if outcome["status"] == "failed"]
    message = f"{len(topics) - len(refused)} of {len(topics)} topics are delivered to {address}"
    if refused:
        message += f"; refused: {', '.join(refused)}"
    message = "; ".join((message, *asserted.remarks))
    return {"status": "failed" if refused else "success", "message": message, "topics": dict(topics)}


def seen(topics: Iterable[str], there: Collection[str]) -> dict[str, Outcome]:
    """The outcome of each topic in a look that changes nothing; `there` are those that are subscribed."""
    return {topic: success(THERE) if topic in there else {"status": "failed", "message": MISSING} for topic in topics}


def checkup(looked: Asserted, address: str) -> dict[str, Any]:
    """A look as it is shown: failed when any topic is missing; `remarks` are no failure."""
    missing = [topic for topic, outcome in looked.topics.items() if outcome["status"] == "failed"]
    message = f"{len(looked.topics) - len(missing)} of {len(looked.topics)} topics are delivered to {address}"
    return {
        "status": "failed" if missing else "success",
        "message": message,
        "missing": missing,
        "remarks": list(looked.remarks),
    }
