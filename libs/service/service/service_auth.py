"""Authentication between services. The setting INTERNAL_KEY_HASHES lists the hash of each key that a service accepts.

Each pair of a caller and a service has a key of its own. Only the caller has the key; the service has its SHA-256, with
which nobody can call it. A plain hash is enough, without salt or stretching: a key has at least 128 random bits, which
nobody can guess, however fast a guess is verified.
"""

import re
from collections.abc import Mapping
from hashlib import sha256
from hmac import compare_digest
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

_HASH = re.compile(r"[0-9a-f]{64}")


def parse_key_hashes(value: str) -> dict[str, str]:
    """Parse `caller:hash,caller:hash` into callers by hash. Spaces around both are ignored.

    A caller may have several keys, so that its key can be replaced without a refused call. Raises `ValueError`, which
    shows no hash, for an incomplete pair, for anything that is not 64 hexadecimal digits (such as a key itself), and
    for a hash that comes twice.
    """
    callers: dict[str, str] = {}
    for position, pair in enumerate(value.split(","), 1):
        caller, hashed = (part.strip() for part in pair.partition(":")[::2])
        if not caller or not hashed:
            raise ValueError(f"pair {position} is not caller:hash; write caller:hash, separated by commas")
        if not _HASH.fullmatch(hashed):
            raise ValueError(f"what is given for {caller} is not a hash; give the SHA-256 of its key in lower-case hex")
        if hashed in callers:
            raise ValueError(f"the key of {caller} comes twice; give each caller a key of its own")
        callers[hashed] = caller
    return callers


def _parse_setting(value: object) -> object:
    return parse_key_hashes(value) if isinstance(value, str) else value


CallersByHash = Annotated[dict[str, str], NoDecode, BeforeValidator(_parse_setting), Field(repr=False)]
"""The type of a setting that `parse_key_hashes` reads from the environment."""

InternalKey = Annotated[SecretStr, Field(min_length=32)]
"""The type of a setting with the key that a caller sends to one service."""


def identify_caller(callers: Mapping[str, str], authorization: str | None) -> str | None:
    """Return the name of the caller whose key is in the header `Authorization: Bearer <key>`.

    `callers` are the callers' names by the SHA-256 of their keys (hex), and `authorization` is the value of the header.
    Returns None for an unknown key or without the header.
    """
    scheme, _, token = (authorization or "").partition(" ")
    hashed = sha256(token.strip().encode("utf-8", "surrogateescape")).hexdigest()
    # Every hash is compared, each in constant time, so that the time of the response shows nothing.
    names = [name for known, name in callers.items() if compare_digest(hashed, known)]
    return names[0] if names and scheme.lower() == "bearer" else None
