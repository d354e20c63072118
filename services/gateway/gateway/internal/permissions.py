"""Decides what each caller of the internal API may do. A fetcher gets only tokens of its own platform."""

from contracts.events import parse_platform
from contracts.topics import DATA_API

_FETCHER = "-fetcher"
_OPERATOR = "operator"


def can_get_token(caller: str, connection: str) -> bool:
    """Return whether `caller` may get the connection's token: only the `<platform>-fetcher` of its platform may."""
    return caller.endswith(_FETCHER) and caller.removesuffix(_FETCHER) == parse_platform(connection)


def can_ensure_subscriptions(caller: str) -> bool:
    """Return whether `caller` is the scheduler, which alone may let the gateway create webhook subscriptions."""
    return caller == "scheduler"


def can_operate(caller: str) -> bool:
    """Return whether `caller` is the operator, who may start or cancel syncs, inspect and connect accounts."""
    return caller == _OPERATOR


def can_report_uses_of_keys(caller: str) -> bool:
    """Return whether `caller` is the data API, which alone sees when a key is used."""
    return caller == DATA_API
