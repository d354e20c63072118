"""Builds `<shop>/shopify_data.json`, the document with all current records of a shop.

Its form is that of a response of Shopify's GraphQL API, which readers of the bucket parse. Each value is taken from the
one record that owns the value: titles and handles inside collections and discounts come from the products and
collections, names of locations from the locations, and stock from the inventory records. References to deleted records
are left out.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from platform_sdk.documents import RecordsView, StoredRecord, canonicalize

Node = dict[str, Any]
LookupFields = Mapping[str, Mapping[str, str | None]]
Titles = Mapping[str, str | None]
InventoryItems = Mapping[str, tuple[int, Node]]
"""The inventory records by id: when each was read (ms), and its body."""
PAGE_INFO = b'"pageInfo":{"endCursor":null,"hasNextPage":false}'
CODE_DISCOUNT_PREFIX = "gid://shopify/DiscountCodeNode/"


@dataclass(frozen=True)
class References:
    """The titles and other shown fields, by id, of records to which other records refer.

    `variant_titles` contains only variants to which discounts refer.
    """

    products: LookupFields
    locations: LookupFields
    product_titles: Titles
    collection_titles: Titles
    variant_titles: Titles


async def build_document(records_view: RecordsView) -> AsyncIterator[bytes]:
    """Yield the document in pieces of canonical JSON: automatic and code discounts, collections, products, shop."""
    references = await _load_references(records_view)
    discounts = await records_view.list_ids("discounts", by_title=True)
    code = [gid for gid in discounts if gid.startswith(CODE_DISCOUNT_PREFIX)]
    automatic = [gid for gid in discounts if not gid.startswith(CODE_DISCOUNT_PREFIX)]
    yield b'{"data":{'
    for key, resource, ids, render in (
        ("automaticDiscountNodes", "discounts", automatic, render_discount),
        ("codeDiscountNodes", "discounts", code, render_discount),
        ("collections", "collections", await records_view.list_ids("collections", by_title=True), render_collection),
    ):
        async for piece in _build_graphql_connection(
            key, _build_edges(records_view, resource, ids, render, references)
        ):
            yield piece
    async for piece in _build_graphql_connection("products", _build_product_edges(records_view, references)):
        yield piece
    yield b'"shop":' + await _build_shop(records_view) + b"}}"


async def _build_graphql_connection(key: str, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield f'"{key}":{{"edges":['.encode()
    separator = b""
    async for piece in pieces:
        yield separator + piece
        separator = b","
    yield b"]," + PAGE_INFO + b"},"


async def _build_edges(
    records_view: RecordsView,
    resource: str,
    ids: Sequence[str],
    render: Callable[[Node, References], Node],
    references: References,
) -> AsyncIterator[bytes]:
    async for records in records_view.read_records(resource, ids):
        nodes = [orjson.loads(record.body) for record in records]
        yield await asyncio.to_thread(_render_edges, nodes, render, references)


def _render_edges(nodes: Sequence[Node], render: Callable[[Node, References], Node], references: References) -> bytes:
    return b",".join(canonicalize({"node": render(node, references)}) for node in nodes)


async def _build_product_edges(records_view: RecordsView, references: References) -> AsyncIterator[bytes]:
    async for products in records_view.read_records("products", await records_view.list_ids("products")):
        inventory = await records_view.read_children("inventory", [product.id for product in products])
        yield await asyncio.to_thread(_render_product_edges, products, inventory, references)


def _render_product_edges(
    products: Sequence[StoredRecord], inventory: Sequence[StoredRecord], references: References
) -> bytes:
    items = {record.id: (record.read_at, orjson.loads(record.body)) for record in inventory}
    return b",".join(canonicalize({"node": render_product(product, items, references)}) for product in products)


async def _build_shop(records_view: RecordsView) -> bytes:
    async for records in records_view.read_records("shop", await records_view.list_ids("shop")):
        return records[0].body
    return b"null"


def render_product(product: StoredRecord, inventory_items: InventoryItems, references: References) -> Node:
    """Return a product as the document shows it, with the stock of its variants from `inventory_items`."""
    node: Node = orjson.loads(product.body)
    for edge in node["variants"]["edges"]:
        variant = edge["node"]
        read_at, item = inventory_items.get(variant["inventoryItem"]["id"], (0, {}))
        if read_at > product.read_at:
            variant["availableForSale"] = item["variants"].get(variant["id"], variant["availableForSale"])
        variant["inventoryItem"] = _render_inventory_item(variant["inventoryItem"]["id"], item, references)
    return node


def _render_inventory_item(item_id: str, item: Node, references: References) -> Node:
    levels = [{"node": _render_level(level, references)} for level in item.get("levels", ())]
    return {"id": item_id, "tracked": item.get("tracked"), "inventoryLevels": {"edges": levels}}


def _render_level(level: Node, references: References) -> Node:
    location = level["location"]
    name = references.locations.get(location, {}).get("name") if location else None
    return {"id": level["id"], "location": {"id": location, "name": name}, "quantities": level["quantities"]}


def render_collection(node: Node, references: References) -> Node:
    """Return a collection as the document shows it: its products have current titles and handles.

    Deleted products are left out.
    """
    products = references.products
    nodes = [
        {"node": {"id": gid, "title": products[gid]["title"], "handle": products[gid]["handle"]}}
        for gid in node["products"]
        if gid in products
    ]
    return {**node, "products": {"edges": nodes}}


def render_discount(node: Node, references: References) -> Node:
    """Return a discount as the document shows it: its products, variants and collections have current titles.

    Deleted ones are left out.
    """
    kind = "codeDiscount" if "codeDiscount" in node else "automaticDiscount"
    discount = dict(node[kind])
    for side in ("customerGets", "customerBuys"):
        if discount.get(side):
            discount[side] = {**discount[side], "items": _render_discount_items(discount[side]["items"], references)}
    return {**node, kind: discount}


def _render_discount_items(items: Node, references: References) -> Node:
    match items["__typename"]:
        case "DiscountProducts":
            variants = [gid for gid, _ in items["productVariants"]]
            return {
                "__typename": "DiscountProducts",
                "products": _render_titles(items["products"], references.product_titles),
                "productVariants": _render_titles(variants, references.variant_titles),
            }
        case "DiscountCollections":
            collections = _render_titles(items["collections"], references.collection_titles)
            return {"__typename": "DiscountCollections", "collections": collections}
        case _:
            return items


def _render_titles(ids: Sequence[str], titles: Titles) -> Node:
    living = sorted((gid for gid in ids if gid in titles), key=parse_numeric_id)
    return {"edges": [{"node": {"id": gid, "title": titles[gid]}} for gid in living]}


def parse_numeric_id(gid: str) -> int:
    """Return the number at the end of a gid (Shopify's global id)."""
    return int(gid.rpartition("/")[2].partition("?")[0])


async def _load_references(records_view: RecordsView) -> References:
    products = await records_view.read_lookup_fields("products")
    collections = await records_view.read_lookup_fields("collections")
    return References(
        products=products,
        locations=await records_view.read_lookup_fields("locations"),
        product_titles={gid: fields["title"] for gid, fields in products.items()},
        collection_titles={gid: fields["title"] for gid, fields in collections.items()},
        variant_titles=await _load_variant_titles(records_view, await _list_discount_variants(records_view)),
    )


async def _list_discount_variants(records_view: RecordsView) -> set[str]:
    """Return the ids of the variants to which discounts refer."""
    variants: set[str] = set()
    async for records in records_view.read_records("discounts", await records_view.list_ids("discounts")):
        for record in records:
            for items in _list_discount_items(orjson.loads(record.body)):
                variants.update(gid for gid, _ in items.get("productVariants", ()))
    return variants


def _list_discount_items(node: Node) -> list[Node]:
    discount = node.get("codeDiscount") or node.get("automaticDiscount") or {}
    sides = (discount.get("customerGets"), discount.get("customerBuys"))
    return [side["items"] for side in sides if side]


async def _load_variant_titles(records_view: RecordsView, variants: set[str]) -> dict[str, str]:
    """Return the titles, by id, of those of `variants` that exist."""
    titles: dict[str, str] = {}
    if not variants:
        return titles
    async for products in records_view.read_records("products", await records_view.list_ids("products")):
        titles |= await asyncio.to_thread(_find_variant_titles, products, variants)
    return titles


def _find_variant_titles(products: Sequence[StoredRecord], variants: set[str]) -> dict[str, str]:
    nodes = (edge["node"] for product in products for edge in orjson.loads(product.body)["variants"]["edges"])
    return {node["id"]: node["title"] for node in nodes if node["id"] in variants}
