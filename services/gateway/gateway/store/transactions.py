"""How the stores get their transactions."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext

from sqlalchemy.ext.asyncio import AsyncConnection

OpenTransaction = Callable[[], AbstractAsyncContextManager[AsyncConnection]]
"""Begins a transaction, and commits it at the end of the block. Raises UnavailableError."""


def join_transaction(tx: AsyncConnection) -> OpenTransaction:
    """Return what gives a store the transaction `tx`, which somebody else commits."""

    def open_transaction() -> AbstractAsyncContextManager[AsyncConnection]:
        return nullcontext(tx)

    return open_transaction
