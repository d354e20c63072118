"""Cursors survive their journey, and lead from id range to id range."""

import pytest

from connector.source import UnreadableRecord
from platform_sdk.errors import PermanentError
from shopify_fetcher.chunked_records import Continuation, UnfinishedRecord
from shopify_fetcher.cursors import END, FullReadCursor, IncrementalReadCursor

CHUNKED = UnfinishedRecord(
    "collections",
    "gid://shopify/Collection/1",
    5,
    "c",
    (Continuation("products-by-id", None), Continuation("codes", "x=")),
)
ALL = frozenset({"read_products", "read_inventory", "read_locations", "read_discounts"})
MIDDLE = FullReadCursor(
    "products",
    2,
    10,
    20,
    phase="verified",
    position=20,
    listed_up_to=15,
    is_listed=True,
    unread_up_to=17,
    page_ends=(12, 15),
    tries=2,
    attempt=3,
    sent_count=250,
    count_before=300,
    count_after=299,
    started_at=1_000,
    completed=(("shop", 1),),
    skipped=(("locations", "x"),),
    chunked_records=(CHUNKED,),
)


def test_a_full_reads_cursor_survives() -> None:
    assert FullReadCursor.decode(MIDDLE.encode()) == MIDDLE
    assert FullReadCursor.decode(None) == FullReadCursor("shop")
    assert len(MIDDLE.encode()) < 500


def test_an_incremental_reads_cursor_survives() -> None:
    cursor = IncrementalReadCursor(7, (CHUNKED,), (UnreadableRecord("products", "p", "no"),))
    assert IncrementalReadCursor.decode(cursor.encode()) == cursor


@pytest.mark.parametrize("decode", [FullReadCursor.decode, IncrementalReadCursor.decode])
def test_a_cursor_of_another_version_is_refused(decode: object) -> None:
    with pytest.raises(PermanentError):
        decode('{"v": 99}')


def test_a_bounded_id_range_is_followed_by_the_one_above_it() -> None:
    following = MIDDLE.complete_range(ALL)
    assert following == FullReadCursor(
        "products", 3, 20, started_at=1_000, completed=(("shop", 1),), skipped=(("locations", "x"),)
    )


def test_an_open_id_range_is_followed_by_the_next_resource_that_may_be_read() -> None:
    last = FullReadCursor("shop", started_at=5)
    assert last.complete_range(ALL) == FullReadCursor("locations", started_at=5, completed=(("shop", 1),))
    following = last.complete_range(frozenset({"write_discounts"}))
    assert (following.resource, following.completed) == ("discounts", (("shop", 1),))
    assert dict(following.skipped).keys() == {"locations", "products", "inventory", "collections"}
    assert last.complete_range(frozenset()).resource == END


def test_a_skipped_resource_takes_its_child_resources_along() -> None:
    cursor = FullReadCursor("products", completed=(("shop", 1),)).skip_resource(
        frozenset({"read_inventory", "read_discounts"})
    )
    assert cursor.resource == "discounts"
    assert set(dict(cursor.skipped).values()) == {"scope read_products was not granted"}
    assert dict(cursor.skipped).keys() == {"products", "inventory", "collections"}
    assert cursor.completed == (("shop", 1),)


def test_chunked_records_of_a_skipped_resource_do_not_continue() -> None:
    inventory = UnfinishedRecord("inventory", "gid://shopify/InventoryItem/1", 5, "c", (Continuation("levels", "x"),))
    cursor = FullReadCursor("products", chunked_records=(inventory, CHUNKED)).exclude_resource(
        "inventory", frozenset({"read_products"})
    )
    assert cursor.chunked_records == (CHUNKED,)
    assert cursor.skipped == (("inventory", "scope read_inventory was not granted"),)
    assert cursor.exclude_resource("inventory", frozenset()) == cursor


def test_an_id_range_is_read_again_alone_as_the_next_attempt() -> None:
    retry = MIDDLE.build_retry_cursor()
    assert retry == FullReadCursor("products", 2, 10, 20, attempt=4, is_retry=True)


def test_a_chunked_record_follows_its_lists_to_their_ends() -> None:
    assert CHUNKED.build_first_chunk_info().next_cursor == "products-by-id:"
    remaining = CHUNKED.advance("y")
    assert remaining is not None
    assert remaining.continuations == (Continuation("products-by-id", "y"), Continuation("codes", "x="))
    assert CHUNKED.build_chunk_info(("products",), remaining).next_cursor == "products-by-id:y"
    last_list = remaining.advance(None)
    assert last_list is not None
    assert (
        remaining.build_chunk_info(("products",), last_list).next_cursor
        == last_list.continuations[0].cursor
        == "codes:x="
    )
    assert last_list.advance(None) is None
    assert last_list.build_chunk_info(("codes",), None).is_last
