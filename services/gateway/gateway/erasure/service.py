"""Letting go: accounts are disconnected, their data is deleted, and a receipt says so.

A request that is about several connections, or that its asker will not repeat, is first kept as its receipt, which
names the connections; each is then let go in a transaction of its own, with the event that has the others do the same.
Killed in between, the loop finds the receipt not carried out and goes on: letting go twice changes nothing. What the
platform repeats by itself is carried out and receipted in one transaction.
"""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID

import structlog

from contracts.events import parse_account, parse_platform
from gateway.connections import REDACTED, UNINSTALLED, Connection, HeldConnection, redacted, uninstalled
from gateway.erasure.deletion_requests import Kind, Receipt, opened, request_of
from gateway.errors import NotKnown, PlatformAway
from gateway.tokens.encryption import Unsealable
from gateway.tokens.service import Tokens
from gateway.webhooks.installations import SAME_MOMENT_MS, TRIAL_SECONDS, order
from gateway.webhooks.sync_request import Delivery

log = structlog.get_logger()

SAID_AGAIN_SECONDS = 86_400.0
"""A compacted topic cleans a part of its log only when a later message has closed it: a day later there is one."""


class Leaving(Protocol):
    """A platform that the app can be taken out of. Both raise `PlatformAway`."""

    async def is_alive(self, account: str, token: str) -> bool:
        """Whether the platform takes this token: False only for its 401."""

    async def let_go(self, account: str, token: str) -> None:
        """Take the app out of the account, as far as the platform lets it; one that is out already is fine."""


class HeldToGo(HeldConnection, Protocol):
    """A connection under its lock, with what goes with it in the same transaction."""

    async def say(self) -> None:
        """Say the row as it is once more."""

    async def forget(self, name: str, merchant: UUID | None) -> None:
        """Remove what is kept beside the row, and the merchant when no connection is left to it."""

    async def keep_carried_out(self, receipt: Receipt) -> bool:
        """Keep the receipt of what this transaction does; False when its request has one already."""


class DepartureStore(Protocol):
    """The store, as far as letting go needs it."""

    async def connection(self, name: str) -> Connection | None:
        """As it is now."""

    def held(self, name: str) -> AbstractAsyncContextManager[HeldToGo]:
        """Under its lock, for one transaction."""

    async def keep_receipt(self, receipt: Receipt) -> Receipt:
        """Keep it; the one that its request has already, if any."""

    async def keep_receipt_for(self, receipt: Receipt, platform: str, holder: str, *, granted_by: int) -> Receipt:
        """The same, for all connections that a person had granted by that moment (ms)."""

    async def receipts_to_carry_out(self) -> list[Receipt]:
        """Some that are not carried out."""

    async def receipt_carried_out(self, code: str) -> None:
        """It is now."""

    async def receipts_to_say_again(self, seconds: float) -> list[Receipt]:
        """Some that were carried out so long ago, and not said again since."""

    async def receipt_said_again(self, code: str) -> None:
        """It is now."""


