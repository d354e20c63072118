"""The chunks that have arrived of bodies that are too large for one message."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import BodyChunk

_CLEAR = text("DELETE FROM chunks WHERE link = :link AND side = :side AND topic = :topic AND number >= :number")
_INSERT = text("INSERT INTO chunks (link, side, topic, number, text) VALUES (:link, :side, :topic, :number, :text)")
_COUNT = text("SELECT count(*) FROM chunks WHERE link = :link AND side = :side AND topic = :topic")
_JOIN = text("""
SELECT string_agg(text, '' ORDER BY number) FROM chunks WHERE link = :link AND side = :side AND topic = :topic
""")


async def add(tx: AsyncConnection, link: UUID, side: str, topic: str, chunk: BodyChunk) -> str | None:
    """Store a chunk. Return the JSON of the whole body with the last chunk, and None before.

    Chunk 0 begins anew, and a chunk that comes again replaces what it had followed by. Raises `ValueError` if a chunk
    before this one is missing.
    """
    place = {"link": link, "side": side, "topic": topic}
    await tx.execute(_CLEAR, {**place, "number": chunk.number})
    if (await tx.execute(_COUNT, place)).scalar_one() != chunk.number:
        raise ValueError(f"chunk {chunk.number} without the chunks before it")
    await tx.execute(_INSERT, {**place, "number": chunk.number, "text": chunk.text})
    if chunk.number + 1 < chunk.count:
        return None
    body = str((await tx.execute(_JOIN, place)).scalar_one())
    await tx.execute(_CLEAR, {**place, "number": 0})
    return body
