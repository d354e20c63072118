"""The operator's own keys for the data API, which are given as a setting and not made on a connection's page."""

from dataclasses import dataclass
from hashlib import sha256

from pydantic import TypeAdapter, ValidationError

from contracts.events import ConnectionName

MIN_KEY_LENGTH = 24
_CONNECTION: TypeAdapter[str] = TypeAdapter(ConnectionName)


@dataclass(frozen=True)
class OperatorKey:
    """A key of the operator: its name, its SHA-256 in hexadecimal, and the connections that it may read.

    An empty set of connections stands for all connections.
    """

    name: str
    sha256: str
    connections: frozenset[str]


def parse_operator_keys(value: str) -> tuple[OperatorKey, ...]:
    """Parse `name:key` or `name:key:connection,connection`, several separated by blanks.

    Raises `ValueError`, which shows no key, for one that is malformed or short, and for a name or a key that comes
    twice.
    """
    keys = tuple(_parse_key(position, entry) for position, entry in enumerate(value.split(), 1))
    if len({key.name for key in keys}) != len(keys) or len({key.sha256 for key in keys}) != len(keys):
        raise ValueError("has a name or a key twice")
    return keys


def _parse_key(position: int, entry: str) -> OperatorKey:
    name, _, rest = entry.partition(":")
    key, separator, listed = rest.partition(":")
    if not name or not key:
        raise ValueError(f"key {position} is not name:key or name:key:connection,connection")
    if len(key) < MIN_KEY_LENGTH:
        raise ValueError(f"the key of {name} is too short: it must have at least {MIN_KEY_LENGTH} characters")
    connections = listed.split(",") if separator else []
    try:
        return OperatorKey(
            name, sha256(key.encode()).hexdigest(), frozenset(map(_CONNECTION.validate_python, connections))
        )
    except ValidationError:
        raise ValueError(f"the key of {name} has a connection that is not platform:account") from None
