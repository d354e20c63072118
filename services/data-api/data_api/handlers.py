"""Handles the messages from which a process knows what it needs to know."""

from collections.abc import Callable

from contracts.events import ConnectionChanged, DataStored, KeysChanged, LinkChanged, SyncChanged
from contracts.feed_cursors import FeedCursor
from contracts.headers import FEED_CURSOR
from contracts.topics import CONNECTION_CHANGED, DATA_STORED, KEY_CHANGED, LINK_CHANGED, RECORD_CHANGED, SYNC_CHANGED
from data_api.tables.state import KnownState
from messaging.message_checks import check_subject
from messaging.topic_reader import Headers, TopicSubscription


def list_subscriptions(
    state: KnownState, on_connection: Callable[[ConnectionChanged], None]
) -> list[TopicSubscription]:
    """Return the topics that this service reads, with the functions that store what they say in `state`.

    States are read from the beginning of their compacted topics. What was stored and what has changed is followed from
    the end: the database knows what was before. `on_connection` is called with each state of a connection.
    """

    def handle_connection(key: str, body: bytes | None, _headers: Headers) -> None:
        event = ConnectionChanged.model_validate_json(body or b"")
        check_subject(CONNECTION_CHANGED, key, event)
        state.apply_connection(event)
        on_connection(event)

    def handle_keys(key: str, body: bytes | None, _headers: Headers) -> None:
        event = KeysChanged.model_validate_json(body or b"")
        check_subject(KEY_CHANGED, key, event)
        state.apply_keys(event)

    def handle_syncs(key: str, body: bytes | None, _headers: Headers) -> None:
        event = SyncChanged.model_validate_json(body or b"")
        check_subject(SYNC_CHANGED, key, event)
        state.apply_syncs(event, body or b"")

    def handle_link(key: str, body: bytes | None, _headers: Headers) -> None:
        event = LinkChanged.model_validate_json(body or b"")
        check_subject(LINK_CHANGED, key, event)
        state.apply_link(event)

    def handle_stored(key: str, body: bytes | None, _headers: Headers) -> None:
        event = DataStored.model_validate_json(body or b"")
        check_subject(DATA_STORED, key, event)
        state.apply_stored(event)

    def handle_change(key: str, _body: bytes | None, headers: Headers) -> None:
        # The body, which may have megabytes of records, is not needed: readers get records from the database.
        state.apply_feed_head(key, FeedCursor.decode(headers[FEED_CURSOR].decode()))

    return [
        TopicSubscription(CONNECTION_CHANGED, handle_connection, from_beginning=True),
        TopicSubscription(KEY_CHANGED, handle_keys, from_beginning=True),
        TopicSubscription(SYNC_CHANGED, handle_syncs, from_beginning=True),
        TopicSubscription(LINK_CHANGED, handle_link, from_beginning=True),
        TopicSubscription(DATA_STORED, handle_stored, from_beginning=False),
        TopicSubscription(RECORD_CHANGED, handle_change, from_beginning=False),
    ]
