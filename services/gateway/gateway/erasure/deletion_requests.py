"""Receipts: what was asked to be let go of, what became of it, and what is kept. Who holds the code may read it."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256
from typing import Any

from pydantic import BaseModel, Field

from contracts.topics import RETENTION_MS
from gateway.connections import REDACTED, UNINSTALLED, Connection

ERASED, ERASING, NOT_KNOWN = "erased", "being erased", "not known now"
DISCONNECTED, CONNECTED_AGAIN, NOTHING_HELD = "disconnected", "connected again", "nothing held"
KEPT = (
    "the name of the connection and a number that rises with each deletion are kept, "
    "so that nothing which was on its way can bring the data back"
)


class Kind(StrEnum):
    """What was asked."""

    UNINSTALL = "uninstall"
    """A person took the app away at the platform."""
    PERSON_DELETION = "person deletion"
    """A person had the platform ask for the deletion of all that she granted."""
    MERCHANT_DELETION = "merchant deletion"
    """A merchant's own wish, about one connection."""
    ACCOUNT_DELETION = "account deletion"
    """The platform's own, about one connection."""
    CUSTOMER_DELETION = "customer deletion"
    CUSTOMER_DATA = "customer data"

    @property
    def deletes(self) -> bool:
        """Whether connections are redacted for it."""
        return self in _DELETIONS

    @property
    def lets_go(self) -> bool:
        """Whether anything becomes of connections."""
        return self.deletes or self is Kind.UNINSTALL


_DELETIONS = (Kind.PERSON_DELETION, Kind.MERCHANT_DELETION, Kind.ACCOUNT_DELETION)
_TOLD = {
    Kind.UNINSTALL: "The app was taken away at the platform: nothing is read any more. What was stored stays stored.",
    Kind.CUSTOMER_DELETION: "No data of customers is kept, so that there is nothing to delete.",
    Kind.CUSTOMER_DATA: "No data of customers is kept, so that there is nothing to hand out.",
}
_TOLD_OF_DELETION = "All data of these connections is deleted: tokens, records, and the stored documents."


@dataclass(frozen=True)
class Receipt:
    """One request. `code` is random, and the only way to the receipt; `request` is the same for copies of a request."""

    code: str
    kind: Kind
    connections: tuple[str, ...] = ()
    request: str | None = None
    asked_at: int = 0
    carried_out_at: int | None = None

    def listing(self, connections: tuple[str, ...]) -> "Receipt":
        """The same receipt, about these connections."""
        return replace(self, connections=connections)


class ConnectionPart(BaseModel):
    """What became of one connection: erased, being erased, not known now, disconnected, connected again, or that
    nothing is held of it."""

    connection: str
    state: str


class ReceiptDocument(BaseModel):
    """A receipt as it is shown; times in ms. Nothing in it tells of an account's data, or whose it was."""

    confirmation_code: str
    kind: Kind
    state: str = Field(description="carried out, or under way")
    message: str
    asked_at: int = Field(description="Milliseconds since the epoch, UTC")
    connections: list[ConnectionPart]
    kept: str | None = Field(description="What stays after a deletion, and why")
    messages_until: int | None = Field(description="By then the last message about these connections has left Kafka")


def opened(kind: Kind, connections: tuple[str, ...] = (), *, request: str | None = None) -> Receipt:
    """A receipt with a new code of letters and digits, 128 bits."""
    return Receipt(secrets.token_hex(16), kind, connections, request)


def request_of(*said: str) -> str:
    """What copies of one request share: a hash of what makes it that request, which tells nothing about it."""
    return sha256("\x1f".join(said).encode("utf-8", "surrogateescape")).hexdigest()


def connection_part(name: str, row: Connection | None, *, carried_out: bool, erased: bool | None) -> ConnectionPart:
    """What became of one connection. `erased`: whether nothing is left to the writer to do, None where that is not
    known; what was made anew meanwhile is shown so only when what was before it is gone."""
    return ConnectionPart(connection=name, state=_state(row, carried_out=carried_out, erased=erased))


def _state(row: Connection | None, *, carried_out: bool, erased: bool | None) -> str:
    if row is None:
        return NOTHING_HELD
    if not carried_out:
        return ERASING
    if not erased:
        return NOT_KNOWN if erased is None else ERASING
    return {UNINSTALLED: DISCONNECTED, REDACTED: ERASED}.get(row.state, CONNECTED_AGAIN)


def receipt_document(receipt: Receipt, parts: Sequence[ConnectionPart]) -> dict[str, Any]:
    """The receipt as a `ReceiptDocument`, to be written as JSON."""
    done = receipt.carried_out_at is not None and not any(part.state in (ERASING, NOT_KNOWN) for part in parts)
    until = (receipt.carried_out_at or receipt.asked_at) + RETENTION_MS
    return ReceiptDocument(
        confirmation_code=receipt.code,
        kind=receipt.kind,
        state="carried out" if done else "under way",
        message=_TOLD.get(receipt.kind, _TOLD_OF_DELETION),
        asked_at=receipt.asked_at,
        connections=list(parts),
        kept=KEPT if receipt.kind.deletes else None,
        messages_until=until if receipt.kind.deletes else None,
    ).model_dump(mode="json")
