"""The real client and both lanes against a sandbox of its own: everything that is there comes out."""

from typing import Any

from contracts.events import WalkEnded, WindowEnded


async def test_a_walk_brings_the_whole_shop(open_shop: Any, rebuilt: Any) -> None:
    shop = await open_shop(
        "whole.myshopify.com",
        products=600,
        variants=5,
        locations=2,
        collections=12,
        big_collection=590,
        discounts=24,
        codes=3,
        big_discount_codes=1200,
        big_product_variants=300,
    )
    progressed = await shop.walk()
    assert [p.outcome for p in progressed] == ["walked"], progressed[-1].reason
    assert rebuilt(shop.voice.records) == shop.document()
    ended = shop.voice.events(WalkEnded)
    assert ended[0].windows == (("shop", 0), ("locations", 0), ("products", 0), ("collections", 0), ("discounts", 0))
    products = next(w for w in shop.voice.events(WindowEnded) if w.resource == "products")
    assert (products.sent, products.count_before, products.count_after) == (600, 600, 600)