class Departures:
    """Lets go of connections. Everything here is safe to repeat, and to do twice at once."""

    def __init__(
        self,
        store: DepartureStore,
        tokens: Tokens,
        remotes: Mapping[str, Leaving],
        *,
        trial_seconds: float = TRIAL_SECONDS,
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._remotes = remotes
        self._trial_seconds = trial_seconds

    async def disconnect(self, name: str, merchant: UUID) -> None:
        """A merchant's own wish: nothing is read any more, what was stored stays. Raises `NotKnown`."""
        async with self._store.held(name) as held:
            await self._uninstalled(held, await self._taken_out(held, _own(held.row, merchant)))

    async def delete(self, name: str, merchant: UUID) -> str:
        """A merchant's own wish: disconnected, and all its data gone; the receipt's code. Raises `NotKnown`."""
        _own(await self._store.connection(name), merchant)
        receipt = await self._store.keep_receipt(opened(Kind.MERCHANT_DELETION, (name,)))
        await self.carry_out(receipt)
        return receipt.code

    async def asked_by(self, platform: str, holder: str, kind: Kind, request: str, *, asked_at: int) -> str:
        """What a person asked of the platform at `asked_at` (ms), about all that she had granted: `UNINSTALL` or
        `PERSON_DELETION`. What she granted after that stays.

        The receipt's code, the same for the same `request`: what was signed once is carried out once.
        """
        receipt = opened(kind, request=request_of(platform, kind.value, request))
        kept = await self._store.keep_receipt_for(receipt, platform, holder, granted_by=asked_at + SAME_MOMENT_MS)
        await self.carry_out(kept)
        return kept.code

    async def carry_out(self, receipt: Receipt) -> None:
        """Do what it asks for, unless that was done."""
        if receipt.carried_out_at is None:
            for name in receipt.connections:
                await self._let_go(name, receipt)
            await self._store.receipt_carried_out(receipt.code)

    async def redact(self, delivery: Delivery) -> str:
        """The platform says that all data of an account is to go; the outcome for the log.

        Its topic and moment are not signed, so the app may be installed there, again or still: a live connection goes
        only when the platform refuses its token, or answers nothing about it and the delivery is clearly younger than
        the grant. Raises as `Installations.uninstall`; then it is delivered again.
        """
        try:
            async with asyncio.timeout(self._trial_seconds), self._store.held(delivery.connection) as held:
                if await self._is_installed(held):
                    return "installed again"
                return await self._redacted_by(delivery, held)
        except (PlatformAway, Unsealable, TimeoutError) as untried:
            async with self._store.held(delivery.connection) as held:
                if held.row is None or order(held.row.granted_at, delivery.triggered_at) != "after":
                    raise
                log.warning("redaction believed untried", connection=delivery.connection, reason=type(untried).__name__)
                return await self._redacted_by(delivery, held)

    async def _redacted_by(self, delivery: Delivery, held: HeldToGo) -> str:
        kept = await held.keep_carried_out(_receipt_of(delivery))
        if kept and held.row is not None:
            await self._redacted(held, held.row)
        return "redacted" if kept else "carried out before"

    async def customer_asked(self, delivery: Delivery) -> str:
        """A customer of an account asks for her data, or for its deletion: none is kept, and the receipt says so."""
        async with self._store.held(delivery.connection) as held:
            await held.keep_carried_out(_receipt_of(delivery))
        return "receipted"

    async def step(self) -> bool:
        """Carry out what was cut off; say once more what was redacted a day ago."""
        for receipt in await self._store.receipts_to_carry_out():
            await self.carry_out(receipt)
        for receipt in await self._store.receipts_to_say_again(SAID_AGAIN_SECONDS):
            await self._say_again(receipt)
        return False

    async def _let_go(self, name: str, receipt: Receipt) -> None:
        kind = receipt.kind
        async with self._store.held(name) as held:
            row = held.row
            if row is None or (kind is Kind.UNINSTALL and row.granted_at > receipt.asked_at + SAME_MOMENT_MS):
                return
            if kind is Kind.MERCHANT_DELETION:
                row = await self._taken_out(held, row)
            await (self._redacted(held, row) if kind.deletes else self._uninstalled(held, row))

    async def _is_installed(self, held: HeldToGo) -> bool:
        if held.row is None or not held.row.live:
            return False
        row = await self._tokens.kept_good(held)
        return row.live and await self._remote(row).is_alive(parse_account(row.name), self._tokens.access(row))

    async def _taken_out(self, held: HeldToGo, row: Connection) -> Connection:
        """The row after the app was taken out at the platform. A platform that is away holds nothing up."""
        if row.live:
            try:
                row = await self._tokens.kept_good(held)
                if row.live:
                    await self._remote(row).let_go(parse_account(row.name), self._tokens.access(row))
            except (PlatformAway, Unsealable) as left:
                log.warning("app left in the account", connection=row.name, reason=type(left).__name__)
        return row

    async def _uninstalled(self, held: HeldToGo, row: Connection) -> None:
        if row.state not in (UNINSTALLED, REDACTED):
            await held.save(uninstalled(row))
            log.info("connection let go", connection=row.name, state=UNINSTALLED)

    async def _redacted(self, held: HeldToGo, row: Connection) -> None:
        if row.state != REDACTED:
            await held.save(redacted(row))
            await held.forget(row.name, row.merchant)
            log.info("connection let go", connection=row.name, state=REDACTED)

    async def _say_again(self, receipt: Receipt) -> None:
        for name in receipt.connections:
            async with self._store.held(name) as held:
                if held.row is not None and held.row.state == REDACTED:
                    await held.say()
        await self._store.receipt_said_again(receipt.code)

    def _remote(self, row: Connection) -> Leaving:
        return self._remotes[parse_platform(row.name)]


def _own(row: Connection | None, merchant: UUID) -> Connection:
    if row is None or row.merchant != merchant:
        raise NotKnown
    return row


def _receipt_of(delivery: Delivery) -> Receipt:
    request = request_of(parse_platform(delivery.connection), delivery.topic, delivery.webhook_id)
    return opened(Kind(delivery.kind.value), (delivery.connection,), request=request)
