"""The keys by which records are found: one for each value of a lookup field, and all of the same size."""

from hashlib import sha256

KEY_CHARACTERS = 32


def build_lookup_key(resource: str, field: str, value: str) -> str:
    """Return the key of the records of `resource` that have this value in this lookup field: half a SHA-256 in hex.

    Equal keys are equal values, character for character. PostgreSQL takes a key for a `uuid`.
    """
    return sha256("\0".join((resource, field, value)).encode()).hexdigest()[:KEY_CHARACTERS]
