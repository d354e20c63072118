"""Made-up collections and discounts for a generated shop."""

from random import Random

from sandbox import sample_texts
from sandbox.shopify.model import Collection, Discount, Items, Rule, Value
from sandbox.shopify.shops import Shop

KINDS = tuple((family, kind) for kind in ("Basic", "Bxgy", "FreeShipping", "App") for family in ("Code", "Automatic"))
_ORDERS = ("MANUAL", "BEST_SELLING", "ALPHA_ASC", "CREATED_DESC", "PRICE_ASC")
_AT = "2026-02-01T09:30:00Z"


def add_collections(shop: Shop, rng: Random, count: int, big: int) -> None:
    """`count` collections, manual and smart in turn; the first has `big` products if that is not 0."""
    numbers = [product.number for product in shop.products]
    for index in range(count):
        number = shop.next_number()
        rule = _rule(index) if index % 2 else None
        size = big if big and index == 0 else int(rng.random() * 30)
        title = f"{'All about' if rule else 'Our'} {rule.condition if rule else rng.choice(sample_texts.NOUNS)} {index}"
        image = f"https://cdn.shopify.com/s/files/collections/{number}.png" if index % 3 else None
        shop.collections.put(
            Collection(
                number, title, sample_texts.handle(title, number), "" if index % 4 == 3 else rng.choice(sample_texts.SENTENCES),
                _ORDERS[index // 2 % len(_ORDERS)], _AT, image, title if image and index % 2 else None, rule,
                members=[] if rule else rng.sample(numbers, min(size, len(numbers))),
            )
        )  # fmt: skip


def _rule(index: int) -> Rule:
    column = ("TAG", "VENDOR", "TYPE")[index // 2 % 3]
    words = {"TAG": sample_texts.TAGS, "VENDOR": sample_texts.VENDORS, "TYPE": sample_texts.TYPES[:-1]}[column]
    return Rule(column, words[index // 6 % len(words)])


def add_discounts(shop: Shop, rng: Random, count: int, codes: int, big: int) -> None:
    """`count` discounts of all eight types in turn, `codes` codes each; the first code discount has `big` if not 0."""
    for index in range(count):
        family, kind = KINDS[index % len(KINDS)]
        discount = make_discount(shop, rng, family, kind, f"{rng.choice(sample_texts.TAGS).upper()} {kind} №{index}")
        if family == "Code":
            prefix = f"{kind.upper()}{index}"
            size = big if big and index == 0 else codes
            discount.codes = {shop.next_number(): f"{prefix}-{n:06}" for n in range(size)}
        shop.discounts.put(discount)


def make_discount(shop: Shop, rng: Random, family: str, kind: str, title: str) -> Discount:
    """A discount of that type with made-up terms and no codes."""
    starts = "2027-06-01T00:00:00Z" if rng.random() > 0.85 else "2026-03-01T00:00:00Z"
    ends = "2026-05-01T00:00:00Z" if rng.random() > 0.85 else ("2029-12-31T23:59:59Z" if rng.random() > 0.6 else None)
    discount = Discount(shop.next_number(), family, kind, title, starts, _AT, _AT, max(ends, starts) if ends else None)
    discount.combines_with = {name: rng.random() > 0.5 for name in ("order", "product", "shipping")}
    if family == "Code":
        discount.usage_limit = rng.choice([None, 1, 500])
        discount.once_per_customer = rng.random() > 0.5
    _TERMS[kind](shop, rng, discount)
    return discount


def _basic(shop: Shop, rng: Random, discount: Discount) -> None:
    discount.gets = Value("amount", amount="12.5") if rng.random() > 0.5 else Value("percentage", percentage=0.15)
    discount.gets_items = _items(shop, rng)
    _minimum(rng, discount)


def _bxgy(shop: Shop, rng: Random, discount: Discount) -> None:
    effect = Value("percentage", percentage=1.0) if rng.random() > 0.4 else Value("amount", amount="5.0")
    discount.gets = Value("quantity", quantity=1, effect=effect)
    discount.gets_items, discount.buys_items = _items(shop, rng), _items(shop, rng)
    if rng.random() > 0.5:
        discount.buys_quantity = 2
    else:
        discount.buys_amount = "40.0"
    discount.uses_per_order_limit = rng.choice([None, 1, 3])


def _free_shipping(_: Shop, rng: Random, discount: Discount) -> None:
    if rng.random() > 0.5:
        discount.countries, discount.rest_of_world = ["AT", "CA", "DE"], rng.random() > 0.5
    discount.maximum_shipping_price = "20.0" if rng.random() > 0.5 else None
    _minimum(rng, discount)


def _app(_: Shop, __: Random, discount: Discount) -> None:
    discount.app_title = "Volume discounts “Pro”"


_TERMS = {"Basic": _basic, "Bxgy": _bxgy, "FreeShipping": _free_shipping, "App": _app}


def _minimum(rng: Random, discount: Discount) -> None:
    draw = rng.random()
    discount.minimum_quantity = 3 if draw > 0.66 else None
    discount.minimum_subtotal = "50.0" if draw < 0.33 else None


def _items(shop: Shop, rng: Random) -> Items:
    kind = rng.choice(["all", "products", "collections"])
    if kind == "collections":
        return Items(kind, collections=_some(rng, [c.number for c in shop.collections], 2))
    if kind == "products":
        variants = _some(rng, [v.number for v in shop.variants.between(None, None)[:500]], 3)
        return Items(kind, _some(rng, [p.number for p in shop.products.between(None, None)[:500]], 3), variants)
    return Items()


def _some(rng: Random, numbers: list[int], count: int) -> list[int]:
    return sorted(rng.sample(numbers, min(count, len(numbers))))
