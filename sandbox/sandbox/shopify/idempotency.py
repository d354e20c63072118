"""What is known of the mutations that were executed with an idempotency key."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class IdempotentCall:
    """The first execution with an idempotency key: a text of the mutation and its arguments, and the payload.

    The payload is None if the attempt failed.
    """

    fingerprint: bytes
    payload: dict[str, Any] | None
