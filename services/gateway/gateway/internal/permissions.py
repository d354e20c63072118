"""Decides what each caller of the internal API may do. A fetcher gets only tokens of its own platform."""

from contracts.events import parse_platform

_FETCHER = "-fetcher"
_OPERATOR = "operator"


def can_get_token(caller: str, connection: str) -> bool:
    """Return whether `caller` is `<platform>-fetcher` and the connection is at that platform."""
    return caller.endswith(_FETCHER) and caller.removesuffix(_FETCHER) == parse_platform(connection)


def can_ensure_subscriptions(caller: str) -> bool:
    """Return whether `caller` may have webhook subscriptions created."""
    return caller == "scheduler"


def can_operate(caller: str) -> bool:
    """Return whether `caller` may start syncs, inspect connections and connect accounts of this installation."""
    return caller == _OPERATOR
