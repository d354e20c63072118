"""Changes stock by counts that Odoo applies: each change once, whatever is cut off.

| call | then |
|-|-|
| `write` or `create` of a quant | a count of it waits |
| `write` of the difference | it is a count of the quantity that was read, and not of the one that is there now |
| `create` of a wizard | it has the quants and a name, which is the id of the write |
| `action_apply` of the wizard | Odoo makes a move of that name, unless the quantity has changed meanwhile |

Whether the move is there tells whether the change was made. The wizard leaves out quants without a count. So a call
that Odoo carries out late, after it was repeated or the count was withdrawn, does nothing; `action_apply_inventory` by
itself would count such a quant as nothing, from Odoo 19 on.
"""

from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Any

from contracts.events import WriteRequested
from destination.destination import WriteResult
from odoo_writer.refusals import ACCESS_DENIED, RefusedWriteError, build_refusal
from odoo_writer.sessions import WRITING, WritingSession
from odoo_writer.stock_changes import (
    StockChange,
    StockCount,
    StockStep,
    build_ended,
    build_stock_refusal,
    decide_change,
    parse_change,
)
from odoo_writer.stock_levels import DIGITS, QUANT, StockLevelReader, StockLevels, StockPlaces
from odoo_writer.writable_fields import WritableFields
from platform_sdk.errors import AccessDeniedError, ConnectionEndedError, PermanentError, RetryLaterError
from platforms.odoo.calls import Context
from platforms.odoo.errors import MissingRecordError, NotOdooError
from platforms.odoo.reading import Clock

ADJUSTMENT = "stock.inventory.adjustment.name"
COUNTING: Context = {**WRITING, "inventory_mode": True}
RIGHTS_HINT = "the user of the key needs the group Inventory / User in Odoo"


class StockWriter:
    """Carries out requests for stock at one database. `user` is the id of the session's user."""

    def __init__(self, session: WritingSession, user: int, database: WritableFields, now: Clock) -> None:
        self._session = session
        self._user = user
        self._database = database
        self._levels = StockLevelReader(session, database, now)

    async def write(self, requests: Sequence[WriteRequested]) -> AsyncGenerator[WriteResult, None]:
        """Yield a result for each request, in which no variant comes twice.

        All stock is read first, then each request is carried out by itself, and the stock of these is read again.
        Raises RetryLaterError where the outcome of a call is not known, after the results of the requests before.
        """
        changes: list[StockChange] = []
        for request in requests:
            try:
                changes.append(self._parse(request))
            except RefusedWriteError as refusal:
                yield build_stock_refusal(request, refusal)
        places, levels = await self._read_places(changes), await self._read_levels(changes)
        steps: list[StockStep] = []
        for change in changes:
            decided = self._decide(change, places, levels)
            if isinstance(decided, StockStep):
                steps.append(decided)
            else:
                yield decided
        failure: RetryLaterError | None = None
        ended: list[StockChange] = []
        for step in steps:
            try:
                await self._carry_out(step)
            except RefusedWriteError as refusal:
                yield build_stock_refusal(step.change.request, refusal)
            except RetryLaterError as error:
                failure = error
                break
            else:
                ended.append(step.change)
        after = await self._read_levels(ended)
        for change in ended:
            yield build_ended(change, after)
        if failure:
            raise failure

    def _parse(self, request: WriteRequested) -> StockChange:
        if not self._database.fields.has_stock:
            raise RefusedWriteError("the database has no app for stock")
        return parse_change(request)

    def _decide(self, change: StockChange, places: StockPlaces, levels: StockLevels) -> StockStep | WriteResult:
        try:
            return decide_change(change, places, levels, self._user)
        except RefusedWriteError as refusal:
            return build_stock_refusal(change.request, refusal)

    async def _read_places(self, changes: Sequence[StockChange]) -> StockPlaces:
        return await self._levels.read_places(key for change in changes for key in change.keys)

    async def _read_levels(self, changes: Sequence[StockChange]) -> StockLevels:
        try:
            return await self._levels.read_levels({change.request.write_id: change.keys for change in changes})
        except AccessDeniedError as error:
            raise AccessDeniedError(f"{error.reason} ({RIGHTS_HINT})") from None

    async def _carry_out(self, step: StockStep) -> None:
        """Apply the counts of a step together, or withdraw others. Raises RefusedWriteError for what Odoo refuses.

        Returns as well where nothing was applied because something has changed: the stock is read again.
        """
        entered: list[int] = []
        try:
            await self._withdraw(step.withdrawn)
            for count in step.counts:
                await self._enter(step.change, count, entered)
            if entered and is_wizard(await self._apply(step.change, entered)):
                await self._withdraw(entered)
        except (ConnectionEndedError, NotOdooError):
            raise
        except MissingRecordError:
            # Odoo merges and deletes quants whenever somebody looks at a list of them.
            await self._withdraw_if_allowed(entered)
        except PermanentError as error:
            await self._withdraw_if_allowed(entered)
            raise _explain(error) from None

    async def _enter(self, change: StockChange, count: StockCount, entered: list[int]) -> None:
        """Enter a count and add its quant to `entered`. It waits until it is applied."""
        counted = {"inventory_quantity": round(count.on_hand + count.added, DIGITS), "user_id": self._user}
        quant = count.quant
        if quant is None:
            place = {"product_id": change.product, "location_id": count.location}
            (quant,) = await self._session.call_once(
                QUANT, "create", context=COUNTING, vals_list=[{**place, **counted}]
            )
        else:
            await self._session.call_once(QUANT, "write", [quant], context=COUNTING, vals=counted)
        entered.append(quant)
        # Odoo has taken this for a count of the quantity that is there now. Written with the count it would do so too.
        difference = {"inventory_diff_quantity": count.added}
        await self._session.call_once(QUANT, "write", [quant], context=COUNTING, vals=difference)

    async def _apply(self, change: StockChange, quants: Sequence[int]) -> Any:
        name = str(change.request.write_id)
        values = {"quant_ids": [[6, 0, list(quants)]], "inventory_adjustment_name": name}
        (wizard,) = await self._session.call_once(ADJUSTMENT, "create", context=COUNTING, vals_list=[values])
        return await self._session.call_once(ADJUSTMENT, "action_apply", [wizard], context=COUNTING)

    async def _withdraw(self, quants: Iterable[int]) -> None:
        numbers = list(quants)
        if numbers:
            await self._session.call_once(QUANT, "action_clear_inventory_quantity", numbers, context=COUNTING)

    async def _withdraw_if_allowed(self, quants: Sequence[int]) -> None:
        try:
            await self._withdraw(quants)
        except (ConnectionEndedError, NotOdooError):
            raise
        except PermanentError:
            # The refusal of the write itself says what is wrong. A count that stays changes no stock.
            return


def is_wizard(answer: Any) -> bool:
    """Return whether Odoo asks a person what to do, and has applied nothing."""
    return isinstance(answer, dict)


def _explain(error: PermanentError) -> RefusedWriteError:
    refusal = build_refusal(error)
    if refusal.code != ACCESS_DENIED:
        return refusal
    return RefusedWriteError(f"{refusal.reason} ({RIGHTS_HINT})", refusal.code)
