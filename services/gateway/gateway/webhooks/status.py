"""Builds the documents that show the state of a connection's webhook subscriptions."""

from typing import Any

from gateway.webhooks.probe import PENDING_RESULT
from platform_sdk.adapters import WebhookReport

PENDING_STATUS = {"status": "pending", "message": "the webhook subscriptions have not been compared yet"}
POLLED_ONLY = {"status": "success", "message": "not supported: polled only"}
"""The document for both the subscriptions' state and the probe's result where the platform has no webhooks."""


def build_initial_webhook_checks(has_webhooks: bool) -> tuple[dict[str, str], dict[str, str]]:
    """Return the first state of the webhook subscriptions and the first result of the webhook probe for a new grant.

    The webhook probe is a test delivery. Both are pending; for a platform without webhooks both are success.
    """
    return (PENDING_STATUS, PENDING_RESULT) if has_webhooks else (POLLED_ONLY, POLLED_ONLY)


def build_webhook_status(report: WebhookReport, address: str) -> dict[str, Any]:
    """Return the outcome of creating a connection's webhook subscriptions, as a whole and for each topic.

    The whole has failed when the platform refused any topic. `address` is the URL to which the platform delivers.
    """
    refused = [topic for topic, outcome in report.topics.items() if not outcome.is_subscribed]
    message = _describe_subscribed_topics(report, address)
    if refused:
        message += f"; refused: {', '.join(refused)}"
    topics = {
        topic: {"status": _get_status(outcome.is_subscribed), "message": outcome.message}
        for topic, outcome in report.topics.items()
    }
    message = "; ".join((message, *report.remarks))
    return {"status": _get_status(not refused), "message": message, "topics": topics}


def build_checkup(report: WebhookReport, address: str) -> dict[str, Any]:
    """Return the outcome of inspecting a connection's webhook subscriptions.

    It is failed when any topic is not subscribed. `address` is the URL to which the platform delivers.
    """
    missing = [topic for topic, outcome in report.topics.items() if not outcome.is_subscribed]
    return {
        "status": _get_status(not missing),
        "message": _describe_subscribed_topics(report, address),
        "missing": missing,
        "remarks": list(report.remarks),
    }


def _describe_subscribed_topics(report: WebhookReport, address: str) -> str:
    subscribed = sum(outcome.is_subscribed for outcome in report.topics.values())
    return f"{subscribed} of {len(report.topics)} topics are delivered to {address}"


def _get_status(is_good: bool) -> str:
    return "success" if is_good else "failed"
