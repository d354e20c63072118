"""The ledger at a glance, for whoever watches the system as a whole: what is open, and how connections stand."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_OPEN = text("""
SELECT split_part(connection, ':', 1) AS platform, mode, state, count(*) AS syncs,
    CAST(extract(epoch FROM now() - min(requested_at)) AS double precision) AS age
FROM syncs WHERE state IN ('queued', 'running') GROUP BY 1, 2, 3
""")
_CONNECTIONS = text("""
SELECT split_part(connection, ':', 1) AS platform, state, count(*) AS connections FROM connections GROUP BY 1, 2
""")


@dataclass(frozen=True)
class Open:
    """So many open syncs of one kind; `age` is that of the oldest, in seconds."""

    platform: str
    mode: str
    state: str
    syncs: int
    age: float


@dataclass(frozen=True)
class Standing:
    """So many connections in one state."""

    platform: str
    state: str
    connections: int


@dataclass(frozen=True)
class Overview:
    """All of it at one moment."""

    open: tuple[Open, ...]
    connections: tuple[Standing, ...]


async def overview(tx: AsyncConnection) -> Overview:
    """The ledger as it is now. Open syncs are found by their index; ended ones cost nothing."""
    return Overview(
        tuple(Open(*row) for row in await tx.execute(_OPEN)),
        tuple(Standing(*row) for row in await tx.execute(_CONNECTIONS)),
    )
