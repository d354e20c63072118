"""Endpoints: where webhooks about a connection are sent to."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from contracts.feed_cursors import CURSOR_PATTERN, FeedCursor
from data_api.access import AccessControl
from data_api.asgi.errors import RequestError
from data_api.asgi.operations import Answer, Operation, PathParameter
from data_api.asgi.requests import Request
from data_api.asgi.responses import JSON, Header, Response
from data_api.client.receivers import MAX_URL_CHARACTERS
from data_api.models import (
    DeliveryListAnswer,
    EndpointAnswer,
    EndpointListAnswer,
    EndpointSecretAnswer,
    EndpointTestAnswer,
    ReplayAnswer,
)
from data_api.representations import encode_json
from data_api.routes.connection_choice import choose_connection
from data_api.routes.v1.changes import NO_STORE
from data_api.routes.v1.parameters import DATE_PATTERN, HEX_PATTERN, MAX_NAMES, NOT_FOUND, Cursor, QueryParameters, Time
from data_api.use_cases.webhooks.service import MAX_ENDPOINTS, EndpointChanges, EndpointService, EndpointWithSecret
from data_api.webhook_endpoints import Delivery, EndpointOptions, WebhookEndpoint
from data_api.webhook_signatures import format_message_id

TAG = "endpoints"
MAX_KEEP_HOURS = 168
"""How long messages are signed with a former secret too, at most: a week."""
MAX_PAGE = 100
_ENDPOINT = PathParameter("endpoint", "The endpoint's id.", "6f1f5b0e-6c4b-4a37-9a54-0b8d5c9c2f11")
_UNKNOWN = {404: "There is no such endpoint, or the key may not see it."}
_TIME: TypeAdapter[datetime] = TypeAdapter(Time)


# PostgreSQL cannot store the character NUL.
_Url = Annotated[
    str,
    Field(
        max_length=MAX_URL_CHARACTERS,
        pattern=r"^https?://[^\x00]+$",
        description="Where messages are posted to: https, at a public address.",
        examples=["https://bot.example/hooks/shop"],
    ),
]
_Description = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$", description="What it is for.")]
_Resources = Annotated[
    list[Annotated[str, Field(pattern=r"^[^\x00]+$")]],
    Field(min_length=1, max_length=MAX_NAMES, description="The resources whose changes are sent; null: all."),
]
_FULL = "Whether messages have the records themselves, as far as 256 KiB allow."
_ORDERED = "Whether a message waits until the one before it was delivered."


class EndpointRequest(BaseModel):
    """A receiver of webhooks that is to be made."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    url: _Url
    connection: str | None = Field(default=None, description="Needed only where the key is for several connections.")
    description: _Description = ""
    resources: _Resources | None = None
    full: bool = Field(default=False, description=_FULL)
    ordered: bool = Field(default=True, description=_ORDERED)
    since: Cursor | None = Field(default=None, description="Changes after this cursor are sent; null: those to come.")


