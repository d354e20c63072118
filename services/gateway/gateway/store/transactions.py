"""Provides the stores with transactions: new ones, or one that the caller has begun."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext

from sqlalchemy.ext.asyncio import AsyncConnection

OpenTransaction = Callable[[], AbstractAsyncContextManager[AsyncConnection]]
"""Begins a transaction and commits it at the end of the block.

Raises UnavailableError when the database is unavailable.
"""


def join_transaction(tx: AsyncConnection) -> OpenTransaction:
    """Return a function that gives the running transaction `tx` to its caller instead of beginning a new one.

    It does not commit; the owner of `tx` does.
    """

    def open_transaction() -> AbstractAsyncContextManager[AsyncConnection]:
        return nullcontext(tx)

    return open_transaction
