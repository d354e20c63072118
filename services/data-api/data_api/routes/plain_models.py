"""The parameters and the answers of the plain routes."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from data_api.data_cuts import DataCut
from data_api.routes.v1.parameters import Selection


class ConnectionQuery(BaseModel):
    """Which connection is meant."""

    connection: str | None = Field(
        default=None, description="The name of a connection; needed where the key is for several.", max_length=255
    )


class FetchQuery(ConnectionQuery):
    """Which connection is meant, and whether newer data is asked for."""

    refresh: bool = Field(default=False, description="Ask for one sync. The answer is what is stored, at once.")
    stream: bool = Field(default=False, description="Answer with Server-Sent Events.")
    fields: Selection | None = Field(
        default=None,
        description="The parts of `data` that are wanted: `a,b.c`, of each row, or of a document of up to 8 MiB.",
    )
    limit: int | None = Field(
        default=None, ge=1, description="At most so many rows. Only a connection with one resource has rows."
    )

    @property
    def cut(self) -> DataCut | None:
        """What is wanted of the data; None for all of it."""
        return DataCut(self.fields, self.limit) if self.fields is not None or self.limit is not None else None


class FetchedData(BaseModel):
    """What is stored of a connection."""

    model_config = ConfigDict(json_schema_extra={"description": "What is stored of a connection."})
    status: Literal["success"]
    connection: str = Field(examples=["shop-platform:acme.example"])
    count: int = Field(description="The number of records that are stored, also where `limit` leaves fewer.")
    last_updated: datetime | None = Field(description="When the data was last known to be what the platform has.")
    cache_age_minutes: float | None = Field(description="How long ago that was.")
    update_in_progress: bool = Field(description="Whether a full sync is open.")
    refresh: Literal["started", "in_progress", "failed"] | None = Field(
        default=None, description="What has become of `refresh=true`."
    )
    sync_id: UUID | None = Field(default=None, description="The sync that was started, or is open.")
    refresh_error: str | None = Field(default=None, description="Why no sync could be started.")
    data: list[dict[str, Any]] | dict[str, Any] = Field(
        description="The rows of a connection with one resource; otherwise its whole document."
    )


class RequestedRefresh(BaseModel):
    """The sync that was started, or the full sync that is open already: there is never a second one."""

    status: Literal["started", "in_progress"]
    message: str | None = Field(default=None, examples=["Update already in progress"])
    sync_id: UUID
    sync_url: str = Field(examples=["/v1/syncs/00000000-0000-0000-0000-000000000000"])


class StatusAnswer(BaseModel):
    """What is known of a connection's data and its next update."""

    api_status: Literal["online"]
    cache_exists: bool = Field(description="Whether there is data to fetch.")
    cache_age_minutes: float | None
    update_in_progress: bool
    timestamp: str = Field(description="The time of this answer, UTC.", examples=["Sun Nov 29 07:19:03 2026"])
    last_success: datetime | None
    last_error: str | None
    next_update_at: datetime | None
    connections: list[str] = Field(description="The connections that the key may read; at most 1000.")
