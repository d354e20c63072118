"""Generates the collections of a shop."""

from random import Random

from sandbox import sample_texts
from sandbox.shopify.model import Collection, Rule
from sandbox.shopify.shops import Shop

_SORT_ORDERS = ("MANUAL", "BEST_SELLING", "ALPHA_ASC", "CREATED_DESC", "PRICE_ASC")
_UPDATED_AT = "2026-02-01T09:30:00Z"


def add_collections(shop: Shop, rng: Random, count: int, first_size: int) -> None:
    """Add `count` collections to `shop`, alternately manual ones (with listed products) and smart ones (with a rule).

    The first collection is manual. It has `first_size` products, or a random number of products if `first_size` is 0.
    """
    products = [product.number for product in shop.products]
    for index in range(count):
        rule = _build_rule(index) if index % 2 else None
        size = first_size if first_size and index == 0 else None
        shop.collections.put(_build_collection(shop, rng, index, rule, size, products))


def _build_collection(
    shop: Shop, rng: Random, index: int, rule: Rule | None, size: int | None, products: list[int]
) -> Collection:
    number = shop.allocate_number()
    size = int(rng.random() * 30) if size is None else size
    title = f"{'All about' if rule else 'Our'} {rule.condition if rule else rng.choice(sample_texts.NOUNS)} {index}"
    image_url = f"https://cdn.shopify.com/s/files/collections/{number}.png" if index % 3 else None
    return Collection(
        number=number,
        title=title,
        handle=sample_texts.build_handle(title, number),
        description="" if index % 4 == 3 else rng.choice(sample_texts.SENTENCES),
        sort_order=_SORT_ORDERS[index // 2 % len(_SORT_ORDERS)],
        updated_at=_UPDATED_AT,
        image_url=image_url,
        image_alt=title if image_url and index % 2 else None,
        rule=rule,
        members=[] if rule else rng.sample(products, min(size, len(products))),
    )


def _build_rule(index: int) -> Rule:
    column = ("TAG", "VENDOR", "TYPE")[index // 2 % 3]
    conditions = {"TAG": sample_texts.TAGS, "VENDOR": sample_texts.VENDORS, "TYPE": sample_texts.TYPES[:-1]}[column]
    return Rule(column, conditions[index // 6 % len(conditions)])
