"""The encoding of Server-Sent Events (HTML standard, section 9.2)."""

KEEP_ALIVE_SECONDS = 15.0
"""How often a stream without events gets a comment, so that proxies do not close its connection."""
KEEP_ALIVE = b": keep-alive\n"
HEADERS = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    # nginx would otherwise hold events back until its buffer is full.
    (b"x-accel-buffering", b"no"),
)
"""The headers of each stream's response."""


def encode_event(event: str, data: bytes, *, event_id: str | None = None) -> bytes:
    """Return one event. `data` is JSON in one line; `event_id` is what a client sends back as `Last-Event-ID`."""
    identified = b"id: %b\n" % event_id.encode() if event_id is not None else b""
    return b"%bevent: %b\ndata: %b\n\n" % (identified, event.encode(), data)


def encode_keep_alive(event_id: str) -> bytes:
    """Return a comment that keeps proxies from closing the connection, and the id of the present position.

    An id without data is no event to a client, but what it resumes from.
    """
    return b"%bid: %b\n\n" % (KEEP_ALIVE, event_id.encode())
