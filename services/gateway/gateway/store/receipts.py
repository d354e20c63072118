"""Receipts of requests to let go of data."""

from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.erasure.deletion_requests import Kind, Receipt

_COLUMNS = "code, kind, request, connections, asked_at, carried_out_at"
_KEEP = text("""
INSERT INTO deletions (code, kind, request, connections) VALUES (:code, :kind, :request, CAST(:connections AS text[]))
ON CONFLICT (request) DO NOTHING
""")
_ONE = text(f"SELECT {_COLUMNS} FROM deletions WHERE code = :code")
_OF_REQUEST = text(f"SELECT {_COLUMNS} FROM deletions WHERE code = :code OR request = :request")
_OPEN = text(f"SELECT {_COLUMNS} FROM deletions WHERE carried_out_at IS NULL ORDER BY asked_at LIMIT 100")
_CLOSE = text("UPDATE deletions SET carried_out_at = now() WHERE code = :code AND carried_out_at IS NULL")
_TO_SAY_AGAIN = text(f"""
SELECT {_COLUMNS} FROM deletions
WHERE said_again_at IS NULL AND carried_out_at < now() - make_interval(secs => :seconds) LIMIT 100
""")
_SAID_AGAIN = text("UPDATE deletions SET said_again_at = now() WHERE code = :code")
_PRUNE = text("DELETE FROM deletions WHERE carried_out_at < now() - interval '90 days'")


async def keep(tx: AsyncConnection, receipt: Receipt) -> Receipt:
    """Keep it, dated now, unless its request has one already; the one that is kept."""
    values = {"code": receipt.code, "kind": receipt.kind.value, "request": receipt.request}
    await tx.execute(_KEEP, {**values, "connections": list(receipt.connections)})
    row = await tx.execute(_OF_REQUEST, {"code": receipt.code, "request": receipt.request})
    return _receipt(row.one())


async def one(tx: AsyncConnection, code: str) -> Receipt | None:
    """The receipt of this code."""
    row = (await tx.execute(_ONE, {"code": code})).one_or_none()
    return _receipt(row) if row else None


async def not_carried_out(tx: AsyncConnection) -> list[Receipt]:
    """Some of those that are not carried out, the oldest first."""
    return [_receipt(row) for row in await tx.execute(_OPEN)]


async def carried_out(tx: AsyncConnection, code: str) -> None:
    """All that it asks for is done here."""
    await tx.execute(_CLOSE, {"code": code})


async def to_say_again(tx: AsyncConnection, seconds: float) -> list[Receipt]:
    """Some of those that were carried out so long ago, and whose connections were not said once more since."""
    return [_receipt(row) for row in await tx.execute(_TO_SAY_AGAIN, {"seconds": seconds})]


async def said_again(tx: AsyncConnection, code: str) -> None:
    """Its connections were said once more."""
    await tx.execute(_SAID_AGAIN, {"code": code})


async def prune(tx: AsyncConnection) -> None:
    """Remove what was carried out 90 days ago."""
    await tx.execute(_PRUNE)


def _receipt(row: Row[Any]) -> Receipt:
    return Receipt(
        code=row.code,
        kind=Kind(row.kind),
        request=row.request,
        connections=tuple(row.connections),
        asked_at=int(row.asked_at.timestamp() * 1000),
        carried_out_at=int(row.carried_out_at.timestamp() * 1000) if row.carried_out_at else None,
    )
