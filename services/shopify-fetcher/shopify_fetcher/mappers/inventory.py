"""Maps inventory items with their levels to records, whether they came with their product or were read directly."""

from typing import Any

from contracts.events import Record
from platforms.shopify.ids import parse_number
from shopify_fetcher.generated.fragments import ItemBody, LevelPage, VariantPage, VariantPageEdgesNode
from shopify_fetcher.mappers.mapped_records import MappedRecords, Node, ResponseInfo, build_continuations

LEVELS = "levels"
_INVENTORY_FIELDS = {"inventoryItem"}


def map_levels(page: LevelPage) -> list[Node]:
    """Map a page of levels (an item's quantities at one location each), in the order of their locations' numbers.

    Each level has the gid of its location, or None where the scopes do not allow locations.
    """
    levels = [
        {
            "id": edge.node.id,
            "location": edge.node.location.id if edge.node.location else None,
            "quantities": [{"name": q.name, "quantity": q.quantity} for q in edge.node.quantities],
        }
        for edge in page.edges
    ]
    return sorted(levels, key=lambda level: parse_number(level["location"] or level["id"]))


def map_variants(page: VariantPage, product: str, info: ResponseInfo) -> tuple[list[Node], MappedRecords]:
    """Map a page of variants of the product with the gid `product`.

    Return the variants as they stand in the body of the product's record (a list of edges), and the inventory records
    that came with them.
    """
    edges: list[Node] = []
    mapped = MappedRecords()
    for edge in page.edges:
        node = edge.node.model_dump(by_alias=True, exclude=_INVENTORY_FIELDS)
        edges.append({"node": {**node, "inventoryItem": {"id": edge.node.inventoryItem.id}}})
        if info.includes_inventory:
            _add_variant_item(edge.node, product, info, mapped)
    return edges, mapped


def map_inventory_item(raw: Node, info: ResponseInfo) -> MappedRecords:
    """Map an inventory item that was requested directly to its record."""
    node = ItemBody.model_validate(raw)
    variants = [edge.node for edge in node.variants.edges] if node.variants else []
    availability = {variant.id: variant.availableForSale for variant in variants}
    body = _build_item_body(node.tracked, availability, node.inventoryLevels)
    parent = variants[0].product.id if variants else None
    continuations = build_continuations(LEVELS, node.inventoryLevels.pageInfo)
    mapped = MappedRecords()
    mapped.add_record(
        _build_item_record(node.id, node.updatedAt, body, parent, info),
        info.build_unfinished_record("inventory", node.id, continuations),
    )
    return mapped


def _add_variant_item(variant: VariantPageEdgesNode, product: str, info: ResponseInfo, mapped: MappedRecords) -> None:
    item = variant.inventoryItem
    if item.inventoryLevels is None or item.tracked is None or item.inventoryLevels.pageInfo.hasNextPage:
        mapped.incomplete_items[item.id] = product
        return
    body = _build_item_body(item.tracked, {variant.id: variant.availableForSale}, item.inventoryLevels)
    mapped.records.append(_build_item_record(item.id, item.updatedAt, body, product, info))


def _build_item_body(tracked: bool, availability: dict[str, bool], page: LevelPage) -> Node:
    return {"tracked": tracked, "variants": availability, "levels": map_levels(page)}


def _build_item_record(gid: str, updated_at: Any, body: Node, parent: str | None, info: ResponseInfo) -> Record:
    return Record(
        resource="inventory",
        id=gid,
        read_at=info.read_at,
        updated_at=updated_at,
        body=body,
        sort_key=parse_number(gid),
        parent=parent,
    )
