"""What people say of sales: that they were booked on the side that counts the stock."""

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from linker.stock_plans import find_state
from linker.store import pairs
from linker.store.links import Link
from linking.fields import Group
from linking.settings import LinkSettings
from linking.stock import settle_unbooked
from platform_sdk.errors import RequestRejectedError

log = structlog.get_logger()
CONFLICT, NOT_FOUND = 409, 404


async def book_sales(
    tx: AsyncConnection,
    link: Link,
    *,
    record: str | None = None,
    location: str | None = None,
    quantity: int | None = None,
) -> int:
    """Note that what is unbooked was booked on the counting side, and return how many units.

    `record` is the id of a variant on either side, and `location` Shopify's id of a location; None stands for all.
    `quantity` is how many units were booked; None stands for all that are unbooked there. Raises `RequestRejectedError`
    if nothing is unbooked there, or less than `quantity`, or if a `quantity` is given for several numbers.
    """
    rule = LinkSettings.model_validate(link.settings).get_rule(Group.STOCK)
    found = [
        (pair, one)
        for pair in await pairs.list_unbooked(tx, link.id, record)
        for one in pair.unbooked
        if location is None or one == location
    ]
    if not found:
        raise RequestRejectedError(NOT_FOUND, "nothing is unbooked there")
    if quantity is not None and len(found) > 1:
        raise RequestRejectedError(CONFLICT, "several numbers are unbooked there: name the record and the location")
    booked = 0
    for pair, place in found:
        state = find_state(pair, place)
        if state is None:
            continue
        units = state.unbooked if quantity is None else quantity
        try:
            settled = settle_unbooked(state, units, rule)
        except ValueError as error:
            raise RequestRejectedError(CONFLICT, str(error)) from None
        await pairs.save_stock_state(tx, pair.id, place, settled)
        booked += units
    await pairs.mark_pairs_unplanned(tx, [pair.id for pair, _ in found])
    log.info("sales booked", link=str(link.id), units=booked)
    return booked
