"""The forms of the answers of `/v1`, as the OpenAPI document describes them."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

CURSOR_EXAMPLE = "0b7f4b5c0d3e4f8a9c1d2e3f4a5b6c7d.1.4711"
_CONNECTION = "shop-platform:acme.example"


class RecordAnswer(BaseModel):
    """One record, as it was read last."""

    id: str = Field(description="The id at the platform.", examples=["632910392"])
    resource: str = Field(description="The kind of record.", examples=["products"])
    sequence: int = Field(
        description="The number of the record's last change in the connection's feed.", examples=[4711]
    )
    updated_at: datetime | None = Field(description="When the platform last changed it; null if it does not tell.")
    read_at: datetime = Field(description="When it was read from the platform.")
    first_seen_at: datetime = Field(description="When it was stored for the first time.")
    deleted: bool = Field(description="Whether the record is gone at the platform.")
    data: dict[str, Any] | None = Field(description="The record; null if it is deleted.")


class RecordListAnswer(BaseModel):
    """A page of records."""

    records: list[RecordAnswer]
    next_cursor: str | None = Field(description="The cursor of the next page. Null is the end; fewer records are not.")


class SnapshotAnswer(BaseModel):
    """All current records of a connection. One with one kind of records has them as a list in `data`."""

    model_config = ConfigDict(extra="allow")


class ChangeAnswer(BaseModel):
    """A record that has changed, as it is now."""

    sequence: int = Field(description="The number of the record's last change.", examples=[4711])
    resource: str = Field(examples=["products"])
    id: str = Field(examples=["632910392"])
    operation: Literal["create", "update", "delete"] = Field(
        description="`create`: it did not exist at the cursor. Both this and `update` mean that `data` replaces it."
    )
    data: dict[str, Any] | None = Field(
        default=None, description="The record; null if it is deleted. Left out with `data=false`."
    )


class ChangePageAnswer(BaseModel):
    """A page of changes."""

    changes: list[ChangeAnswer]
    next_cursor: str = Field(
        description="Where the changes go on, also when there are none yet.", examples=[CURSOR_EXAMPLE]
    )
    has_more: bool = Field(description="Whether more changes are there already.")


class FeedHeadAnswer(BaseModel):
    """Where a feed is now."""

    cursor: str = Field(description="The changes after this cursor are those to come.", examples=[CURSOR_EXAMPLE])


class SyncAnswer(BaseModel):
    """One reading of a platform, from its request to its end."""

    sync_id: UUID
    connection: str = Field(examples=[_CONNECTION])
    mode: Literal["full", "incremental"] | None = Field(description="Null while the sync is not known everywhere yet.")
    cause: str | None = Field(examples=["manual"])
    state: Literal["requested", "queued", "running", "storing", "success", "failed", "cancelled"]
    requested_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    records: int = Field(description="How many records were read so far.")
    changed: int
    deleted: int
    sequence: int | None = Field(description="The number in the feed up to which all data of the sync is shown.")
    reason: str | None = Field(description="Why it failed.")
    coalesced_into: UUID | None = Field(description="The sync that does the work of this one.")


class RefreshAnswer(BaseModel):
    """A sync that was asked for."""

    sync_id: UUID
    status: Literal["started", "in_progress"] = Field(
        description="`in_progress`: one was open already, and no other began."
    )
    sync_url: str = Field(examples=["/v1/syncs/6f1f5b0e-6c4b-4a37-9a54-0b8d5c9c2f11"])


class LinkAnswer(BaseModel):
    """A link that keeps the connection in step with another one."""

    platform: str = Field(description="The platform of the other connection.", examples=["another-platform"])
    state: Literal["reading", "draft", "active", "paused"] = Field(
        description="`active`: each change is written to the other side. `draft`: a person has to approve the plan."
    )
    pairs: dict[str, int] = Field(
        description="How many pairs of products there are, by their state.", examples=[{"linked": 118, "error": 2}]
    )
    planned_fields: int = Field(description="How many fields are to be written to either side.")


class ConnectionAnswer(BaseModel):
    """A merchant's connection to a platform."""

    connection: str = Field(examples=[_CONNECTION])
    platform: str = Field(examples=["shop-platform"])
    account: str = Field(examples=["acme.example"])
    state: str = Field(
        description="`connected`, or `reauthorise` when someone must sign in again.", examples=["connected"]
    )
    last_success_at: datetime | None = Field(description="When the data of the latest successful sync was stored.")
    freshness_seconds: float | None = Field(description="How long ago that was.")
    last_error: str | None = Field(description="Why the latest sync failed; null if it did not.")
    next_poll_at: datetime | None
    blocked: str | None = Field(description="Why the platform refuses every call; null if it does not.")
    sequence: int | None = Field(
        description="The number of the last change; null before the first full sync has succeeded."
    )
    records: dict[str, int] = Field(
        description="How many records are stored, by resource.", examples=[{"products": 120}]
    )
    open_sync: UUID | None = Field(description="The full sync that is under way; null if there is none.")
    sign_in_url: str | None = Field(description="Where to sign in again, if that is needed.")
    links: list[LinkAnswer] = Field(description="The links of the connection with others.")


