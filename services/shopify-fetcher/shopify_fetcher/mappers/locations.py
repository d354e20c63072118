"""Maps locations to records."""

from contracts.events import Record
from platforms.shopify.ids import parse_number
from shopify_fetcher.generated.fragments import LocationBody
from shopify_fetcher.mappers.mapped_records import MappedRecords, Node, ResponseInfo


def map_location(raw: Node, info: ResponseInfo) -> MappedRecords:
    """Map a location to its record.

    The `lookup_fields` contain the location's name, because the snapshot document shows it with the inventory.
    """
    node = LocationBody.model_validate(raw)
    record = Record(
        resource="locations",
        id=node.id,
        read_at=info.read_at,
        updated_at=node.updatedAt,
        body={"id": node.id, "name": node.name},
        sort_key=parse_number(node.id),
        lookup_fields={"name": node.name},
    )
    return MappedRecords(records=[record])
