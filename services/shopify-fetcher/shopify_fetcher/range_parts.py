"""Lists an id range in parts, each with evidence that none of its ids is missing from the list."""

from dataclasses import dataclass

from connector.source import IdList, RangeEnd
from shopify_fetcher.cursors import FullReadCursor
from shopify_fetcher.id_lists import KEYSETS, CountedList, IdPage, list_and_count, list_ids, list_locations
from shopify_fetcher.read_session import ReadSession


@dataclass(frozen=True)
class RangePart:
    """The ids that Shopify lists above `low`, up to and including `high`.

    `count` is how many it counted in the same response; None where it counts no exact number. `is_repeated` says that
    it gave the same list twice in succession. `is_consistent` says whether this evidence speaks for the list.
    """

    low: int
    high: int | None
    page: IdPage
    count: int | None
    is_repeated: bool
    is_consistent: bool

    def describe_difference(self) -> str:
        """Return in words how the list and the other evidence differ."""
        if self.count is None:
            return "the platform gave two different lists in succession"
        return f"the platform lists {len(self.page.ids)} and counts {self.count}"


class PartLister:
    """Lists the parts of id ranges. A part has at most 250 ids, because one response must show the whole part.

    It remembers the first page of an id range, which comes with the range's bounds. A read that continues at a cursor
    does without it.
    """

    def __init__(self, session: ReadSession) -> None:
        self._session = session
        self._first: CountedList | None = None

    async def list_first(self, cursor: FullReadCursor) -> CountedList:
        """Return the first page of the ids above the cursor's lower bound, with their count and the newest of them."""
        keyset = KEYSETS[cursor.resource]
        self._first = await list_and_count(self._session, keyset, cursor.low, None, include_newest=True)
        return self._first

    def pop_first_page(self, low: int) -> IdPage | None:
        """Return the first page of the id range, once; None when it is not known or does not begin above `low`."""
        first, self._first = self._first, None
        return first.page if first is not None and first.low == low and first.count is not None else None

    async def list_next_part(self, cursor: FullReadCursor) -> RangePart:
        """Return the next part of the cursor's id range that has not been listed with its count."""
        if cursor.resource == "locations":
            first_list, second_list = await list_locations(self._session), await list_locations(self._session)
            is_repeated = first_list == second_list
            return RangePart(cursor.low, cursor.high, second_list, None, is_repeated, is_repeated)
        low = cursor.low if cursor.listed_up_to is None else cursor.listed_up_to
        part = await self._list_part(cursor, low)
        if part.page.has_more:
            part = await list_and_count(self._session, KEYSETS[cursor.resource], low, part.page.last_number)
        return RangePart(low, part.high, part.page, part.count, is_repeated=False, is_consistent=part.is_consistent)

    async def list_unread(self, cursor: FullReadCursor) -> IdPage:
        """Return the ids after the cursor's position that are on its last list, without those that were deleted since.

        Of locations, which cannot be searched by id, newer ones may be among them.
        """
        if cursor.resource == "locations":
            return await list_locations(self._session)
        low = cursor.low if cursor.position is None else cursor.position
        return await list_ids(self._session, KEYSETS[cursor.resource], low, cursor.unread_up_to)

    async def _list_part(self, cursor: FullReadCursor, low: int) -> CountedList:
        first, self._first = self._first, None
        if first is not None and (first.low, first.high) == (low, cursor.high):
            return first
        high = next((end for end in cursor.page_ends if end > low), cursor.high)
        return await list_and_count(self._session, KEYSETS[cursor.resource], low, high)


def build_id_list(cursor: FullReadCursor, part: RangePart) -> IdList:
    """Build the step that publishes a part of the cursor's id range."""
    return IdList(
        resource=cursor.resource,
        id_range=cursor.id_range,
        attempt=cursor.attempt,
        after=_format_lower_bound(part.low),
        up_to=_format_upper_bound(part.high),
        ids=part.page.ids,
        count=part.count,
        is_repeated=part.is_repeated,
    )


def build_range_end(cursor: FullReadCursor) -> RangeEnd:
    """Build the step that ends the cursor's id range, with the counts of the range."""
    return RangeEnd(
        resource=cursor.resource,
        id_range=cursor.id_range,
        attempt=cursor.attempt,
        retry_cursor=cursor.build_retry_cursor().encode(),
        sent_count=cursor.sent_count,
        count_before=cursor.count_before,
        count_after=cursor.count_after,
        has_lists=cursor.is_listed,
        after=_format_lower_bound(cursor.low),
        up_to=_format_upper_bound(cursor.high),
    )


def _format_lower_bound(low: int) -> str:
    return str(low) if low else ""


def _format_upper_bound(high: int | None) -> str | None:
    return None if high is None else str(high)
