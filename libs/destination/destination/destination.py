"""What a platform implements in order to be written to."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol
from uuid import UUID

from contracts.events import WriteRequested
from platform_sdk.session import SyncContext

Outcome = Literal["applied", "unchanged", "conflict", "refused", "failed", "postponed"]
APPLIED: Outcome = "applied"
UNCHANGED: Outcome = "unchanged"
CONFLICT: Outcome = "conflict"
REFUSED: Outcome = "refused"
FAILED: Outcome = "failed"
POSTPONED: Outcome = "postponed"
AMBIGUOUS_WRITE = "ambiguous_write"
"""The reason code of a write of which nobody knows whether it was made: a person must look."""


@dataclass(frozen=True)
class WriteResult:
    """What came of a write (`contracts.events.WriteCompleted`): its outcome, and the record as it was read last.

    `read_at` is in ms since the Unix epoch.
    """

    write_id: UUID
    outcome: Outcome
    record: str | None = None
    variants: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    written: Mapping[str, Any] = field(default_factory=dict)
    version: datetime | None = None
    read_at: int = 0
    reason_code: str | None = None
    message: str | None = None


class Destination(Protocol):
    """Writes to the accounts of one platform."""

    def write(self, context: SyncContext, requests: Sequence[WriteRequested]) -> AsyncGenerator[WriteResult, None]:
        """Write what is requested of one account, and yield a result for each request, in any order.

        Each write is conditional, and has one effect however often it is requested: the record is read first, and
        nothing is sent for values that it has already (`linking.conditional`). A request that the platform refuses ends
        with `refused` and stops no other. Raises the errors of `platform_sdk.errors` that end a step; the requests
        without a result are then postponed or refused.
        """
        ...

    def write_stock(
        self, context: SyncContext, requests: Sequence[WriteRequested]
    ) -> AsyncGenerator[WriteResult, None]:
        """Write the stock of variants of one account, as `write` does with fields: `fields` are units by location.

        A quantity is a sum of changes, so a change that was made twice cannot be seen in it. After a lost answer the
        write's id tells whether it was made; where nothing tells, the write is refused with `ambiguous_write`. A write
        to a location at which the platform does not count the variant is refused as well.
        """
        ...
