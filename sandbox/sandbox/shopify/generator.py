"""A shop from a recipe: the same recipe gives the same shop, down to every id and time."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product as combinations
from random import Random
from zlib import crc32

from pydantic import BaseModel, ConfigDict, Field

from sandbox import sample_texts
from sandbox.shopify import discount_generator
from sandbox.shopify.model import Level, Location, Media, Metafield, Option, Product, Profile, Variant
from sandbox.shopify.shops import Shop

PLANS = ("standard", "advanced", "plus", "enterprise")
_OPTIONS = (
    ("Size", ["XS", "S", "M", "L", "XL", "XXL", "3XL", 'Ø 12"']),
    (
        "Color",
        [f"{shade} {tone}" for tone in ("Red", "Blau", "Vert", "黒") for shade in ("Light", "Dark", "Deep", "Pale")],
    ),
    ("Material", [f"{name} {grade}" for name in sample_texts.MATERIALS[:8] for grade in ("A", "B")]),
)
_STATUSES = ["ACTIVE"] * 7 + ["DRAFT", "ARCHIVED", "UNLISTED"]


class Recipe(BaseModel):
    """All that decides what a new shop looks like. `variants` is the number for each product, except for the first
    product when `big_product_variants` is set; `codes` that of each code discount, except for the first one when
    `big_discount_codes` is; `big_collection` the number of products in the first manual collection."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shop: str = Field(pattern=r"^[a-z0-9][a-z0-9\-]*\.myshopify\.com$")
    seed: int = 0
    plan: str = Field(default="standard", pattern="^(standard|advanced|plus|enterprise)$")
    products: int = Field(default=25, ge=0, le=60_000)
    variants: int = Field(default=3, ge=1, le=2_048)
    big_product_variants: int = Field(default=0, ge=0, le=2_048)
    locations: int = Field(default=2, ge=1, le=200)
    collections: int = Field(default=4, ge=0, le=5_000)
    big_collection: int = Field(default=0, ge=0)
    discounts: int = Field(default=8, ge=0, le=20_000)
    codes: int = Field(default=3, ge=0, le=1_000)
    big_discount_codes: int = Field(default=0, ge=0, le=200_000)
    metafields: int = Field(default=3, ge=0, le=50)
    media: int = Field(default=2, ge=0, le=50)
    description_bytes: int = Field(default=1_000, ge=110, le=60_000)


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Millions of new objects that all stay would make the collector walk them again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


def generate(recipe: Recipe) -> Shop:
    """The shop that `recipe` describes."""
    rng = Random(f"{recipe.seed}:{recipe.shop}")
    with _without_garbage_collection():
        shop = Shop(_profile(recipe))
        for index in range(recipe.locations):
            shop.locations.put(_location(shop, index))
        places = [place.number for place in shop.locations]
        for index in range(recipe.products):
            shop.put_product(_product(shop, rng, recipe, index, places))
        discount_generator.add_collections(shop, rng, recipe.collections, recipe.big_collection)
        discount_generator.add_discounts(shop, rng, recipe.discounts, recipe.codes, recipe.big_discount_codes)
    return shop


def moment(rng: Random) -> str:
    """A time in the first half of 2026."""
    r = rng.random
    return (
        f"2026-{1 + int(r() * 6):02}-{1 + int(r() * 28):02}T{int(r() * 24):02}:{int(r() * 60):02}:{int(r() * 60):02}Z"
    )


def _profile(recipe: Recipe) -> Profile:
    name = recipe.shop.removesuffix(".myshopify.com")
    number = crc32(recipe.shop.encode())
    start = "2026-01-01T00:00:00Z"
    return Profile(
        number, recipe.shop, name.replace("-", " ").title(), recipe.plan, "EUR" if number % 2 else "USD",
        "Europe/Berlin" if number % 2 else "America/New_York", f"owner@{name}.example", start, start,
        sequence=1_000_000_000_000 + number * 1_000,
    )  # fmt: skip


