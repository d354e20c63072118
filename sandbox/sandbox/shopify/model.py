"""The records of a shop. `number` is the number in a record's gid. Times are ISO 8601, in UTC and whole seconds."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Level:
    """The stock of one inventory item at one location. `active` is false if the item was disconnected from there."""

    item: int
    location: int
    available: int
    updated_at: str
    active: bool = True


@dataclass(slots=True)
class Metafield:
    """A custom field of a product or a variant. `owner` is a GraphQL MetafieldOwnerType: PRODUCT or PRODUCTVARIANT."""

    number: int
    namespace: str
    key: str
    type: str
    value: str
    updated_at: str
    owner: str = "PRODUCT"


@dataclass(slots=True)
class Variant:
    """A product variant together with its inventory item. In Shopify every variant has exactly one inventory item.

    - `item`: the number of the inventory item.
    - `values`: the variant's option values, in the order of the product's options.
    - `levels`: the inventory levels of the item, sorted by location.
    - `cost`: what the merchant pays for one item, in the shop's currency.
    - `weight`: in the unit `weight_unit`, a GraphQL WeightUnit.
    """

    number: int
    item: int
    product: int
    title: str
    price: str
    position: int
    values: list[str]
    created_at: str
    updated_at: str
    item_updated_at: str
    sku: str | None = None
    barcode: str | None = None
    compare_at_price: str | None = None
    policy: str = "DENY"
    tracked: bool = True
    levels: list[Level] = field(default_factory=list)
    taxable: bool = True
    requires_shipping: bool = True
    cost: str | None = None
    weight: float = 0.0
    weight_unit: str = "KILOGRAMS"
    metafields: list[Metafield] = field(default_factory=list)

    @property
    def available(self) -> int:
        """The sum of the stock at all locations to which the inventory item is connected."""
        return sum(level.available for level in self.levels if level.active)

    @property
    def for_sale(self) -> bool:
        """Whether customers can buy the variant: stock is not tracked, overselling is allowed, or there is stock."""
        return not self.tracked or self.policy == "CONTINUE" or self.available > 0


@dataclass(slots=True)
class Media:
    """An image, a video or a 3D model of a product; `content` is a GraphQL MediaContentType.

    `source` is the address from which Shopify fetches it, `url` the one that it has at Shopify once it is READY.
    """

    number: int
    content: str
    alt: str | None
    status: str
    url: str | None
    updated_at: str
    source: str | None = None


@dataclass(slots=True)
class MetafieldDefinition:
    """The type of all metafields with one namespace and key. `owner` is a GraphQL MetafieldOwnerType.

    With `is_unique`, no two records of the owner type have the same value. Metafields of the type id always are unique.
    """

    number: int
    owner: str
    namespace: str
    key: str
    name: str
    type: str
    description: str | None = None
    is_unique: bool = False


@dataclass(slots=True)
class Option:
    """One dimension in which the variants of a product differ, such as the size.

    `value_numbers` are the numbers in the gids of `values`. While it is empty, they follow from the option's number.
    """

    number: int
    name: str
    values: list[str]
    value_numbers: list[int] = field(default_factory=list)

    def list_value_numbers(self) -> list[int]:
        """Return the number of each value, in the order of the values."""
        return self.value_numbers or [self.number * 100 + index for index in range(len(self.values))]


@dataclass(slots=True)
class Product:
    """A product with its variants, media and metafields.

    `text` is the description: either the text itself, or the indexes of the sentences in `sample_texts.SENTENCES` that
    make it up. The functions of `sample_texts` render both forms. `html` is a description that was written as HTML;
    `text` is then its text.
    """

    number: int
    handle: str
    title: str
    vendor: str
    product_type: str
    tags: list[str]
    status: str
    text: str | list[int]
    created_at: str
    updated_at: str
    category: str | None = None
    options: list[Option] = field(default_factory=list)
    variants: list[Variant] = field(default_factory=list)
    media: list[Media] = field(default_factory=list)
    metafields: list[Metafield] = field(default_factory=list)
    html: str | None = None


@dataclass(slots=True)
class Rule:
    """The condition of a smart collection. A product belongs to it if its `column` equals `condition`.

    `column` is TAG, VENDOR or TYPE. For TAG, one of the product's tags must equal the condition.
    """

    column: str
    condition: str

    def is_match(self, product: Product) -> bool:
        """Return whether `product` belongs to the smart collection with this rule."""
        if self.column == "TAG":
            return self.condition in product.tags
        return self.condition == (product.vendor if self.column == "VENDOR" else product.product_type)


@dataclass(slots=True)
class Collection:
    """A collection of products, either a smart or a manual one.

    A smart collection has a `rule`. A manual collection has `members`, the numbers of its products in the merchant's
    order.
    """

    number: int
    title: str
    handle: str
    description: str
    sort_order: str
    updated_at: str
    image_url: str | None = None
    image_alt: str | None = None
    rule: Rule | None = None
    members: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Items:
    """The items to which a discount applies, or which a customer must buy to get it.

    `kind` is all, products (the products and variants with the listed numbers) or collections (likewise).
    """

    kind: str = "all"
    products: list[int] = field(default_factory=list)
    variants: list[int] = field(default_factory=list)
    collections: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Value:
    """The benefit that a customer gets from a discount.

    `kind` is amount (of money), percentage (from 0 to 1) or quantity (a number of items, to which `effect` applies).
    """

    kind: str
    amount: str = "0.0"
    percentage: float = 0.0
    quantity: int = 0
    effect: "Value | None" = None


@dataclass(slots=True)
class Discount:
    """A discount of one of eight types. `family` is Code or Automatic; `kind` is Basic, Bxgy, FreeShipping or App.

    To get a Bxgy (buy X, get Y) discount, a customer must buy `buys_items`, in the number `buys_quantity` or for the
    sum `buys_amount`. `codes` maps the numbers of redeem codes to the codes.
    """

    number: int
    family: str
    kind: str
    title: str
    starts_at: str
    created_at: str
    updated_at: str
    ends_at: str | None = None
    usage_limit: int | None = None
    once_per_customer: bool = False
    combines_with: dict[str, bool] = field(default_factory=dict)
    gets: Value | None = None
    gets_items: Items = field(default_factory=Items)
    buys_items: Items = field(default_factory=Items)
    buys_quantity: int | None = None
    buys_amount: str | None = None
    minimum_quantity: int | None = None
    minimum_subtotal: str | None = None
    countries: list[str] | None = None
    rest_of_world: bool = False
    maximum_shipping_price: str | None = None
    uses_per_order_limit: int | None = None
    app_title: str = ""
    codes: dict[int, str] = field(default_factory=dict)

    @property
    def typename(self) -> str:
        """The GraphQL type of the discount, such as DiscountCodeBxgy."""
        return f"Discount{self.family}{self.kind}"

    @property
    def node_type(self) -> str:
        """The GraphQL type in the gid of the discount, such as DiscountCodeNode."""
        return f"Discount{self.family}Node"

    def get_status(self, now: str) -> str:
        """Return the status at the time `now`: ACTIVE, SCHEDULED or EXPIRED."""
        if self.ends_at is not None and self.ends_at <= now:
            return "EXPIRED"
        return "SCHEDULED" if self.starts_at > now else "ACTIVE"


@dataclass(slots=True)
class Location:
    """A place where a shop stocks inventory."""

    number: int
    name: str
    city: str
    country: str
    created_at: str
    updated_at: str
    active: bool = True


@dataclass(slots=True)
class Profile:
    """The data of the shop itself, such as its name. `sequence` is the number that was last given to a record."""

    number: int
    domain: str
    name: str
    plan: str
    currency: str
    timezone: str
    email: str
    created_at: str
    updated_at: str
    sequence: int


Record = Product | Collection | Discount | Location | Profile | MetafieldDefinition
