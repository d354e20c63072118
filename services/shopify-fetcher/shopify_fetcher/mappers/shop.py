"""Maps the shop itself to a record."""

from contracts.events import Record
from platforms.shopify.ids import parse_number
from shopify_fetcher.generated.read_shop import ReadShopShop


def map_shop(shop: ReadShopShop, read_at: int) -> Record:
    """Map the shop to its record. The record has no `updated_at`, because Shopify gives none for shops."""
    return Record(
        resource="shop",
        id=shop.id,
        read_at=read_at,
        body=shop.model_dump(by_alias=True),
        sort_key=parse_number(shop.id),
    )
