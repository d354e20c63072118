"""Who may ask a service inside: each caller has a name and a key of its own, listed in INTERNAL_KEYS."""

from collections.abc import Mapping
from hashlib import sha256
from hmac import compare_digest
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

SHORTEST_KEY = 16


def parse_keys(value: str) -> dict[str, str]:
    """Keys by name from `name:key,name:key`; spaces around names and keys are not theirs.

    Raises `ValueError`, which says what to do and holds no key, for a pair that is not whole, a key shorter than 16
    characters, a name that comes twice, or a key that two names share.
    """
    keys: dict[str, str] = {}
    for position, pair in enumerate(value.split(","), 1):
        name, key = (part.strip() for part in pair.partition(":")[::2])
        if not name or not key:
            raise ValueError(f"pair {position} is not name:key; write name:key for each caller, separated by commas")
        if len(key) < SHORTEST_KEY:
            raise ValueError(f"the key of {name} is too short; give it at least {SHORTEST_KEY} characters")
        if name in keys:
            raise ValueError(f"{name} comes twice; give each caller one key")
        if key in keys.values():
            raise ValueError(f"the key of {name} is another caller's too; give each caller a key of its own")
        keys[name] = key
    return keys


def _parsed(value: object) -> object:
    return parse_keys(value) if isinstance(value, str) else value


CallerKeys = Annotated[dict[str, str], NoDecode, BeforeValidator(_parsed), Field(repr=False)]
"""The type of a setting that `parse_keys` reads from the environment."""


def identify_caller(keys: Mapping[str, str], authorization: str | None) -> str | None:
    """The name of the caller whose key an `Authorization: Bearer <key>` header carries; None for nobody's.

    Every key is compared, each in constant time, so the answer's time tells nothing.
    """
    scheme, _, given = (authorization or "").partition(" ")
    digest = sha256(given.strip().encode("utf-8", "surrogateescape")).digest()
    found = [name for name, key in keys.items() if compare_digest(digest, sha256(key.encode()).digest())]
    return found[0] if found and scheme.lower() == "bearer" else None
