"""What each caller of the internal endpoints may ask for: a fetcher only what is its own platform's."""

from contracts.events import parse_platform

_FETCHER = "-fetcher"
_OPERATOR = "operator"


def may_have_tokens(caller: str, connection: str) -> bool:
    """Whether `caller` may have tokens of `connection`: only `<platform>-fetcher`, only its own platform's."""
    return caller.endswith(_FETCHER) and caller.removesuffix(_FETCHER) == parse_platform(connection)


def may_assert(caller: str) -> bool:
    """Whether `caller` may have webhook subscriptions asserted."""
    return caller == "scheduler"


def may_operate(caller: str) -> bool:
    """Whether `caller` may start syncs, and have a look taken at how connections stand."""
    return caller == _OPERATOR
