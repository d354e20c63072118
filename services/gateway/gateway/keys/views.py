"""Builds the JSON about keys for the data API: as a list shows them, and as one is shown once after it was made."""

from shlex import quote
from typing import Any
from uuid import UUID

from pydantic import Field

from gateway.keys.keys import IssuedKey, StoredKey
from gateway.pages.responses import ResponseModel
from gateway.pages.views import Timestamp
from gateway.sessions.browsers import Browser
from gateway.sessions.sessions import Session

FETCH_PATH, REFRESH_PATH = "/fetch-data", "/refresh"
"""The routes of the data API that a new key is tried with."""


class KeyDocument(ResponseModel):
    """A key for the data API. The key itself was shown once, and is stored nowhere."""

    id: UUID
    name: str
    prefix: str = Field(description="The beginning of the key")
    scopes: list[str] = Field(description="What it may do: read, refresh, manage")
    made_at: Timestamp
    made_by: str = Field(description="merchant or operator")
    address: str = Field(
        description="Of the browser that made it; empty where the operator did, or where it is not shown"
    )
    browser: str = Field(description="Its User-Agent; empty like `address`")
    expires_at: Timestamp
    has_expired: bool
    last_used_at: Timestamp = Field(description="To about a minute; milliseconds since the epoch, UTC")


class IssuedKeyDocument(KeyDocument):
    """A key that was just made, with the key itself, which is shown this once."""

    connection: str
    key: str
    curl: str | None = Field(description="A command that tries the key; null where the data API has no known address")


def can_see_maker(key: StoredKey, session: Session) -> bool:
    """Return whether `session` may see which browser made the key.

    As in the history, that is shown after a fresh sign-in. One's own browser is no secret.
    """
    return session.can_act(key.connection) or key.made_by.session == session.id


def build_key_document(key: StoredKey, *, with_maker: bool) -> KeyDocument:
    """Return the document of a key, `with_maker` with the browser that made it."""
    return KeyDocument.model_validate(_build_fields(key, key.made_by.browser if with_maker else None))


def build_issued_document(issued: IssuedKey, data_api_url: str) -> IssuedKeyDocument:
    """Return the document of a key that was just made. `data_api_url` is empty where there is no known address."""
    fields = _build_fields(issued.key, issued.key.made_by.browser)
    curl = build_curl(issued, data_api_url) if data_api_url else None
    return IssuedKeyDocument.model_validate(
        {**fields, "connection": issued.key.connection, "key": issued.text, "curl": curl}
    )


def _build_fields(key: StoredKey, browser: Browser | None) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": list(key.scopes),
        "made_at": key.made_at,
        "made_by": key.made_by.kind,
        "address": browser.address if browser else "",
        "browser": browser.name if browser else "",
        "expires_at": key.expires_at,
        "has_expired": key.has_expired,
        "last_used_at": key.last_used_at,
    }


def build_curl(issued: IssuedKey, data_api_url: str) -> str | None:
    """Return a command that tries the key at the data API; None where it may neither read nor refresh."""
    header = f"-H {quote(f'X-API-Key: {issued.text}')}"
    if "read" in issued.key.scopes:
        return f"curl {header} {quote(data_api_url + FETCH_PATH)}"
    if "refresh" in issued.key.scopes:
        return f"curl -X POST {header} {quote(data_api_url + REFRESH_PATH)}"
    return None