def _location(shop: Shop, index: int) -> Location:
    city, country = sample_texts.CITIES[index % len(sample_texts.CITIES)]
    name = f"{city} {'Store' if index % 2 else 'Warehouse'}{f' {index}' if index >= len(texts.CITIES) else ''}"
    return Location(shop.next_number(), name, city, country, "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z")


def _product(shop: Shop, rng: Random, recipe: Recipe, index: int, places: list[int]) -> Product:
    number, name, at = shop.next_number(), sample_texts.title(rng), moment(rng)
    product = Product(
        number, sample_texts.handle(name, index), name, rng.choice(sample_texts.VENDORS), rng.choice(sample_texts.TYPES), sample_texts.tags(rng),
        _STATUSES[index % 10], sample_texts.body(rng, recipe.description_bytes), at, at, rng.choice(sample_texts.CATEGORIES),
    )  # fmt: skip
    count = recipe.big_product_variants if index == 0 and recipe.big_product_variants else recipe.variants
    product.options = options_for(shop, count)
    choices = combinations(*[option.values for option in product.options])
    product.variants = [_variant(shop, rng, product, p, list(next(choices)), places) for p in range(1, count + 1)]
    product.media = [_media(shop, rng, product, n) for n in range(recipe.media)]
    product.metafields = [_metafield(shop, rng, n, at) for n in range(recipe.metafields)]
    return product


def options_for(shop: Shop, count: int) -> list[Option]:
    """Options with enough values for `count` variants."""
    if count == 1:
        return [Option(shop.next_number(), "Title", ["Default Title"])]
    chosen, room = [], 1
    for name, values in _OPTIONS:
        kept = values[: -(-count // room)]
        chosen.append(Option(shop.next_number(), name, kept))
        room *= len(kept)
        if room >= count:
            break
    return chosen


def _variant(shop: Shop, rng: Random, product: Product, position: int, values: list[str], places: list[int]) -> Variant:
    r = rng.random
    number, item = shop.next_number(), shop.next_number()
    cents, at, dearer = int(r() * 20_000) + 99, product.created_at, r()
    levels = [
        Level(item, place, int(r() * 60) - 4, at, r() > 0.02) for place in places if place == places[0] or r() > 0.1
    ]
    return Variant(
        number, item, product.number, " / ".join(values), f"{cents // 100}.{cents % 100:02}", position, values, at,
        at, at,
        sku=f"SKU-{number}" if r() > 0.1 else None,
        barcode=f"{4_000_000_000_000 + number % 999_999_999_999}" if r() > 0.4 else None,
        compare_at_price=f"{cents // 100 + 10}.00" if dearer > 0.7 else None,
        policy="CONTINUE" if r() > 0.95 else "DENY",
        tracked=r() > 0.05,
        levels=levels,
    )  # fmt: skip


def _media(shop: Shop, rng: Random, product: Product, index: int) -> Media:
    content = "IMAGE" if index < 2 else ("VIDEO", "EXTERNAL_VIDEO", "MODEL_3D", "IMAGE")[index % 4]
    number, failed = shop.next_number(), rng.random() > 0.97
    alt = None if rng.random() > 0.6 else f"{product.title}, view {index + 1}"
    url = None if failed else f"https://cdn.shopify.com/s/files/1/{number}/{product.handle}.jpg?v=1"
    return Media(number, content, alt, "FAILED" if failed else "READY", url, product.created_at)


def _metafield(shop: Shop, rng: Random, index: int, at: str) -> Metafield:
    kinds = (
        ("custom", "care", "single_line_text_field", "Nur von Hand waschen, “ja wirklich”"),
        ("custom", "weight_grams", "number_integer", str(int(rng.random() * 2_000))),
        ("reviews", "rating", "rating", '{"value":"4.5","scale_min":"1.0","scale_max":"5.0"}'),
        ("custom", f"note_{index}", "multi_line_text_field", f"First line\nSecond “line” {index} ✓"),
    )
    namespace, key, type_, value = kinds[min(index, 3)]
    return Metafield(shop.next_number(), namespace, key, type_, value, at)
