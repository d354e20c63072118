"""The shop itself, and its locations."""

from contracts.events import Record
from shopify_fetcher.building import Built, Moment, Node
from shopify_fetcher.generated.fragments import LocationBody
from shopify_fetcher.generated.read_shop import ReadShopShop
from shopify_fetcher.gids import number


def shop_record(shop: ReadShopShop, moment: Moment) -> Record:
    """The shop's record; it has no time of change."""
    return Record(
        resource="shop",
        id=shop.id,
        read_at=moment.read_at,
        body=shop.model_dump(by_alias=True),
        sort_key=number(shop.id),
    )


def built_location(raw: Node, moment: Moment) -> Built:
    """A location: other records show its name."""
    node = LocationBody.model_validate(raw)
    record = Record(
        resource="locations",
        id=node.id,
        read_at=moment.read_at,
        updated_at=node.updatedAt,
        body={"id": node.id, "name": node.name},
        sort_key=number(node.id),
        lookup_fields={"name": node.name},
    )
    return Built(records=[record])
