"""The subscribers of streams of changes."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from contracts.feed_cursors import FeedCursor
from data_api.stream_events import StreamOptions, encode_end, encode_reset
from data_api.stream_protocol import LAST_FRAME, encode_frame

MAX_BUFFERED_BYTES = 1024 * 1024
"""How much may wait for a subscriber in memory."""


@dataclass(eq=False, slots=True)
class Subscriber:
    """One open stream. `position` is the cursor of what was written to it.

    `restart` is the address from which its reader begins anew after a reset. `is_visible` says whether the reader may
    still see the connection, and `is_erased` whether all data of the connection was deleted since the stream began.
    """

    connection: str
    transport: asyncio.WriteTransport
    position: FeedCursor
    options: StreamOptions
    restart: str
    is_visible: Callable[[], bool]
    is_erased: Callable[[], bool]

    @property
    def is_closed(self) -> bool:
        """Whether the stream has ended, here or at the other end."""
        return self.transport.is_closing()

    def end_if_not_allowed(self) -> None:
        """End the stream if its reader may no longer see the connection.

        After a deletion of all data the event is `reset`, so that the reader deletes its copy.
        """
        if self.is_erased():
            self.reset()
        elif not self.is_visible():
            self.end("access")

    def write(self, framed: bytes) -> None:
        """Write what `encode_frame` returned. End the stream instead if its reader leaves too much in memory."""
        if self.is_closed:
            return
        if self.transport.get_write_buffer_size() > MAX_BUFFERED_BYTES:
            self.end("slow")
        else:
            self.transport.write(framed)

    def end(self, reason: str) -> None:
        """Write the event `end`, and close the connection when all is sent."""
        self._close(encode_end(reason, self.position))

    def reset(self) -> None:
        """Write the event `reset`, and close the connection when all is sent."""
        self._close(encode_reset(self.restart))

    def _close(self, event: bytes) -> None:
        if not self.is_closed:
            self.transport.write(encode_frame(event) + LAST_FRAME)
            self.transport.close()
