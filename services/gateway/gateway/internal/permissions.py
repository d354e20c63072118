"""Decides what each caller of the internal API may do. Fetchers and writers get only tokens of their own platform."""

from contracts.events import parse_platform
from contracts.topics import DATA_API, LINKER
from platforms.registry import DESTINATIONS

_OPERATOR = "operator"


def can_get_token(caller: str, connection: str) -> bool:
    """Return whether `caller` may get the connection's token, and report that the platform has refused it.

    Only the `<platform>-fetcher` of its platform may, and the `<platform>-writer` where links write to the platform.
    """
    platform = parse_platform(connection)
    return caller == f"{platform}-fetcher" or (caller == f"{platform}-writer" and platform in DESTINATIONS)


def can_ensure_subscriptions(caller: str) -> bool:
    """Return whether `caller` is the scheduler, which alone may let the gateway create webhook subscriptions."""
    return caller == "scheduler"


def can_refresh(caller: str) -> bool:
    """Return whether `caller` may request syncs: the data API for its readers, and the linker for links."""
    return caller in (DATA_API, LINKER)


def can_operate(caller: str) -> bool:
    """Return whether `caller` is the operator, who may start or cancel syncs, inspect and connect accounts."""
    return caller == _OPERATOR


def can_report_uses_of_keys(caller: str) -> bool:
    """Return whether `caller` is the data API, which alone sees when a key is used."""
    return caller == DATA_API
