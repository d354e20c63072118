"""Who may ask the internal endpoints: other services, each by its own key, each bound to its own platform."""

from collections.abc import Mapping
from hashlib import sha256
from hmac import compare_digest

from contracts.events import platform_of

_FETCHER = "-fetcher"


def caller_of(authorization: str, keys: Mapping[str, str]) -> str | None:
    """The name of the service whose key the `Authorization` header carries; None for nobody's.

    Every key is compared, each in constant time, so the answer's time tells nothing.
    """
    scheme, _, given = authorization.partition(" ")
    digest = sha256(given.strip().encode()).digest()
    found = [name for name, key in keys.items() if compare_digest(digest, sha256(key.encode()).digest())]
    return found[0] if found and scheme.lower() == "bearer" else None


def may_have_tokens(caller: str, connection: str) -> bool:
    """Whether `caller` may have tokens of `connection`: only `<platform>-fetcher`, only its own platform's."""
    return caller.endswith(_FETCHER) and caller.removesuffix(_FETCHER) == platform_of(connection)


def may_assert(caller: str) -> bool:
    """Whether `caller` may have webhook subscriptions asserted."""
    return caller == "scheduler"
