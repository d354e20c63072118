"""Subscriptions at platforms that have one for each topic and address."""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from platform_sdk.adapters import TopicOutcome, WebhookReport
from platform_sdk.errors import PermanentError

log = structlog.get_logger()
_CONCURRENCY = 5

REGISTERED, MOVED, THERE, REFUSED = "registered", "moved", "already there", "refused"
MISSING = "not subscribed"


@dataclass(frozen=True)
class Subscription:
    """One subscription as the platform lists it."""

    id: str
    topic: str
    address: str


class TopicSubscriptions(Protocol):
    """An account's subscriptions. All methods raise TokenRejectedError and TransientError."""

    async def list_subscriptions(self, account: str, token: str) -> list[Subscription]:
        """Return all of them."""

    async def subscribe(self, account: str, token: str, topic: str, address: str) -> None:
        """Create one; one that is there already is no error. Raises PermanentError where it is refused."""

    async def move(self, account: str, token: str, subscription: str, address: str) -> None:
        """Change the address of one. Raises PermanentError where it is refused."""


@dataclass(frozen=True)
class Step:
    """What one topic needs: nothing (`THERE`), a new subscription, or another address for `subscription`."""

    topic: str
    action: str
    subscription: str = ""


def plan_steps(topics: Iterable[str], address: str, subscriptions: Sequence[Subscription]) -> list[Step]:
    """Return one step for each topic. A topic with our address needs nothing, even if it has other addresses, too."""
    ours = {subscription.topic for subscription in subscriptions if subscription.address == address}
    others = {subscription.topic: subscription.id for subscription in subscriptions if subscription.address != address}
    return [
        Step(topic, THERE)
        if topic in ours
        else Step(topic, MOVED, others[topic])
        if topic in others
        else Step(topic, REGISTERED)
        for topic in topics
    ]


async def ensure_topics(
    api: TopicSubscriptions, *, account: str, token: str, topics: Iterable[str], address: str
) -> WebhookReport:
    """Subscribe to every topic that is not delivered to `address`. A topic that is refused affects no other."""
    steps = plan_steps(topics, address, await api.list_subscriptions(account, token))
    limit = asyncio.Semaphore(_CONCURRENCY)

    async def take_step(step: Step) -> TopicOutcome:
        async with limit:
            return await _take_step(api, account, token, step, address)

    outcomes = await asyncio.gather(*(take_step(step) for step in steps), return_exceptions=True)
    topic_outcomes: dict[str, TopicOutcome] = {}
    for step, outcome in zip(steps, outcomes, strict=True):
        if isinstance(outcome, BaseException):
            raise outcome
        topic_outcomes[step.topic] = outcome
    return WebhookReport(topic_outcomes)


async def _take_step(api: TopicSubscriptions, account: str, token: str, step: Step, address: str) -> TopicOutcome:
    try:
        if step.action == REGISTERED:
            await api.subscribe(account, token, step.topic, address)
        elif step.action == MOVED:
            await api.move(account, token, step.subscription, address)
    except PermanentError as error:
        log.warning("subscription refused", account=account, topic=step.topic, reason=error.reason)
        return build_refusal(error.reason)
    log.info(f"subscription {step.action}", account=account, topic=step.topic)
    return TopicOutcome(True, step.action)


def build_refusal(reason: str) -> TopicOutcome:
    """Return the outcome of a topic that the platform refused."""
    return TopicOutcome(False, f"{REFUSED}: {reason}")


def list_outcomes(topics: Iterable[str], subscribed: Collection[str]) -> dict[str, TopicOutcome]:
    """Return the outcome of each topic of an inspection."""
    there, missing = TopicOutcome(True, THERE), TopicOutcome(False, MISSING)
    return {topic: there if topic in subscribed else missing for topic in topics}
