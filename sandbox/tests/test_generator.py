from dataclasses import asdict
from typing import Any

import pytest
from pydantic import ValidationError

from sandbox.shopify.generator import Recipe, generate_shop
from sandbox.shopify.shops import Shop


def _dump_shop(shop: Shop) -> list[Any]:
    tables = (shop.products, shop.collections, shop.discounts, shop.locations)
    return [asdict(shop.profile), *(asdict(record) for table in tables for record in table)]


def test_the_same_recipe_gives_the_same_shop() -> None:
    recipe = Recipe(shop="acme.myshopify.com", products=30, seed=4)
    assert _dump_shop(generate_shop(recipe)) == _dump_shop(generate_shop(recipe))


def test_seeds_and_names_make_different_shops() -> None:
    first = _dump_shop(generate_shop(Recipe(shop="acme.myshopify.com", products=5)))
    assert first != _dump_shop(generate_shop(Recipe(shop="acme.myshopify.com", products=5, seed=1)))
    assert first != _dump_shop(generate_shop(Recipe(shop="emca.myshopify.com", products=5)))


def test_every_kind_of_record_can_be_numerous() -> None:
    shop = generate_shop(
        Recipe(
            shop="big.myshopify.com", products=300, variants=2, big_product_variants=2_048, locations=12, collections=9,
            big_collection=250, discounts=16, big_discount_codes=5_000,
        )
    )  # fmt: skip
    sizes = [len(product.variants) for product in shop.products]
    assert max(sizes) == 2_048 and len({tuple(v.values) for v in next(iter(shop.products)).variants}) == 2_048
    assert len(shop.locations) == 12 and len(next(iter(shop.collections)).members) == 250
    assert len({d.typename for d in shop.discounts}) == 8 and max(len(d.codes) for d in shop.discounts) == 5_000
    assert {p.status for p in shop.products} == {"ACTIVE", "DRAFT", "ARCHIVED", "UNLISTED"}
    assert {m.namespace for p in shop.products for m in p.metafields} == {"custom", "reviews"}


@pytest.mark.parametrize("shop", ["evil.com#.myshopify.com", "Acme.myshopify.com", "acme", "acme.myshopify.com\n"])
def test_a_recipe_needs_the_domain_of_a_shop(shop: str) -> None:
    with pytest.raises(ValidationError):
        Recipe(shop=shop)
