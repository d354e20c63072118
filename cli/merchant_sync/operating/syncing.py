"""One sync of one connection, started as an operator's wish, and followed to its end."""

import time
from collections.abc import Callable
from typing import Any

from merchant_sync.operating.inside import Inside, Refused

OPEN = ("queued", "running")
LOOK_SECONDS = 0.5


class NotLive(Exception):
    """The connection is not there, or not connected; the message says which."""


def start(inside: Inside, connection: str, records: dict[str, list[str]] | None) -> str:
    """Start it; its id. A StackError for a connection that is not there or not live."""
    try:
        return inside.wish(connection, records)
    except Refused as refused:
        if refused.status == 404:
            raise NotLive(f"No connection {connection}. `merchant-sync status` counts those that there are.") from None
        if refused.status == 409:
            raise NotLive(f"{connection} is not connected ({refused}): its merchant has to sign in.") from None
        raise


def followed(inside: Inside, sync_id: str, *, said: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """The sync when it has ended; `said` hears how it goes, each time that this changed."""
    last: dict[str, Any] | None = None
    while True:
        shown = inside.sync(sync_id)
        if shown is not None and shown != last:
            said(shown)
            if shown["state"] not in OPEN:
                return shown
            last = shown
        time.sleep(LOOK_SECONDS)
