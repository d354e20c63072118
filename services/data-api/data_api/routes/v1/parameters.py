"""What parameters and errors of several operations have in common."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from contracts.feed_cursors import CURSOR_PATTERN, FeedCursor
from data_api.asgi.operations import PathParameter
from data_api.field_selection import MAX_DEPTH, MAX_FIELDS, FieldTree, parse_fields

MAX_LIMIT = 250
MAX_NAMES = 250
DATE_PATTERN = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]"
"""A regular expression for the beginning of a time as RFC 3339 writes it."""
_DATE = re.compile(DATE_PATTERN, re.ASCII)

HEX_PATTERN = r"^([0-9a-f]{2})+$"
"""A regular expression for the cursors of lists that are not of records: text in hexadecimal."""

CONNECTION = PathParameter(
    "connection", "The connection's name, percent-encoded as one segment.", "shop-platform:acme.example"
)
RESOURCE = PathParameter("resource", "The kind of records.", "products")
RECORD_ID = PathParameter("record_id", "The record's id at the platform, percent-encoded.", "632910392")

NOT_FOUND = {404: "There is no such connection, or the key is not for it."}
NOT_READY = {503: "No full sync has succeeded yet: the problem says what is under way. Or a part does not answer now."}
NOT_SYNCED = {409: "The data of the sync in `after_sync` is not stored yet, or the sync has failed."}
RESET = {410: "The cursor is of another feed, another epoch, or erased data: `restart` is where to begin anew."}


class QueryParameters(BaseModel):
    """The base class of query parameters: a name that is not declared is an error, not ignored."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class SyncedParameters(QueryParameters):
    """The parameters of reads that can wait for a sync."""

    after_sync: UUID | None = Field(
        default=None, description="Wait up to 25 s until the data of this sync is shown, otherwise 409."
    )


def _split(value: object) -> object:
    names = value.split(",") if isinstance(value, str) else value
    if isinstance(names, list) and (len(names) > MAX_NAMES or not all(names)):
        raise ValueError(f"must be up to {MAX_NAMES} names, separated by commas")
    return names


def _check_time(value: object) -> object:
    # A bare number would be taken for seconds or milliseconds since 1970, by its size.
    if isinstance(value, str) and not _DATE.match(value):
        raise ValueError("must be a time such as 2026-11-29T07:19:03Z")
    return value


def _convert_to_utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError("must be in the years 1 to 9999 of UTC") from None


def _parse_where(value: object) -> object:
    name, separator, text = value.partition(":") if isinstance(value, str) else ("", "", "")
    if not name or not separator:
        raise ValueError("must be a field, a colon and the field's value, such as handle:red-shirt")
    return name, text


def _decode_cursor(value: object) -> FeedCursor:
    if not isinstance(value, str):
        raise ValueError("not a cursor")
    return FeedCursor.decode(value)


# An address cannot have the character NUL.
_NAME, _FIELD_NAME = r"[^,\x00]+", r"[^,.\x00]+"
_FIELD = rf"{_FIELD_NAME}(\.{_FIELD_NAME}){{0,{MAX_DEPTH - 1}}}"
Names = Annotated[
    list[str],
    BeforeValidator(_split),
    WithJsonSchema({"type": "string", "pattern": rf"^{_NAME}(,{_NAME}){{0,{MAX_NAMES - 1}}}$"}),
]
"""Names in one parameter, separated by commas."""
Selection = Annotated[
    FieldTree,
    BeforeValidator(parse_fields),
    WithJsonSchema({"type": "string", "pattern": rf"^{_FIELD}(,{_FIELD}){{0,{MAX_FIELDS - 1}}}$"}),
]
"""The fields of records that are wanted."""
FieldValue = Annotated[
    tuple[str, str],
    BeforeValidator(_parse_where),
    WithJsonSchema({"type": "string", "pattern": r"^[^:\x00]+:[^\x00]*$"}),
]
"""A field and the value that it must have."""
Cursor = Annotated[
    FeedCursor,
    BeforeValidator(_decode_cursor),
    WithJsonSchema({"type": "string", "pattern": f"^{CURSOR_PATTERN}$"}),
]
"""A position on a feed."""
Time = Annotated[AwareDatetime, BeforeValidator(_check_time), AfterValidator(_convert_to_utc)]
"""A time as RFC 3339 writes it, with its offset from UTC."""


def dump_parameters(parameters: BaseModel, *left_out: str) -> dict[str, Any]:
    """Return the parameters that say which list a request is for, without those of its page."""
    return parameters.model_dump(mode="json", exclude=set(left_out))
