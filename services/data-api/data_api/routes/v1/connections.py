"""Connections: what is stored of them, how old it is, and what is under way."""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from urllib.parse import quote

from pydantic import Field

from contracts.events import ConnectionChanged, parse_account, parse_platform
from data_api.asgi.operations import Answer, Operation
from data_api.asgi.requests import Request
from data_api.asgi.responses import JSON, Response
from data_api.models import ConnectionAnswer, ConnectionListAnswer
from data_api.representations import build_time, encode_json
from data_api.routes.v1.changes import NO_STORE
from data_api.routes.v1.parameters import CONNECTION, HEX_PATTERN, NOT_FOUND, QueryParameters
from data_api.use_cases.connection_reads import ConnectionReads
from data_api.use_cases.record_counts import RecordCounts

MAX_CONNECTIONS = 100
REAUTHORISE = "reauthorise"
"""The state of a connection whose account must be connected again."""


class ConnectionListParameters(QueryParameters):
    """The parameters of a list of connections."""

    limit: int = Field(default=50, ge=1, le=MAX_CONNECTIONS, description="At most so many connections.")
    cursor: str | None = Field(default=None, description="`next_cursor` of the page before.", pattern=HEX_PATTERN)


def build_connection_operations(
    reads: ConnectionReads, counts: RecordCounts, now: Callable[[], int], gateway_url: str
) -> list[Operation]:
    """Return the operations of connections. `now` returns the time in ms; the pages on which
    accounts are connected are at `gateway_url`, empty where it is not known.
    """
    shown = _ConnectionView(reads, counts, now, gateway_url)
    return [
        Operation(
            "GET",
            "/v1/connections",
            "listConnections",
            "List the connections that the key is for",
            partial(_list_connections, shown),
            {200: Answer("A page of connections, sorted by name.", ConnectionListAnswer)},
            tag="connections",
            parameters=ConnectionListParameters,
        ),
        Operation(
            "GET",
            "/v1/connections/{connection}",
            "getConnection",
            "Get a connection",
            partial(_get_connection, shown),
            {200: Answer("The connection.", ConnectionAnswer)},
            tag="connections",
            error_answers=NOT_FOUND,
            path_parameters=(CONNECTION,),
        ),
    ]


class _ConnectionView:
    def __init__(self, reads: ConnectionReads, counts: RecordCounts, now: Callable[[], int], gateway_url: str) -> None:
        self.reads = reads
        self._counts = counts
        self._now = now
        self._gateway_url = gateway_url

    async def build(self, connection: ConnectionChanged) -> dict[str, object]:
        name = connection.connection
        summary = self.reads.state.syncs.get(name, connection.epoch)
        counted = await self._counts.count(connection)
        succeeded = summary.last_success_at if summary is not None else None
        return {
            "connection": name,
            "platform": parse_platform(name),
            "account": parse_account(name),
            "state": connection.state,
            "last_success_at": build_time(succeeded),
            "freshness_seconds": max(self._now() - succeeded, 0) / 1000 if succeeded is not None else None,
            "last_error": summary.last_error if summary is not None else None,
            "next_poll_at": build_time(summary.next_poll_at if summary is not None else None),
            "blocked": summary.blocked if summary is not None else None,
            "sequence": counted.sequence if counted is not None else None,
            "records": counted.records if counted is not None else {},
            "open_sync": summary.open_full_sync if summary is not None else None,
            "sign_in_url": self._build_sign_in_url(connection),
            "links": [asdict(link) for link in self.reads.state.links.list_links(name, connection.merchant)],
        }

    def _build_sign_in_url(self, connection: ConnectionChanged) -> str | None:
        """Return the address of the connection's page, where one signs in again; None where that is not needed."""
        if connection.state != REAUTHORISE or not self._gateway_url:
            return None
        return f"{self._gateway_url}/connections/{quote(connection.connection, safe='')}"


async def _get_connection(shown: _ConnectionView, request: Request) -> Response:
    connection = shown.reads.find(request.caller, request.path_parameters["connection"])
    return Response(200, [JSON, NO_STORE], encode_json(await shown.build(connection)))


async def _list_connections(shown: _ConnectionView, request: Request) -> Response:
    # The cursor is the name of the connection after which the page begins. Names and their UTF-8 have the same order.
    after, limit = bytes.fromhex(request.parameters.cursor or ""), request.parameters.limit
    visible = [state for state in shown.reads.access.list_visible(request.caller) if state.connection.encode() > after]
    page = visible[:limit]
    body = {
        "connections": [await shown.build(connection) for connection in page],
        "next_cursor": page[-1].connection.encode().hex() if len(visible) > limit else None,
    }
    return Response(200, [JSON, NO_STORE], encode_json(body))
