"""Authentication between services. The setting INTERNAL_KEYS lists the name and the key of each caller."""

from collections.abc import Mapping
from hashlib import sha256
from hmac import compare_digest
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

MIN_KEY_LENGTH = 16


def parse_keys(value: str) -> dict[str, str]:
    """Parse `name:key,name:key` into keys by name. Spaces around names and keys are ignored.

    Raises `ValueError`, which shows no key, for an incomplete pair, a key shorter than 16 characters, a repeated name,
    or a key that two names share.
    """
    keys: dict[str, str] = {}
    for position, pair in enumerate(value.split(","), 1):
        name, key = (part.strip() for part in pair.partition(":")[::2])
        if not name or not key:
            raise ValueError(f"pair {position} is not name:key; write name:key for each caller, separated by commas")
        if len(key) < MIN_KEY_LENGTH:
            raise ValueError(f"the key of {name} is too short; give it at least {MIN_KEY_LENGTH} characters")
        if name in keys:
            raise ValueError(f"{name} comes twice; give each caller one key")
        if key in keys.values():
            raise ValueError(f"the key of {name} is another caller's too; give each caller a key of its own")
        keys[name] = key
    return keys


def _parse_setting(value: object) -> object:
    return parse_keys(value) if isinstance(value, str) else value


CallerKeys = Annotated[dict[str, str], NoDecode, BeforeValidator(_parse_setting), Field(repr=False)]
"""The type of a setting that `parse_keys` reads from the environment."""


def identify_caller(keys: Mapping[str, str], authorization: str | None) -> str | None:
    """Return the name of the caller whose key is in the header `Authorization: Bearer <key>`.

    `keys` are the callers' keys by name, and `authorization` is the value of the header. Returns None for an unknown
    key or without the header.
    """
    scheme, _, token = (authorization or "").partition(" ")
    digest = sha256(token.strip().encode("utf-8", "surrogateescape")).digest()
    # Every key is compared, each in constant time, so that the time of the response shows nothing.
    names = [name for name, key in keys.items() if compare_digest(digest, sha256(key.encode()).digest())]
    return names[0] if names and scheme.lower() == "bearer" else None
