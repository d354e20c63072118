"""Builds the JSON about a connection's access: its merchant, the sessions and keys that read it, and its history."""

from collections.abc import Iterable, Sequence
from typing import Annotated
from uuid import UUID

from pydantic import Field

from gateway.audit import BESIDE, RECORD, WITH, AuditEntry, RepeatedAuditEntry
from gateway.connections import Connection
from gateway.keys.keys import StoredKey
from gateway.keys.views import KeyDocument, build_key_document, can_see_maker
from gateway.links.views import ConnectionLinks
from gateway.pages.responses import ResponseModel
from gateway.pages.views import Timestamp
from gateway.sessions.sessions import Session
from gateway.store.sessions import SessionWithProof


class SessionDocument(ResponseModel):
    """A session whose browser has signed in at the account."""

    is_this: bool = Field(description="It is the session of this request")
    address: str
    browser: str = Field(description="Its User-Agent")
    proved_at: Timestamp
    seen_at: Timestamp


class HistoryEntry(ResponseModel):
    """Something that was done to the connection, once or several times in the same way.

    Address and browser are empty where no merchant did it, or where the sign-in is not fresh enough to see them.
    """

    at: Timestamp = Field(description="The last time; milliseconds since the epoch, UTC")
    count: int = Field(description="How many times it was done, among the latest entries of this action")
    first_at: Timestamp = Field(description="The first of these times; milliseconds since the epoch, UTC")
    action: str
    actor: str = Field(description="merchant, operator, platform, reader (by a key of the data API) or link")
    address: str
    browser: str
    details: dict[str, str]


class AccessDocument(ResponseModel):
    """Who can read a connection, and what was done to it."""

    connection: str
    title: str
    state: str = Field(description="connected, reauthorise or uninstalled")
    user_uuid: UUID | None = Field(description="The merchant in whose document the connection is listed")
    can_act: bool = Field(description="The sign-in is fresh enough to change the connection")
    beside: list[str] = Field(description="The merchant's other connections that this browser may read")
    others: int = Field(description="How many further connections the merchant has")
    can_join: list[str] = Field(description="Connections of other merchants that this browser may change now")
    sessions: Annotated[
        list[SessionDocument] | None, Field(description="Null where the sign-in is not fresh enough to see them")
    ]
    keys: list[KeyDocument] = Field(description="Its keys for the data API, the oldest first")
    data_api_url: str = Field(description="The address of the data API; empty where it is not set up")
    links: ConnectionLinks | None = Field(description="Its links; null where accounts of its platform have none")
    history: list[HistoryEntry]


def build_access_document(
    session: Session,
    row: Connection,
    *,
    own: Iterable[Connection],
    members: Sequence[str],
    sessions: Sequence[SessionWithProof] | None,
    keys: Iterable[StoredKey],
    data_api_url: str,
    links: ConnectionLinks | None,
    history: Iterable[RepeatedAuditEntry],
) -> AccessDocument:
    """Return the document of a connection's access, as `session` may see it.

    `own` are the connections that the session may read, `members` the names of all connections of the same merchant.
    `sessions` are those that can read the connection, None where they are not shown.
    """
    beside = [one.name for one in own if one.merchant == row.merchant and one.name != row.name]
    can_act = session.can_act(row.name)
    return AccessDocument(
        connection=row.name,
        title=row.title,
        state=row.state,
        user_uuid=row.merchant,
        can_act=can_act,
        beside=beside,
        others=len(members) - len(beside) - 1,
        can_join=[one.name for one in own if can_act and one.merchant != row.merchant and session.can_act(one.name)],
        sessions=None if sessions is None else [_build_session(one, session) for one in sessions],
        keys=[build_key_document(key, with_maker=can_see_maker(key, session)) for key in keys],
        data_api_url=data_api_url,
        links=links,
        history=[_build_history_entry(entry, session) for entry in history],
    )


def _build_session(other: SessionWithProof, session: Session) -> SessionDocument:
    return SessionDocument(
        is_this=other.id == session.id,
        address=other.browser.address,
        browser=other.browser.name,
        proved_at=other.proved_at,
        seen_at=other.seen_at,
    )


def _build_history_entry(repeated: RepeatedAuditEntry, session: Session) -> HistoryEntry:
    entry = repeated.latest.entry
    # Who has signed in is shown where the sessions are: after a fresh sign-in. One's own entries are no secret.
    is_shown = session.can_act(entry.connection) or entry.actor.session == session.id
    browser = entry.actor.browser if is_shown else None
    return HistoryEntry(
        at=repeated.latest.at,
        count=repeated.count,
        first_at=repeated.first_at,
        action=entry.action.value,
        actor=entry.actor.kind,
        address=browser.address if browser else "",
        browser=browser.name if browser else "",
        details=_select_details(entry, session),
    )


def _select_details(entry: AuditEntry, session: Session) -> dict[str, str]:
    """Return the details of an entry: those of another connection only if the session may read that one, too."""
    others = [entry.details[name] for name in (BESIDE, WITH) if name in entry.details]
    hidden = () if all(map(session.can_read, others)) else (BESIDE, WITH, RECORD)
    return {name: value for name, value in entry.details.items() if name not in hidden}
