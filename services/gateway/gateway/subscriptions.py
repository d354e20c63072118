"""Webhook subscriptions as they must be: compared by (topic, address); what one topic is refused costs no other."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

log = structlog.get_logger()
_AT_ONCE = 5

REGISTERED, MOVED, THERE, REFUSED = "registered", "moved", "already there", "refused"


class SubscriptionRefused(Exception):
    """The platform does not take this subscription, for the reason in its text."""


@dataclass(frozen=True)
class Subscription:
    """One subscription as the platform lists it."""

    id: str
    topic: str
    address: str


class Subscriptions(Protocol):
    """A platform's subscriptions of one account. All raise `TokenRefused` and `PlatformAway`."""

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
    remote: Subscriptions, *, account: str, token: str, topics: Iterable[str], address: str
) -> dict[str, dict[str, str]]:
    """Bring every topic's subscription about; its outcome by topic, as `{"status", "message"}`."""
    steps = plan(topics, address, await remote.subscriptions(account, token))
    room = asyncio.Semaphore(_AT_ONCE)

    async def taken(step: Step) -> dict[str, str]:
        async with room:
            return await _take(remote, account, token, step, address)

    outcomes = await asyncio.gather(*(taken(step) for step in steps), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return {step.topic: outcome for step, outcome in zip(steps, outcomes, strict=True) if isinstance(outcome, dict)}


async def _take(remote: Subscriptions, account: str, token: str, step: Step, address: str) -> dict[str, str]:
    try:
        if step.action == REGISTERED:
            await remote.subscribe(account, token, step.topic, address)
        elif step.action == MOVED:
            await remote.move(account, token, step.subscription, address)
    except SubscriptionRefused as refused:
        log.warning("subscription refused", account=account, topic=step.topic, reason=str(refused))
        return {"status": "failed", "message": f"{REFUSED}: {refused}"}
    log.info(f"subscription {step.action}", account=account, topic=step.topic)
    return {"status": "success", "message": step.action}


def webhook_status(topics: dict[str, dict[str, str]], address: str) -> dict[str, Any]:
    """The whole of an assertion as it is shown: failed when any topic is, with every topic's own outcome."""
    refused = [topic for topic, outcome in topics.items() if outcome["status"] == "failed"]
    message = f"{len(topics) - len(refused)} of {len(topics)} topics are delivered to {address}"
    if refused:
        message += f"; refused: {', '.join(refused)}"
    return {"status": "failed" if refused else "success", "message": message, "topics": topics}
