"""Inventory records: an item with all its levels, whether it came with its product or was read by itself."""

from typing import Any

from contracts.events import Record
from shopify_fetcher.building import Built, Moment, Node, rest
from shopify_fetcher.generated.fragments import ItemBody, LevelPage, VariantPage, VariantPageEdgesNode
from shopify_fetcher.gids import number

LEVELS = "levels"
_STOCK = {"inventoryItem"}


def levels(page: LevelPage) -> list[Node]:
    """Levels by the number of their location, each with the gid of its location where that may be read."""
    found = [
        {
            "id": edge.node.id,
            "location": edge.node.location.id if edge.node.location else None,
            "quantities": [{"name": q.name, "quantity": q.quantity} for q in edge.node.quantities],
        }
        for edge in page.edges
    ]
    return sorted(found, key=lambda level: number(level["location"] or level["id"]))


def with_variants(page: VariantPage, product: str, moment: Moment) -> tuple[list[Node], Built]:
    """The variants of a product's answer as they stand in its body, and the inventory that came with them."""
    edges: list[Node] = []
    built = Built()
    for typed in page.edges:
        node = typed.node.model_dump(by_alias=True, exclude=_STOCK)
        edges.append({"node": {**node, "inventoryItem": {"id": typed.node.inventoryItem.id}}})
        if moment.stock:
            _came_along(typed.node, product, moment, built)
    return edges, built


def _came_along(variant: VariantPageEdgesNode, product: str, moment: Moment, built: Built) -> None:
    item = variant.inventoryItem
    if item.inventoryLevels is None or item.tracked is None or item.inventoryLevels.pageInfo.hasNextPage:
        built.short[item.id] = product
        return
    selling = {variant.id: variant.availableForSale}
    body = _body(item.tracked, selling, item.inventoryLevels)
    built.records.append(_record(item.id, item.updatedAt, body, product, moment))


def built_item(raw: Node, moment: Moment) -> Built:
    """An inventory item that was asked for directly."""
    node = ItemBody.model_validate(raw)
    variants = [edge.node for edge in node.variants.edges] if node.variants else []
    body = _body(node.tracked, {variant.id: variant.availableForSale for variant in variants}, node.inventoryLevels)
    parent = variants[0].product.id if variants else None
    built = Built()
    chain = moment.chain("inventory", node.id, rest(LEVELS, node.inventoryLevels.pageInfo))
    built.add(_record(node.id, node.updatedAt, body, parent, moment), chain)
    return built


def _body(tracked: bool, selling: dict[str, bool], page: LevelPage) -> Node:
    return {"tracked": tracked, "variants": selling, "levels": levels(page)}


def _record(gid: str, updated_at: Any, body: Node, parent: str | None, moment: Moment) -> Record:
    return Record(
        resource="inventory",
        id=gid,
        read_at=moment.read_at,
        updated_at=updated_at,
        body=body,
        sort_key=number(gid),
        parent=parent,
    )
