"""The next step of a walk."""

from sqlalchemy.ext.asyncio import AsyncConnection

from messaging.outbox import enqueue
from scheduler import requests
from scheduler.store import walks
from scheduler.store.walks import Walk


async def ask(tx: AsyncConnection, walk: Walk, cursor: str | None, *, attempts: int) -> None:
    """Ask for the walk's next step, from `cursor`, after `attempts` tries at this place."""
    step = walk.step + 1
    await walks.ask(tx, walk, step, cursor, attempts=attempts)
    await enqueue(tx, [requests.step_request(walk, step, cursor)])


async def walk_again(tx: AsyncConnection, walk: Walk | None) -> None:
    """Once a walk has come to its end, the windows that were not good are walked again, one after the other."""
    if walk is None or not walk.walked or not walk.again:
        return
    cursors = await walks.not_asked_from(tx, walk, walk.again)
    if cursors:
        await ask(tx, walk, cursors[0], attempts=walk.attempts)
