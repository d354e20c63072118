"""`<shop>/shopify_data.json`: every current record of a shop, in the shape that readers parse.

Each value is shown from its one source: titles and handles inside collections and discounts from the products
and collections themselves, location names from the locations, stock from the inventory records. What names a
record that is gone is left out with it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from spaces_writer.canonical import canonical
from spaces_writer.layouts import Records, Stored

Node = dict[str, Any]
Facts = Mapping[str, Mapping[str, str | None]]
PAGE_INFO = b'"pageInfo":{"endCursor":null,"hasNextPage":false}'
CODE_FAMILY = "gid://shopify/DiscountCodeNode/"


Titles = Mapping[str, str | None]


@dataclass(frozen=True)
class Names:
    """What records show of others: facts and titles by id; titles of variants only of those that discounts name."""

    products: Facts
    locations: Facts
    product_titles: Titles
    collection_titles: Titles
    variant_titles: Titles


async def pieces(records: Records) -> AsyncIterator[bytes]:
    """The document, piece by piece, keys sorted: discounts by family, collections, products, shop."""
    names = await _names(records)
    discounts = await records.ids("discounts", by_title=True)
    code = [i for i in discounts if i.startswith(CODE_FAMILY)]
    automatic = [i for i in discounts if not i.startswith(CODE_FAMILY)]
    yield b'{"data":{'
    for key, resource, ids, render in (
        ("automaticDiscountNodes", "discounts", automatic, discount_node),
        ("codeDiscountNodes", "discounts", code, discount_node),
        ("collections", "collections", await records.ids("collections", by_title=True), collection_node),
    ):
        async for piece in _connection(key, _rendered(records, resource, ids, render, names)):
            yield piece
    async for piece in _connection("products", _products(records, names)):
        yield piece
    yield b'"shop":' + await _shop(records) + b"}}"


async def _connection(key: str, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield f'"{key}":{{"edges":['.encode()
    comma = b""
    async for chunk in chunks:
        yield comma + chunk
        comma = b","
    yield b"]," + PAGE_INFO + b"},"


async def _rendered(
    records: Records, resource: str, ids: Sequence[str], render: Callable[[Node, Names], Node], names: Names
) -> AsyncIterator[bytes]:
    async for chunk in records.stored(resource, ids):
        yield await asyncio.to_thread(_edges, [orjson.loads(row.body) for row in chunk], render, names)


def _edges(nodes: Sequence[Node], render: Callable[[Node, Names], Node], names: Names) -> bytes:
    return b",".join(canonical({"node": render(node, names)}) for node in nodes)


async def _products(records: Records, names: Names) -> AsyncIterator[bytes]:
    async for chunk in records.stored("products", await records.ids("products")):
        stock = await records.children("inventory", [row.id for row in chunk])
        yield await asyncio.to_thread(_product_edges, chunk, stock, names)


def _product_edges(chunk: Sequence[Stored], stock: Sequence[Stored], names: Names) -> bytes:
    items = {row.id: (row.read_at, orjson.loads(row.body)) for row in stock}
    return b",".join(canonical({"node": product_node(row, items, names)}) for row in chunk)


async def _shop(records: Records) -> bytes:
    async for chunk in records.stored("shop", await records.ids("shop")):
        return chunk[0].body
    return b"null"


def product_node(row: Stored, items: Mapping[str, tuple[int, Node]], names: Names) -> Node:
    """A product with its variants' stock joined in from the inventory records `items` by inventory item id."""
    node: Node = orjson.loads(row.body)
    for edge in node["variants"]["edges"]:
        variant = edge["node"]
        read_at, item = items.get(variant["inventoryItem"]["id"], (0, {}))
        if read_at > row.read_at:
            variant["availableForSale"] = item["variants"].get(variant["id"], variant["availableForSale"])
        variant["inventoryItem"] = _inventory_item(variant["inventoryItem"]["id"], item, names)
    return node


def _inventory_item(item_id: str, item: Node, names: Names) -> Node:
    levels = [{"node": _level(level, names)} for level in item.get("levels", ())]
    return {"id": item_id, "tracked": item.get("tracked"), "inventoryLevels": {"edges": levels}}


def _level(level: Node, names: Names) -> Node:
    location = level["location"]
    name = names.locations.get(location, {}).get("name") if location else None
    return {"id": level["id"], "location": {"id": location, "name": name}, "quantities": level["quantities"]}


def collection_node(node: Node, names: Names) -> Node:
    """A collection whose products show their own titles and handles, without those that are gone."""
    shown = [
        {"node": {"id": gid, "title": names.products[gid]["title"], "handle": names.products[gid]["handle"]}}
        for gid in node["products"]
        if gid in names.products
    ]
    return {**node, "products": {"edges": shown}}


def discount_node(node: Node, names: Names) -> Node:
    """A discount whose items show the titles of living products, variants and collections."""
    family = "codeDiscount" if "codeDiscount" in node else "automaticDiscount"
    discount = dict(node[family])
    for side in ("customerGets", "customerBuys"):
        if discount.get(side):
            discount[side] = {**discount[side], "items": _items(discount[side]["items"], names)}
    return {**node, family: discount}


def _items(items: Node, names: Names) -> Node:
    match items["__typename"]:
        case "DiscountProducts":
            variants = [gid for gid, _ in items["productVariants"]]
            return {
                "__typename": "DiscountProducts",
                "products": _titled(items["products"], names.product_titles),
                "productVariants": _titled(variants, names.variant_titles),
            }
        case "DiscountCollections":
            shown = _titled(items["collections"], names.collection_titles)
            return {"__typename": "DiscountCollections", "collections": shown}
        case _:
            return items


def _titled(ids: Sequence[str], titles: Titles) -> Node:
    living = sorted((gid for gid in ids if gid in titles), key=numeric_id)
    return {"edges": [{"node": {"id": gid, "title": titles[gid]}} for gid in living]}


def numeric_id(gid: str) -> int:
    """The number at the end of a gid."""
    return int(gid.rpartition("/")[2].partition("?")[0])


async def _names(records: Records) -> Names:
    products = await records.facts("products")
    collections = await records.facts("collections")
    return Names(
        products=products,
        locations=await records.facts("locations"),
        product_titles={gid: facts["title"] for gid, facts in products.items()},
        collection_titles={gid: facts["title"] for gid, facts in collections.items()},
        variant_titles=await _variant_titles(records, await _named_variants(records)),
    )


async def _named_variants(records: Records) -> set[str]:
    """The variants that discounts name."""
    named: set[str] = set()
    async for chunk in records.stored("discounts", await records.ids("discounts")):
        for row in chunk:
            for items in _all_items(orjson.loads(row.body)):
                named.update(gid for gid, _ in items.get("productVariants", ()))
    return named


def _all_items(node: Node) -> list[Node]:
    discount = node.get("codeDiscount") or node.get("automaticDiscount") or {}
    sides = (discount.get("customerGets"), discount.get("customerBuys"))
    return [side["items"] for side in sides if side]


async def _variant_titles(records: Records, named: set[str]) -> dict[str, str]:
    """Titles of the living ones among `named`, from their products."""
    titles: dict[str, str] = {}
    if not named:
        return titles
    async for chunk in records.stored("products", await records.ids("products")):
        titles |= await asyncio.to_thread(_titles_in, chunk, named)
    return titles


def _titles_in(chunk: Sequence[Stored], named: set[str]) -> dict[str, str]:
    variants = (edge["node"] for row in chunk for edge in orjson.loads(row.body)["variants"]["edges"])
    return {variant["id"]: variant["title"] for variant in variants if variant["id"] in named}
