"""Generates a shop from a recipe. The same recipe always gives the same shop, down to every id and time."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product as combinations
from random import Random
from zlib import crc32

from pydantic import BaseModel, ConfigDict, Field

from sandbox import sample_texts
from sandbox.shopify import collection_generator, discount_generator
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
    """The parameters of a generated shop. Most of them are numbers of records.

    - `variants`: how many variants every product has. If `big_product_variants` is not 0, the first product has that
      many.
    - `codes`: how many redeem codes every code discount has. If `big_discount_codes` is not 0, the first one has that
      many.
    - `big_collection`: how many products the first manual collection has. With 0, their number is random.
    """

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
def _exclude_from_garbage_collection() -> Iterator[None]:
    # A big shop is millions of new objects, none of them garbage; the collector would scan them again and again.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


def generate_shop(recipe: Recipe) -> Shop:
    """Generate the shop that `recipe` describes."""
    rng = Random(f"{recipe.seed}:{recipe.shop}")
    with _exclude_from_garbage_collection():
        shop = Shop(_build_profile(recipe))
        for index in range(recipe.locations):
            shop.locations.put(_build_location(shop, index))
        locations = [location.number for location in shop.locations]
        for index in range(recipe.products):
            shop.put_product(_build_product(shop, rng, recipe, index, locations))
        collection_generator.add_collections(shop, rng, recipe.collections, recipe.big_collection)
        discount_generator.add_discounts(shop, rng, recipe.discounts, recipe.codes, recipe.big_discount_codes)
    return shop


def choose_time(rng: Random) -> str:
    """Choose a random time in the first half of 2026."""
    r = rng.random
    return (
        f"2026-{1 + int(r() * 6):02}-{1 + int(r() * 28):02}T{int(r() * 24):02}:{int(r() * 60):02}:{int(r() * 60):02}Z"
    )


def _build_profile(recipe: Recipe) -> Profile:
    name = recipe.shop.removesuffix(".myshopify.com")
    number = crc32(recipe.shop.encode())
    start = "2026-01-01T00:00:00Z"
    return Profile(
        number, recipe.shop, name.replace("-", " ").title(), recipe.plan, "EUR" if number % 2 else "USD",
        "Europe/Berlin" if number % 2 else "America/New_York", f"owner@{name}.example", start, start,
        sequence=1_000_000_000_000 + number * 1_000,
    )  # fmt: skip


def _build_location(shop: Shop, index: int) -> Location:
    city, country = sample_texts.CITIES[index % len(sample_texts.CITIES)]
    name = f"{city} {'Store' if index % 2 else 'Warehouse'}{f' {index}' if index >= len(sample_texts.CITIES) else ''}"
    return Location(shop.allocate_number(), name, city, country, "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z")


def _build_product(shop: Shop, rng: Random, recipe: Recipe, index: int, locations: list[int]) -> Product:
    number, title, at = shop.allocate_number(), sample_texts.choose_title(rng), choose_time(rng)
    product = Product(
        number=number,
        handle=sample_texts.build_handle(title, index),
        title=title,
        vendor=rng.choice(sample_texts.VENDORS),
        product_type=rng.choice(sample_texts.TYPES),
        tags=sample_texts.choose_tags(rng),
        status=_STATUSES[index % 10],
        text=sample_texts.choose_sentences(rng, recipe.description_bytes),
        created_at=at,
        updated_at=at,
        category=rng.choice(sample_texts.CATEGORIES),
    )
    count = recipe.big_product_variants if index == 0 and recipe.big_product_variants else recipe.variants
    product.options = build_options(shop, count)
    choices = combinations(*[option.values for option in product.options])
    product.variants = [
        _build_variant(shop, rng, product, position, list(next(choices)), locations) for position in range(1, count + 1)
    ]
    product.media = [_build_media(shop, rng, product, n) for n in range(recipe.media)]
    product.metafields = [_build_metafield(shop, rng, n, at) for n in range(recipe.metafields)]
    return product


def build_options(shop: Shop, variant_count: int) -> list[Option]:
    """Build the options of a product, such as size and color, with enough values to tell its variants apart.

    `variant_count` is the number of variants.
    """
    if variant_count == 1:
        return [Option(shop.allocate_number(), "Title", ["Default Title"])]
    options, combination_count = [], 1
    for name, all_values in _OPTIONS:
        values = all_values[: -(-variant_count // combination_count)]
        options.append(Option(shop.allocate_number(), name, values))
        combination_count *= len(values)
        if combination_count >= variant_count:
            break
    return options


def _build_variant(
    shop: Shop, rng: Random, product: Product, position: int, values: list[str], locations: list[int]
) -> Variant:
    r = rng.random
    number, item = shop.allocate_number(), shop.allocate_number()
    cents, at, discount_draw = int(r() * 20_000) + 99, product.created_at, r()
    levels = [
        Level(item, location, int(r() * 60) - 4, at, r() > 0.02)
        for location in locations
        if location == locations[0] or r() > 0.1
    ]
    return Variant(
        number, item, product.number, " / ".join(values), f"{cents // 100}.{cents % 100:02}", position, values, at,
        at, at,
        sku=f"SKU-{number}" if r() > 0.1 else None,
        barcode=f"{4_000_000_000_000 + number % 999_999_999_999}" if r() > 0.4 else None,
        compare_at_price=f"{cents // 100 + 10}.00" if discount_draw > 0.7 else None,
        policy="CONTINUE" if r() > 0.95 else "DENY",
        tracked=r() > 0.05,
        levels=levels,
        # Without random numbers of their own: more of these would change every shop that is stored already.
        cost=f"{cents * 6 // 1_000}.{cents * 6 // 10 % 100:02}" if number % 8 else None,
        weight=number % 40 * 50.0,
        weight_unit="GRAMS",
    )  # fmt: skip


def _build_media(shop: Shop, rng: Random, product: Product, index: int) -> Media:
    content = "IMAGE" if index < 2 else ("VIDEO", "EXTERNAL_VIDEO", "MODEL_3D", "IMAGE")[index % 4]
    number, is_failed = shop.allocate_number(), rng.random() > 0.97
    alt = None if rng.random() > 0.6 else f"{product.title}, view {index + 1}"
    url = None if is_failed else f"https://cdn.shopify.com/s/files/1/{number}/{product.handle}.jpg?v=1"
    return Media(number, content, alt, "FAILED" if is_failed else "READY", url, product.created_at)


def _build_metafield(shop: Shop, rng: Random, index: int, at: str) -> Metafield:
    templates = (
        ("custom", "care", "single_line_text_field", "Nur von Hand waschen, “ja wirklich”"),
        ("custom", "weight_grams", "number_integer", str(int(rng.random() * 2_000))),
        ("reviews", "rating", "rating", '{"value":"4.5","scale_min":"1.0","scale_max":"5.0"}'),
        ("custom", f"note_{index}", "multi_line_text_field", f"First line\nSecond “line” {index} ✓"),
    )
    namespace, key, type_, value = templates[min(index, 3)]
    return Metafield(shop.allocate_number(), namespace, key, type_, value, at)
