"""Keys for the data API: what a key is, and what somebody may ask for. Nothing here reads or writes anything."""

import secrets
import string
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal, get_args
from uuid import UUID, uuid4

from contracts.events import ApiKey, KeysChanged
from gateway.audit import Actor
from gateway.connections import Connection
from platform_sdk.errors import RequestRejectedError

Scope = Literal["read", "refresh", "manage"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
"""What a key may do: read data, ask for syncs, and manage the webhook endpoints of readers."""
MARK = "msk_"
"""The beginning of every key, by which scanners for leaked secrets recognise one."""
RANDOM_CHARACTERS = 32
PREFIX_LENGTH = 8
MAX_KEYS = 20
"""How many keys that have not expired a connection can have."""
MAX_NAME_LENGTH = 60
MAX_DAYS = 3660
MAX_KEEP_HOURS = 720
"""How long a key can stay good after it was replaced: 30 days."""
_ALPHABET = string.ascii_letters + string.digits
_DAY_SECONDS, _HOUR_SECONDS = 86_400, 3_600


@dataclass(frozen=True)
class KeyRequest:
    """What somebody asks for: a key of this name, with these scopes, that expires after `lifetime_seconds` if given."""

    name: str
    scopes: tuple[Scope, ...]
    lifetime_seconds: int | None


@dataclass(frozen=True)
class NewKey:
    """A key that is to be stored. It is good only for the epoch and the merchant that its connection has now."""

    id: UUID
    connection: str
    name: str
    scopes: tuple[Scope, ...]
    lifetime_seconds: int | None
    prefix: str
    hash: bytes = field(repr=False)
    epoch: int
    merchant: UUID
    made_by: Actor
    origin: UUID
    """The id of the first key that this one replaces, directly or through others; its own if it replaces none."""


@dataclass(frozen=True)
class StoredKey(NewKey):
    """A key as it is stored: without its text. Times are in ms since 1970; None where there is no such time."""

    made_at: int
    expires_at: int | None
    last_used_at: int | None
    has_expired: bool

    @property
    def request(self) -> KeyRequest:
        """The request for a key like this one."""
        return KeyRequest(self.name, self.scopes, self.lifetime_seconds)


@dataclass(frozen=True)
class IssuedKey:
    """A key that was just made. `text` is the key itself, which nobody can see a second time."""

    text: str = field(repr=False)
    key: StoredKey


def build_key_request(name: str, scopes: Collection[str], days: int | None) -> KeyRequest:
    """Return a checked request for a key that expires after `days`; None for a key that does not expire.

    Raises RequestRejectedError with the reason for a name that is empty, too long or not printable, for unknown scopes
    or none, and for a number of days out of range.
    """
    name = name.strip()
    if not 0 < len(name) <= MAX_NAME_LENGTH or not name.isprintable():
        raise RequestRejectedError(400, f"give the key a name of at most {MAX_NAME_LENGTH} characters")
    if unknown := sorted(set(scopes) - set(SCOPES)):
        raise RequestRejectedError(400, f"there is no scope {unknown[0][:40]}: choose among {', '.join(SCOPES)}")
    if not scopes:
        raise RequestRejectedError(400, f"choose what the key may do: {', '.join(SCOPES)}")
    if days is not None and not 0 < days <= MAX_DAYS:
        raise RequestRejectedError(400, f"a key can expire after 1 to {MAX_DAYS:,} days")
    chosen = tuple(scope for scope in SCOPES if scope in scopes)
    return KeyRequest(name, chosen, None if days is None else days * _DAY_SECONDS)


def convert_keep_hours(hours: int) -> int:
    """Return the seconds for which a key stays good after it was replaced. Raises RequestRejectedError if too many."""
    if not 0 <= hours <= MAX_KEEP_HOURS:
        raise RequestRejectedError(400, f"a replaced key can stay good for up to {MAX_KEEP_HOURS} hours")
    return hours * _HOUR_SECONDS


def generate_key(
    row: Connection, request: KeyRequest, made_by: Actor, *, origin: UUID | None = None
) -> tuple[str, NewKey]:
    """Return the text of a new random key for the connection, and the key as it is to be stored.

    `origin` is that of the key which it replaces.
    """
    assert row.merchant is not None
    key_id = uuid4()
    text = MARK + "".join(secrets.choice(_ALPHABET) for _ in range(RANDOM_CHARACTERS))
    return text, NewKey(
        id=key_id,
        connection=row.name,
        name=request.name,
        scopes=request.scopes,
        lifetime_seconds=request.lifetime_seconds,
        prefix=text[:PREFIX_LENGTH],
        hash=hash_key(text),
        epoch=row.epoch,
        merchant=row.merchant,
        made_by=made_by,
        origin=origin or key_id,
    )


def hash_key(text: str) -> bytes:
    """Return the SHA-256 of a key. It needs no salt: a key has 190 random bits, which nobody can guess."""
    return sha256(text.encode()).digest()


def is_same_binding(before: Connection, row: Connection) -> bool:
    """Return whether the keys that were made for `before` are good for `row`, a later state of the connection."""
    return (before.epoch, before.merchant) == (row.epoch, row.merchant)


def build_keys_event(connection: str, revision: int, keys: Iterable[StoredKey]) -> KeysChanged:
    """Return the event that publishes those of the connection's keys that have not expired."""
    published = [_build_api_key(key) for key in keys if not key.has_expired]
    return KeysChanged(connection=connection, revision=revision, keys=tuple(published))


def _build_api_key(key: StoredKey) -> ApiKey:
    return ApiKey(
        id=key.id,
        origin=key.origin,
        name=key.name,
        prefix=key.prefix,
        sha256=key.hash.hex(),
        scopes=key.scopes,
        epoch=key.epoch,
        merchant=key.merchant,
        expires_at=key.expires_at,
    )
