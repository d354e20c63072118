"""Places survive their journey, and lead from window to window."""

import pytest

from connector.source import UnreadableRecord
from platform_sdk.errors import PermanentError
from shopify_fetcher.chains import Chain, Rest
from shopify_fetcher.cursors import END, ReadPlace, WalkPlace

CHAIN = Chain("collections", "gid://shopify/Collection/1", 5, "c", (Rest("products-by-id", None), Rest("codes", "x=")))
ALL = frozenset({"read_products", "read_inventory", "read_locations", "read_discounts"})
MIDDLE = WalkPlace(
    "products", 2, 10, 20, "15", 3, 250, True, 300, False, 1_000, (("shop", 1),), (("locations", "x"),), (CHAIN,)
)


def test_a_walks_place_survives() -> None:
    assert WalkPlace.decoded(MIDDLE.encoded()) == MIDDLE
    assert WalkPlace.decoded(None) == WalkPlace("shop")
    assert len(MIDDLE.encoded()) < 500


def test_a_fetchs_place_survives() -> None:
    place = ReadPlace(7, (CHAIN,), (UnreadableRecord("products", "p", "no"),))
    assert ReadPlace.decoded(place.encoded()) == place


@pytest.mark.parametrize("decode", [WalkPlace.decoded, ReadPlace.decoded])
def test_a_place_of_another_version_is_refused(decode: object) -> None:
    with pytest.raises(PermanentError):
        decode('{"v": 99}')


def test_a_bounded_window_is_followed_by_the_one_above_it() -> None:
    following = MIDDLE.after_window(ALL)
    assert following == WalkPlace("products", 3, 20, started_at=1_000, done=(("shop", 1),), left=(("locations", "x"),))


def test_an_open_window_is_followed_by_the_next_resource_that_may_be_read() -> None:
    last = WalkPlace("shop", started_at=5)
    assert last.after_window(ALL) == WalkPlace("locations", started_at=5, done=(("shop", 1),))
    following = last.after_window(frozenset({"write_discounts"}))
    assert (following.resource, following.done) == ("discounts", (("shop", 1),))
    assert dict(following.left).keys() == {"locations", "products", "inventory", "collections"}
    assert last.after_window(frozenset()).resource == END


def test_a_resource_that_is_left_out_takes_along_what_comes_with_it() -> None:
    place = WalkPlace("products", done=(("shop", 1),)).after_leaving(frozenset({"read_inventory", "read_discounts"}))
    assert place.resource == "discounts"
    assert set(dict(place.left).values()) == {"scope read_products was not granted"}
    assert dict(place.left).keys() == {"products", "inventory", "collections"}
    assert place.done == (("shop", 1),)


def test_what_is_left_out_is_not_gone_on_with() -> None:
    stock = Chain("inventory", "gid://shopify/InventoryItem/1", 5, "c", (Rest("levels", "x"),))
    place = WalkPlace("products", chains=(stock, CHAIN)).without("inventory", frozenset({"read_products"}))
    assert place.chains == (CHAIN,)
    assert place.left == (("inventory", "scope read_inventory was not granted"),)
    assert place.without("inventory", frozenset()) == place


def test_a_window_is_walked_again_alone_with_the_next_attempts_number() -> None:
    again = MIDDLE.again()
    assert (again.window, again.low, again.high, again.attempt, again.alone) == (2, 10, 20, 4, True)
    assert (again.at, again.sent, again.opened, again.before, again.chains) == (None, 0, False, None, ())


def test_a_chain_follows_its_lists_to_their_ends() -> None:
    assert CHAIN.opening.next_cursor == "products-by-id:"
    more = CHAIN.following("y")
    assert more is not None
    assert more.rests == (Rest("products-by-id", "y"), Rest("codes", "x="))
    assert CHAIN.part(("products",), more).next_cursor == "products-by-id:y"
    last_list = more.following(None)
    assert last_list is not None
    assert more.part(("products",), last_list).next_cursor == last_list.rests[0].token == "codes:x="
    assert last_list.following(None) is None
    assert last_list.part(("codes",), None).is_last
