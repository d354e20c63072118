"""A program that reads the data API by the client that is generated from its OpenAPI document.

It can be imported only where that client is. A test generates it, checks the types of this module, and calls it.
"""

from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from data_api_client import AuthenticatedClient
from data_api_client.api.changes import get_feed_head, list_changes
from data_api_client.api.connections import list_connections
from data_api_client.api.first_minute import fetch_data, get_status
from data_api_client.api.records import get_record, list_records
from data_api_client.api.snapshots import get_snapshot
from data_api_client.api.syncs import get_sync, request_refresh
from data_api_client.models import (
    ChangeAnswer,
    ChangePageAnswer,
    ConnectionAnswer,
    ConnectionListAnswer,
    FeedHeadAnswer,
    FetchedData,
    ProblemDetails,
    RecordAnswer,
    RecordListAnswer,
    RefreshAnswer,
    RefreshRequest,
    RefreshRequestRecordsType0,
    SnapshotAnswer,
    StatusAnswer,
    SyncAnswer,
)
from data_api_client.types import UNSET, Unset

T = TypeVar("T")


class ProblemError(Exception):
    """Raised when the data API answers with a problem."""

    def __init__(self, problem: ProblemDetails) -> None:
        super().__init__(problem.detail)
        self.problem = problem


@dataclass(frozen=True)
class Copy:
    """The records of a resource by id, and the cursor after which the changes are not in it."""

    records: dict[str, RecordAnswer]
    cursor: str


def create_client(url: str, key: str) -> AuthenticatedClient:
    """Return a client that sends a key with each request."""
    return AuthenticatedClient(base_url=url, token=key, raise_on_unexpected_status=True)


def ensure(answer: object, kind: type[T]) -> T:
    """Return an answer of the expected kind. Raises `ProblemError` for a problem."""
    if isinstance(answer, ProblemDetails):
        raise ProblemError(answer)
    assert isinstance(answer, kind), answer
    return answer


async def load_connections(client: AuthenticatedClient) -> list[ConnectionAnswer]:
    """Return the connections that the key is for."""
    return ensure(await list_connections.asyncio(client=client), ConnectionListAnswer).connections


async def load_status(client: AuthenticatedClient) -> StatusAnswer:
    """Return how old the data of the key's only connection is."""
    return ensure(await get_status.asyncio(client=client), StatusAnswer)


async def load_data(client: AuthenticatedClient) -> FetchedData:
    """Return the data of the key's only connection."""
    return ensure(await fetch_data.asyncio(client=client), FetchedData)


async def load_document(client: AuthenticatedClient, connection: str) -> SnapshotAnswer:
    """Return the document of a connection."""
    return ensure(await get_snapshot.asyncio(connection, client=client), SnapshotAnswer)


async def load_record(client: AuthenticatedClient, connection: str, resource: str, record_id: str) -> RecordAnswer:
    """Return one record."""
    return ensure(await get_record.asyncio(connection, resource, record_id, client=client), RecordAnswer)


async def copy_records(client: AuthenticatedClient, connection: str, resource: str) -> Copy:
    """Copy all records of a resource, two a page."""
    head = ensure(await get_feed_head.asyncio(connection, client=client), FeedHeadAnswer).cursor
    records: dict[str, RecordAnswer] = {}
    cursor: str | Unset = UNSET
    while True:
        answer = await list_records.asyncio(connection, resource, client=client, limit=2, cursor=cursor)
        page = ensure(answer, RecordListAnswer)
        records |= {record.id: record for record in page.records}
        if page.next_cursor is None:
            return Copy(records, head)
        cursor = page.next_cursor


async def load_changes(client: AuthenticatedClient, connection: str, cursor: str) -> list[ChangeAnswer]:
    """Return all changes after a cursor."""
    changes: list[ChangeAnswer] = []
    has_more = True
    while has_more:
        page = ensure(await list_changes.asyncio(connection, client=client, cursor=cursor), ChangePageAnswer)
        changes += page.changes
        cursor, has_more = page.next_cursor, page.has_more
    return changes


async def refresh_records(client: AuthenticatedClient, connection: str, records: dict[str, list[str]]) -> RefreshAnswer:
    """Ask for a sync of some records, by resource."""
    body = RefreshRequest(records=RefreshRequestRecordsType0.from_dict(records))
    return ensure(await request_refresh.asyncio(connection, client=client, body=body), RefreshAnswer)


async def load_sync(client: AuthenticatedClient, sync_id: UUID) -> SyncAnswer:
    """Return what has become of a sync."""
    return ensure(await get_sync.asyncio(str(sync_id), client=client), SyncAnswer)
