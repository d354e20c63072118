"""Requests to disconnect accounts or to delete data, and the documents that show their progress."""

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
    "the name of the connection, a number that rises with each deletion, and what was done to it and when, without "
    "persons, are kept, "
    "so that nothing which was on its way can bring the data back"
)


class RequestKind(StrEnum):
    """The kinds of deletion requests, by who requests what."""

    UNINSTALL = "uninstall"
    """A user removed the app at the platform."""
    PERSON_DELETION = "person deletion"
    """A user asked the platform for the deletion of the data of all connections that they granted."""
    MERCHANT_DELETION = "merchant deletion"
    """A merchant requested the deletion of one connection's data."""
    ACCOUNT_DELETION = "account deletion"
    """The platform requested the deletion of one account's data."""
    CUSTOMER_DELETION = "customer deletion"
    CUSTOMER_DATA = "customer data"

    @property
    def is_deletion(self) -> bool:
        """Whether executing the request redacts its connections (deletes all their data)."""
        return self in _DELETIONS

    @property
    def changes_connections(self) -> bool:
        """Whether executing the request redacts or uninstalls its connections."""
        return self.is_deletion or self is RequestKind.UNINSTALL


_DELETIONS = (RequestKind.PERSON_DELETION, RequestKind.MERCHANT_DELETION, RequestKind.ACCOUNT_DELETION)
_MESSAGES = {
    RequestKind.UNINSTALL: (
        "The app was taken away at the platform: nothing is read any more. What was stored stays stored."
    ),
    RequestKind.CUSTOMER_DELETION: "No data of customers is kept, so that there is nothing to delete.",
    RequestKind.CUSTOMER_DATA: "No data of customers is kept, so that there is nothing to hand out.",
}
_DELETED = "All data of these connections is deleted: tokens, records, and the stored documents."
_DELETING = "All data of these connections is being deleted: tokens, records, and the stored documents."


@dataclass(frozen=True)
class DeletionRequest:
    """A request to disconnect accounts or to delete data.

    `code` is random: whoever has it may see the request. A platform may send a request several times: all copies have
    the same `fingerprint`, which is None for a merchant's own request. Times are in ms. `executed_at` is None until the
    gateway has done its part; the other services do theirs after that.
    """

    code: str
    kind: RequestKind
    connections: tuple[str, ...] = ()
    fingerprint: str | None = None
    requested_at: int = 0
    executed_at: int | None = None

    def replace_connections(self, connections: tuple[str, ...]) -> "DeletionRequest":
        """Return the request with `connections` in place of its own."""
        return replace(self, connections=connections)


class ConnectionPart(BaseModel):
    """The state of one connection of a request.

    It is one of: being erased; erased; disconnected (its stored data is kept); connected again, since the request;
    nothing held (the gateway has no such connection); not known now (the scheduler does not say whether it is erased).
    """

    connection: str
    state: str


class DeletionRequestDocument(BaseModel):
    """A deletion request as its page shows it. It holds no data of an account and names no merchant."""

    confirmation_code: str
    kind: RequestKind
    state: str = Field(description="carried out, or under way")
    message: str
    asked_at: int = Field(description="Milliseconds since the epoch, UTC")
    connections: list[ConnectionPart]
    kept: str | None = Field(description="What stays after a deletion, and why")
    messages_until: int | None = Field(description="By then the last message about these connections has left Kafka")


def create_deletion_request(
    kind: RequestKind, connections: tuple[str, ...] = (), *, fingerprint: str | None = None
) -> DeletionRequest:
    """Return a request with a new random code: 128 bits as 32 hexadecimal digits.

    `connections` are the names of the connections that it concerns. Copies of one request have the same `fingerprint`.
    """
    return DeletionRequest(secrets.token_hex(16), kind, connections, fingerprint)


def compute_fingerprint(*values: str) -> str:
    """Return the hex SHA-256 of `values`, by which copies of one deletion request are recognised."""
    return sha256("\x1f".join(values).encode("utf-8", "surrogateescape")).hexdigest()


def build_connection_part(name: str, row: Connection | None, *, executed: bool, erased: bool | None) -> ConnectionPart:
    """Return the state of one connection of a request. `row` is None where the gateway holds nothing of it.

    `executed` is whether the gateway has done its part of the request. `erased` is whether the spaces-writer has
    nothing left to delete; None where that is not known. "connected again" is shown only when both are True.
    """
    return ConnectionPart(connection=name, state=_get_state(row, executed=executed, erased=erased))


def _get_state(row: Connection | None, *, executed: bool, erased: bool | None) -> str:
    if row is None:
        return NOTHING_HELD
    if not executed:
        return ERASING
    if not erased:
        return NOT_KNOWN if erased is None else ERASING
    return {UNINSTALLED: DISCONNECTED, REDACTED: ERASED}.get(row.state, CONNECTED_AGAIN)


def build_request_document(request: DeletionRequest, parts: Sequence[ConnectionPart]) -> dict[str, Any]:
    """Return the JSON of a `DeletionRequestDocument` for this request and the states of its connections."""
    is_done = request.executed_at is not None and not any(part.state in (ERASING, NOT_KNOWN) for part in parts)
    until = (request.executed_at or request.requested_at) + RETENTION_MS
    return DeletionRequestDocument(
        confirmation_code=request.code,
        kind=request.kind,
        state="carried out" if is_done else "under way",
        message=_MESSAGES.get(request.kind, _DELETED if is_done else _DELETING),
        asked_at=request.requested_at,
        connections=list(parts),
        kept=KEPT if request.kind.is_deletion else None,
        messages_until=until if request.kind.is_deletion else None,
    ).model_dump(mode="json")
