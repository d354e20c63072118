"""Generates discounts with random terms."""

from random import Random

from sandbox import sample_texts
from sandbox.shopify.model import Discount, Items, Value
from sandbox.shopify.shops import Shop

TYPES = tuple((family, kind) for kind in ("Basic", "Bxgy", "FreeShipping", "App") for family in ("Code", "Automatic"))
_CREATED_AT = "2026-02-01T09:30:00Z"


def add_discounts(shop: Shop, rng: Random, count: int, codes: int, first_codes: int) -> None:
    """Add `count` discounts with random terms to `shop`. The eight types of discounts take turns.

    A type is a family (Code or Automatic) and a kind (Basic, Bxgy, FreeShipping or App). Each discount of the family
    Code has `codes` redeem codes. If `first_codes` is not 0, the first one has `first_codes`.
    """
    for index in range(count):
        family, kind = TYPES[index % len(TYPES)]
        title = f"{rng.choice(sample_texts.TAGS).upper()} {kind} №{index}"
        discount = build_discount(shop, rng, family, kind, title)
        if family == "Code":
            prefix = f"{kind.upper()}{index}"
            size = first_codes if first_codes and index == 0 else codes
            discount.codes = {shop.allocate_number(): f"{prefix}-{n:06}" for n in range(size)}
        shop.discounts.put(discount)


def build_discount(shop: Shop, rng: Random, family: str, kind: str, title: str) -> Discount:
    """Generate a discount with random terms, but without redeem codes. The caller adds it to `shop`.

    `family` is Code or Automatic; `kind` is Basic, Bxgy (buy X, get Y), FreeShipping or App.
    """
    starts_at = "2027-06-01T00:00:00Z" if rng.random() > 0.85 else "2026-03-01T00:00:00Z"
    ends_at = _choose_end(rng)
    discount = Discount(
        shop.allocate_number(), family, kind, title, starts_at, _CREATED_AT, _CREATED_AT,
        max(ends_at, starts_at) if ends_at else None,
    )  # fmt: skip
    discount.combines_with = {name: rng.random() > 0.5 for name in ("order", "product", "shipping")}
    if family == "Code":
        discount.usage_limit = rng.choice([None, 1, 500])
        discount.once_per_customer = rng.random() > 0.5
    _TERM_SETTERS[kind](shop, rng, discount)
    return discount


def _choose_end(rng: Random) -> str | None:
    if rng.random() > 0.85:
        return "2026-05-01T00:00:00Z"
    return "2029-12-31T23:59:59Z" if rng.random() > 0.6 else None


def _set_basic_terms(shop: Shop, rng: Random, discount: Discount) -> None:
    discount.gets = Value("amount", amount="12.5") if rng.random() > 0.5 else Value("percentage", percentage=0.15)
    discount.gets_items = _choose_items(shop, rng)
    _set_minimum(rng, discount)


def _set_bxgy_terms(shop: Shop, rng: Random, discount: Discount) -> None:
    effect = Value("percentage", percentage=1.0) if rng.random() > 0.4 else Value("amount", amount="5.0")
    discount.gets = Value("quantity", quantity=1, effect=effect)
    discount.gets_items, discount.buys_items = _choose_items(shop, rng), _choose_items(shop, rng)
    if rng.random() > 0.5:
        discount.buys_quantity = 2
    else:
        discount.buys_amount = "40.0"
    discount.uses_per_order_limit = rng.choice([None, 1, 3])


def _set_free_shipping_terms(_: Shop, rng: Random, discount: Discount) -> None:
    if rng.random() > 0.5:
        discount.countries, discount.rest_of_world = ["AT", "CA", "DE"], rng.random() > 0.5
    discount.maximum_shipping_price = "20.0" if rng.random() > 0.5 else None
    _set_minimum(rng, discount)


def _set_app_terms(_: Shop, __: Random, discount: Discount) -> None:
    discount.app_title = "Volume discounts “Pro”"


_TERM_SETTERS = {
    "Basic": _set_basic_terms, "Bxgy": _set_bxgy_terms, "FreeShipping": _set_free_shipping_terms, "App": _set_app_terms,
}  # fmt: skip


def _set_minimum(rng: Random, discount: Discount) -> None:
    draw = rng.random()
    discount.minimum_quantity = 3 if draw > 0.66 else None
    discount.minimum_subtotal = "50.0" if draw < 0.33 else None


def _choose_items(shop: Shop, rng: Random) -> Items:
    kind = rng.choice(["all", "products", "collections"])
    if kind == "collections":
        return Items(kind, collections=_choose_numbers(rng, [c.number for c in shop.collections], 2))
    if kind == "products":
        variants = _choose_numbers(rng, [v.number for v in shop.variants.list_between(None, None)[:500]], 3)
        products = _choose_numbers(rng, [p.number for p in shop.products.list_between(None, None)[:500]], 3)
        return Items(kind, products, variants)
    return Items()


def _choose_numbers(rng: Random, numbers: list[int], count: int) -> list[int]:
    return sorted(rng.sample(numbers, min(count, len(numbers))))