class ConnectionListAnswer(BaseModel):
    """A page of connections."""

    connections: list[ConnectionAnswer]
    next_cursor: str | None = Field(description="The cursor of the next page; null is the end.")


class EndpointAnswer(BaseModel):
    """A receiver of webhooks about one connection."""

    id: UUID
    connection: str = Field(examples=[_CONNECTION])
    url: str = Field(examples=["https://bot.example/hooks/shop"])
    description: str = Field(examples=["the sales bot"])
    resources: list[str] | None = Field(description="The resources whose changes are sent; null: all.")
    full: bool = Field(description="Whether messages have the records themselves.")
    ordered: bool = Field(description="Whether a message waits until the one before it was delivered.")
    state: Literal["active", "paused", "ended"]
    reason: str | None = Field(description="Why it has ended.")
    cursor: str = Field(description="Messages about the changes up to here are made.", examples=[CURSOR_EXAMPLE])
    failing_since: datetime | None = Field(description="Since when all attempts have failed; null if the last did not.")
    made_at: datetime
    former_secret_until: datetime | None = Field(description="Until when messages are signed with two secrets.")


class EndpointSecretAnswer(EndpointAnswer):
    """A receiver of webhooks, with its secret if that was just made."""

    secret: str | None = Field(
        description="What messages are signed with, if it was just made; it is never shown again.",
        examples=["whsec_…"],
    )


class EndpointListAnswer(BaseModel):
    """A page of endpoints."""

    endpoints: list[EndpointAnswer]
    next_cursor: str | None = Field(description="The cursor of the next page; null is the end.")


class EndpointTestAnswer(BaseModel):
    """What came of a test."""

    delivered: bool = Field(description="Whether the receiver has taken it.")
    status: int | None = Field(description="The HTTP status of its answer; null if there was none.")
    error: str | None = Field(description="Why it was not delivered.")
    seconds: float = Field(description="How long it took.")


class ReplayAnswer(BaseModel):
    """From where an endpoint goes on."""

    cursor: str = Field(examples=[CURSOR_EXAMPLE])


class DeliveryAnswer(BaseModel):
    """A message to an endpoint, and what has become of it."""

    id: str = Field(description="The `webhook-id` of the message.", examples=["msg_6f1f5b0e6c4b4a379a540b8d5c9c2f11"])
    type: str = Field(examples=["records.changed"])
    state: Literal["pending", "delivered", "failed", "superseded"] = Field(
        description="`superseded`: given up because of a replay."
    )
    after: str | None = Field(description="The message is about the changes after this cursor,")
    cursor: str | None = Field(description="up to this one.")
    counts: dict[str, int] = Field(description="How many records have changed, by resource.")
    attempts: int
    status: int | None = Field(description="The HTTP status of the last attempt; null if there was no answer.")
    error: str | None = Field(description="Why the last attempt failed.")
    made_at: datetime
    next_attempt_at: datetime | None = Field(description="When it is tried again; null when it has ended.")
    ended_at: datetime | None


class DeliveryListAnswer(BaseModel):
    """A page of messages, newest first."""

    deliveries: list[DeliveryAnswer]
    next_cursor: str | None = Field(description="The cursor of the next page; null is the end.")
