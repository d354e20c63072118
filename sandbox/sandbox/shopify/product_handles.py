"""The handles of products: the part of a product's URL that stands for it. No two products have the same one."""

import re

from sandbox.shopify.model import Product
from sandbox.shopify.shops import Shop


def normalise_handle(text: str) -> str:
    """Return `text` as a handle: in lower case, with one hyphen for whatever is no letter and no digit."""
    return re.sub(r"[\W_]+", "-", text.lower()).strip("-")


def find_product_by_handle(shop: Shop, handle: str) -> Product | None:
    """Return the product with the handle, or None."""
    if not shop.handles:
        shop.handles = {product.handle: product.number for product in shop.products}
    product = shop.products.get(shop.handles.get(handle, 0))
    return product if product is not None and product.handle == handle else None


def assign_handle(shop: Shop, product: Product, handle: str) -> None:
    """Let `find_product_by_handle` find a product that gets this handle."""
    if shop.handles:
        shop.handles[handle] = product.number


def choose_free_handle(shop: Shop, title: str) -> str:
    """Return a handle for a new product with this title, with a number at the end if others have it already."""
    base = normalise_handle(title) or "product"
    handle, number = base, 0
    while find_product_by_handle(shop, handle) is not None:
        number += 1
        handle = f"{base}-{number}"
    return handle
