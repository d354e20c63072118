"""Requests for syncs, and what has become of them."""

import asyncio
from functools import partial
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from data_api.asgi.errors import RequestError
from data_api.asgi.operations import Answer, Operation, PathParameter
from data_api.asgi.requests import Request
from data_api.asgi.responses import JSON, Response
from data_api.models import RefreshAnswer, SyncAnswer
from data_api.representations import build_sync, encode_json
from data_api.routes.refresh_requests import describe_refresh, request_refresh
from data_api.routes.v1.changes import NO_STORE
from data_api.routes.v1.parameters import CONNECTION, NOT_FOUND
from data_api.tables.syncs import ConnectionSync
from data_api.use_cases.connection_reads import ConnectionReads
from data_api.use_cases.refreshes import Refreshes

MAX_IDS = 250
KNOWN_SECONDS = 2.0
"""How long a sync that was just requested may take to be known to every process."""
LOOK_SECONDS = 0.05
_SYNC_ID = PathParameter("sync_id", "The sync's id.", "6f1f5b0e-6c4b-4a37-9a54-0b8d5c9c2f11")

_Ids = Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1, max_length=MAX_IDS)]


class RefreshRequest(BaseModel):
    """What to read anew: everything, or some records."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    records: Annotated[dict[str, _Ids], Field(min_length=1)] | None = Field(
        default=None,
        description="The ids of records by resource, at most 250 in all; without them everything is read.",
        examples=[{"products": ["632910392"]}],
    )

    @model_validator(mode="after")
    def _check_ids(self) -> Self:
        if self.records is not None and sum(len(ids) for ids in self.records.values()) > MAX_IDS:
            raise ValueError(f"records: must be at most {MAX_IDS} ids in all")
        return self


def build_sync_operations(reads: ConnectionReads, refreshes: Refreshes) -> list[Operation]:
    """Return the operations of syncs."""
    return [
        Operation(
            "POST",
            "/v1/connections/{connection}/refresh",
            "requestRefresh",
            "Ask for a sync",
            partial(_request_refresh, reads, refreshes),
            {
                202: Answer(
                    "The sync that was started, or the full one that is open: never a second one.", RefreshAnswer
                )
            },
            tag="syncs",
            scope="refresh",
            error_answers={**NOT_FOUND, 409: "The account must be connected again, at `sign_in_url`."},
            path_parameters=(CONNECTION,),
            body=RefreshRequest,
        ),
        Operation(
            "GET",
            "/v1/syncs/{sync_id}",
            "getSync",
            "Get a sync",
            partial(_get_sync, reads),
            {200: Answer("The sync.", SyncAnswer)},
            tag="syncs",
            description="Those that are open are known, and at least the latest that have ended.",
            error_answers={404: "There is no such sync, or the key is not for its connection."},
            path_parameters=(_SYNC_ID,),
        ),
    ]


async def _request_refresh(reads: ConnectionReads, refreshes: Refreshes, request: Request) -> Response:
    connection = reads.find(request.caller, request.path_parameters["connection"])
    requested = await request_refresh(refreshes, request.caller, connection, request.body.records)
    return Response(202, [JSON, NO_STORE], encode_json(describe_refresh(requested)))


async def _get_sync(reads: ConnectionReads, request: Request) -> Response:
    try:
        sync_id = UUID(request.path_parameters["sync_id"])
    except ValueError:
        raise RequestError(404, "there is no such sync") from None
    deadline = asyncio.get_running_loop().time() + KNOWN_SECONDS
    # Somebody else's sync is waited for as one is that is not known yet: the time tells nothing of it.
    while (found := _find(reads, request, sync_id)) is None:
        if asyncio.get_running_loop().time() >= deadline:
            raise RequestError(404, "there is no such sync")
        await asyncio.sleep(LOOK_SECONDS)
    return Response(200, [JSON, NO_STORE], encode_json(build_sync(found.connection, found.sync)))


def _find(reads: ConnectionReads, request: Request, sync_id: UUID) -> ConnectionSync | None:
    visible = ((state.connection, state.epoch) for state in reads.access.list_visible(request.caller))
    return reads.state.syncs.find(sync_id, visible)
