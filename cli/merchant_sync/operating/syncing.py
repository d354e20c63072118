"""One sync of one connection, started as an operator's wish, and followed to its end."""

import time
from collections.abc import Callable
from typing import Any

from merchant_sync.operating import NotThere
from merchant_sync.operating.inside import Inside, Refused

OPEN = ("queued", "running")
LOOK_SECONDS = 0.5


def start(inside: Inside, connection: str, records: dict[str, list[str]] | None) -> str:
    """Start it; its id. `NotThere` for a connection or a record that is not there, or a connection that has ended."""
    try:
        return inside.wish(connection, records)
    except Refused as refused:
        if refused.status == 404:
            raise NotThere(f"No connection {connection}. `merchant-sync status` counts those that there are.") from None
        if refused.status == 409:
            raise NotThere(f"{connection} is not connected ({refused}): its merchant has to sign in.") from None
        if refused.status == 400:
            raise NotThere(str(refused)) from None
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