class EndpointChangeRequest(BaseModel):
    """What is to change of an endpoint. What is left out stays; so does what is null, except `resources`."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    url: _Url | None = None
    description: _Description | None = None
    resources: _Resources | None = None
    full: bool | None = Field(default=None, description=_FULL)
    ordered: bool | None = Field(default=None, description=_ORDERED)
    state: Literal["active", "paused"] | None = Field(
        default=None, description="`active` also lets one go on that has ended, from where it stood."
    )
    rotate_secret_hours: int | None = Field(
        default=None,
        ge=0,
        le=MAX_KEEP_HOURS,
        description="Make a new secret, and sign with the former one too for so many hours.",
    )


class EndpointListParameters(QueryParameters):
    """The parameters of a list of endpoints."""

    connection: str | None = Field(default=None, description="Only those of this connection.")
    limit: int = Field(default=50, ge=1, le=MAX_PAGE, description="At most so many endpoints.")
    cursor: str | None = Field(default=None, description="`next_cursor` of the page before.", pattern=HEX_PATTERN)


class DeliveryListParameters(QueryParameters):
    """The parameters of a list of messages."""

    state: Literal["pending", "delivered", "failed", "superseded"] | None = Field(
        default=None, description="Only those in this state."
    )
    limit: int = Field(default=50, ge=1, le=MAX_PAGE, description="At most so many messages.")
    cursor: int | None = Field(default=None, ge=0, lt=2**63, description="`next_cursor` of the page before.")


class ReplayParameters(QueryParameters):
    """Where an endpoint is to go on."""

    since: str = Field(
        description="A cursor; or a time such as 2026-11-29T07:19:03Z: from the first message that was not delivered "
        "before it, of the last seven days.",
        json_schema_extra={
            "anyOf": [
                {"pattern": f"^{CURSOR_PATTERN}$"},
                {"format": "date-time", "pattern": f"^{DATE_PATTERN}"},
            ]
        },
    )


def build_endpoint_operations(service: EndpointService, access: AccessControl) -> list[Operation]:
    """Return the operations of endpoints."""
    operation = partial(Operation, tag=TAG, scope="manage")
    on_one = partial(operation, error_answers=_UNKNOWN, path_parameters=(_ENDPOINT,))
    return [
        operation(
            "POST",
            "/v1/endpoints",
            "createEndpoint",
            "Make an endpoint",
            partial(_create, service, access),
            {201: Answer("The endpoint, with its secret.", EndpointSecretAnswer, headers={"Location": "Its path."})},
            description="It ends with the key that makes it, unless another key is made in that one's place.",
            error_answers={
                **NOT_FOUND,
                409: f"The connection has {MAX_ENDPOINTS} endpoints, which is the most.",
            },
            body=EndpointRequest,
        ),
        operation(
            "GET",
            "/v1/endpoints",
            "listEndpoints",
            "List the endpoints of the key's connections",
            partial(_list, service),
            {200: Answer("A page of endpoints, sorted by connection and id.", EndpointListAnswer)},
            parameters=EndpointListParameters,
        ),
        on_one(
            "GET",
            "/v1/endpoints/{endpoint}",
            "getEndpoint",
            "Get an endpoint",
            partial(_get, service),
            {200: Answer("The endpoint.", EndpointAnswer)},
        ),
        on_one(
            "PATCH",
            "/v1/endpoints/{endpoint}",
            "updateEndpoint",
            "Change an endpoint",
            partial(_change, service),
            {200: Answer("The endpoint, with its secret if that is new.", EndpointSecretAnswer)},
            description="Whoever sets its state to `active` owns it from then on: it ends with that key.",
            body=EndpointChangeRequest,
        ),
        on_one(
            "DELETE",
            "/v1/endpoints/{endpoint}",
            "deleteEndpoint",
            "Delete an endpoint",
            partial(_delete, service),
            {204: Answer("It is deleted, with all messages to it.", is_empty=True)},
        ),
        on_one(
            "POST",
            "/v1/endpoints/{endpoint}/test",
            "testEndpoint",
            "Send a test to an endpoint",
            partial(_test, service),
            {200: Answer("What came of it.", EndpointTestAnswer)},
            description="It is sent at once, whatever the endpoint's state, and is not tried again.",
        ),
        on_one(
            "GET",
            "/v1/endpoints/{endpoint}/deliveries",
            "listDeliveries",
            "List the messages to an endpoint",
            partial(_list_deliveries, service),
            {200: Answer("A page of messages, newest first, of the last seven days.", DeliveryListAnswer)},
            parameters=DeliveryListParameters,
        ),
        on_one(
            "POST",
            "/v1/endpoints/{endpoint}/replay",
            "replayEndpoint",
            "Send again what has changed since",
            partial(_replay, service),
            {202: Answer("The cursor from which it goes on.", ReplayAnswer)},
            description=(
                "What is not delivered yet is given up, and the endpoint goes on from there with new messages, in"
                " order, each record as it is now. One that is paused or has ended sends them when it is active."
            ),
            parameters=ReplayParameters,
        ),
    ]


async def _create(service: EndpointService, access: AccessControl, request: Request) -> Response:
    body: EndpointRequest = request.body
    connection = choose_connection(access, request.caller, body.connection)
    resources = tuple(body.resources) if body.resources is not None else None
    options = EndpointOptions(body.url, body.description, resources, body.full, body.ordered)
    made = await service.make(request.caller, connection, options, body.since)
    location: Header = (b"location", f"/v1/endpoints/{made.endpoint.id}".encode())
    return Response(201, [JSON, NO_STORE, location], encode_json(_build_with_secret(made)))


async def _list(service: EndpointService, request: Request) -> Response:
    parameters: EndpointListParameters = request.parameters
    after = _decode_place(parameters.cursor) if parameters.cursor is not None else None
    found = await service.list_page(request.caller, parameters.connection, after, parameters.limit + 1)
    page = found[: parameters.limit]
    body = {
        "endpoints": [_build_endpoint(endpoint) for endpoint in page],
        "next_cursor": _encode_place(page[-1]) if len(found) > len(page) else None,
    }
    return Response(200, [JSON, NO_STORE], encode_json(body))


async def _get(service: EndpointService, request: Request) -> Response:
    endpoint = await service.find(request.caller, _parse_id(request))
    return Response(200, [JSON, NO_STORE], encode_json(_build_endpoint(endpoint)))


async def _change(service: EndpointService, request: Request) -> Response:
    body: EndpointChangeRequest = request.body
    changes = EndpointChanges(
        partial(_choose_options, body),
        keep_secret_hours=body.rotate_secret_hours,
        is_active=body.state == "active" if body.state is not None else None,
    )
    changed = await service.change(request.caller, _parse_id(request), changes)
    return Response(200, [JSON, NO_STORE], encode_json(_build_with_secret(changed)))


def _choose_options(body: EndpointChangeRequest, options: EndpointOptions) -> EndpointOptions:
    """Return `options` with what the body has in their place."""
    if "resources" in body.model_fields_set:
        options = replace(options, resources=tuple(body.resources) if body.resources is not None else None)
    return replace(
        options,
        url=body.url if body.url is not None else options.url,
        description=body.description if body.description is not None else options.description,
        is_full=body.full if body.full is not None else options.is_full,
        is_ordered=body.ordered if body.ordered is not None else options.is_ordered,
    )


async def _delete(service: EndpointService, request: Request) -> Response:
    await service.delete(request.caller, _parse_id(request))
    return Response(204, [NO_STORE])


async def _test(service: EndpointService, request: Request) -> Response:
    attempt = await service.send_test(request.caller, _parse_id(request))
    body = {
        "delivered": attempt.is_delivered,
        "status": attempt.status,
        "error": attempt.error,
        "seconds": round(attempt.seconds, 3),
    }
    return Response(200, [JSON, NO_STORE], encode_json(body))


async def _list_deliveries(service: EndpointService, request: Request) -> Response:
    parameters: DeliveryListParameters = request.parameters
    limit = parameters.limit
    found = await service.list_deliveries(
        request.caller, _parse_id(request), before=parameters.cursor, state=parameters.state, limit=limit + 1
    )
    page = found[:limit]
    body = {
        "deliveries": [_build_delivery(delivery) for delivery in page],
        "next_cursor": str(page[-1].number) if len(found) > limit else None,
    }
    return Response(200, [JSON, NO_STORE], encode_json(body))


async def _replay(service: EndpointService, request: Request) -> Response:
    cursor = await service.replay(request.caller, _parse_id(request), _parse_since(request.parameters.since))
    return Response(202, [JSON, NO_STORE], encode_json({"cursor": cursor.encode()}))


def _parse_id(request: Request) -> UUID:
    try:
        return UUID(request.path_parameters["endpoint"])
    except ValueError:
        raise RequestError(404, "there is no such endpoint") from None


def _parse_since(text: str) -> FeedCursor | datetime:
    try:
        return FeedCursor.decode(text)
    except ValueError:
        pass
    try:
        return _TIME.validate_python(text)
    except ValidationError:
        raise RequestError(400, "since: must be a cursor, or a time such as 2026-11-29T07:19:03Z") from None


def _encode_place(endpoint: WebhookEndpoint) -> str:
    return f"{endpoint.connection}\n{endpoint.id}".encode().hex()


def _decode_place(cursor: str) -> tuple[str, UUID]:
    try:
        connection, _, endpoint = bytes.fromhex(cursor).decode().partition("\n")
        if "\0" in connection:
            raise ValueError
        return connection, UUID(endpoint)
    except ValueError:
        raise RequestError(400, "cursor: not a cursor") from None


def _build_endpoint(endpoint: WebhookEndpoint) -> dict[str, object]:
    options = endpoint.options
    return {
        "id": str(endpoint.id),
        "connection": endpoint.connection,
        "url": options.url,
        "description": options.description,
        "resources": options.resources,
        "full": options.is_full,
        "ordered": options.is_ordered,
        "state": endpoint.state,
        "reason": endpoint.reason,
        "cursor": endpoint.position.encode(),
        "failing_since": endpoint.failing_since,
        "made_at": endpoint.made_at,
        "former_secret_until": endpoint.former_secret_until,
    }


def _build_with_secret(made: EndpointWithSecret) -> Mapping[str, object]:
    return {**_build_endpoint(made.endpoint), "secret": made.secret}


def _build_delivery(delivery: Delivery) -> dict[str, object]:
    return {
        "id": format_message_id(delivery.id),
        "type": delivery.type,
        "state": delivery.state,
        "after": delivery.after.encode() if delivery.after is not None else None,
        "cursor": delivery.through.encode() if delivery.through is not None else None,
        "counts": delivery.counts,
        "attempts": delivery.attempts,
        "status": delivery.status,
        "error": delivery.error,
        "made_at": delivery.made_at,
        "next_attempt_at": delivery.due_at if delivery.state == "pending" else None,
        "ended_at": delivery.ended_at,
    }
