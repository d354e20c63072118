"""Sends calls that set the stock of one variant or of many, and reads in the answers what came of each write."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import NAMESPACE_URL, uuid5

from contracts.events import WriteRequested
from destination.destination import AMBIGUOUS_WRITE, APPLIED, WriteResult
from shopify_writer.generated.set_stock import SetStock, SetStockInventorySetQuantitiesUserErrors
from shopify_writer.graphql_documents import SET_STOCK
from shopify_writer.results import SHOPIFY_API, build_quantities, build_refused, describe_errors, find_index
from shopify_writer.targets import Node
from shopify_writer.write_session import MutationRefusedError, UnknownOutcomeError, WriteSession

MAX_QUANTITIES = 250
"""The most quantities that Shopify takes in one call."""
_REFERENCE = "merchant-sync://write/{}"
_CONCURRENT = "IDEMPOTENCY_CONCURRENT_REQUEST"
_MISMATCH = "IDEMPOTENCY_KEY_PARAMETER_MISMATCH"
_STALE = ("CHANGE_FROM_QUANTITY_STALE", "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED")
"""The codes with which a write has not been made because of the quantity at that time, now or at an earlier attempt."""
InputError = SetStockInventorySetQuantitiesUserErrors


@dataclass(frozen=True)
class StockWrite:
    """A request that has something to do. `rows` are the entries of the mutation's input for it, one for a location."""

    request: WriteRequested
    rows: tuple[Node, ...]


@dataclass(frozen=True)
class StockAnswer:
    """What Shopify has answered to a call.

    `results` is what came of its writes; those that are `stale` were not made, because the quantities were other ones.
    The `unmade` ones were not made because of others in the call.
    """

    results: Sequence[WriteResult] = ()
    stale: Sequence[StockWrite] = ()
    unmade: Sequence[StockWrite] = ()


async def send_call(session: WriteSession, call: Sequence[StockWrite]) -> StockAnswer:
    """Send the writes of a call, which Shopify makes all or none.

    Raises the exceptions of `WriteSession.send_mutation`, except for MutationRefusedError.
    """
    call = sorted(call, key=lambda write: write.request.write_id)
    key = _build_key(call)
    variables = {
        "quantities": [row for write in call for row in write.rows],
        "reference": _REFERENCE.format(key),
        "key": key,
    }
    try:
        data, read_at = await session.send_mutation(SetStock, SET_STOCK, variables)
    except MutationRefusedError as error:
        if len(call) > 1:
            return StockAnswer(unmade=call)
        return StockAnswer([build_refused(call[0].request, str(error), SHOPIFY_API)])
    payload = data.inventorySetQuantities
    if payload is None:
        raise UnknownOutcomeError("the answer has no payload")
    if payload.userErrors:
        return _judge_errors(payload.userErrors, call)
    # By the comparison, the quantities after the call are the wanted ones. They are not asked for: an error at one of
    # them would make it look as if the call had been refused.
    return StockAnswer([build_written(write.request, read_at) for write in call])


def list_changed(request: WriteRequested) -> list[str]:
    """List the locations at which a request changes the stock, sorted: a call that is sent again must be the same."""
    return sorted(one for one, wanted in request.fields.items() if request.expected[one] != wanted)


def build_written(request: WriteRequested, read_at: int) -> WriteResult:
    """Return that a write was made. Of locations at which it changes nothing it says nothing."""
    quantities = {location: request.fields[location] for location in list_changed(request)}
    return build_quantities(APPLIED, request, quantities, read_at)


def _build_key(call: Sequence[StockWrite]) -> str:
    ids = sorted(str(write.request.write_id) for write in call)
    return ids[0] if len(ids) == 1 else str(uuid5(NAMESPACE_URL, _REFERENCE.format("+".join(ids))))


def _judge_errors(errors: Sequence[InputError], call: Sequence[StockWrite]) -> StockAnswer:
    """Return what the errors of a refused call say of its writes. Raises UnknownOutcomeError while it is under way."""
    if any(error.code == _CONCURRENT for error in errors):
        raise UnknownOutcomeError(describe_errors(errors))
    if any(error.code == _MISMATCH for error in errors):
        message = describe_errors(errors)
        return StockAnswer([build_refused(write.request, message, AMBIGUOUS_WRITE) for write in call])
    owners = [number for number, write in enumerate(call) for _ in write.rows]
    results, stale, unmade = list[WriteResult](), list[StockWrite](), list[StockWrite]()
    for number, write in enumerate(call):
        own = [error for error in errors if len(call) == 1 or _find_owner(error, owners) == number]
        lasting = [error for error in own if error.code not in _STALE]
        if lasting:
            results.append(build_refused(write.request, describe_errors(lasting)))
        else:
            (stale if own else unmade).append(write)
    return StockAnswer(results, stale, unmade)


def _find_owner(error: InputError, owners: Sequence[int]) -> int | None:
    index = find_index(error, ["input", "quantities"])
    return owners[index] if index is not None and index < len(owners) else None


def split_calls(writes: Sequence[StockWrite]) -> Iterator[list[StockWrite]]:
    """Yield calls of at most MAX_QUANTITIES quantities. Those of one write stay in one call."""
    call: list[StockWrite] = []
    for write in writes:
        if call and sum(len(one.rows) for one in call) + len(write.rows) > MAX_QUANTITIES:
            yield call
            call = []
        call.append(write)
    if call:
        yield call


def split_unmade(unmade: Sequence[StockWrite], size: int) -> list[list[StockWrite]]:
    """Return the calls for writes that were not made in a call of `size` writes."""
    middle = len(unmade) // 2 if len(unmade) == size else 0
    return [list(part) for part in (unmade[:middle], unmade[middle:]) if part]
