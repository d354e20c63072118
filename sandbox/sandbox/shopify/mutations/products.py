"""The mutations productUpdate, productDelete, tagsAdd and tagsRemove."""

from collections.abc import Mapping
from typing import Any

from sandbox.shopify import collection_edits, edits
from sandbox.shopify.fields.context import Args, Context, Resolver, TypedValue, parse_gid_number
from sandbox.shopify.model import Product
from sandbox.shopify.mutations import media
from sandbox.shopify.mutations.identifiers import find_identified_product, get_product
from sandbox.shopify.mutations.metafield_writes import MetafieldValue, parse_metafield, put_metafield
from sandbox.shopify.mutations.product_fields import (
    find_handle_problem,
    find_length_problems,
    has_valid_tags,
    normalise_tags,
    write_fields,
)
from sandbox.shopify.mutations.user_errors import UserError, build_user_error
from sandbox.shopify.product_edit import ProductEdit

_MISSING = "Product does not exist"


def _update_product(_: Any, context: Context, args: Args) -> dict[str, Any]:
    fields, identifier = args.get("product") or {}, args.get("identifier")
    product = find_identified_product(context, identifier) if identifier else get_product(context, fields.get("id"))
    if product is None:
        return {"product": None, "userErrors": [build_user_error(["id"], _MISSING)]}
    sources = args.get("media") or []
    parsed = [parse_metafield(context.shop, product, field) for field in fields.get("metafields") or ()]
    errors = _find_errors(context, product, fields, parsed) + media.find_source_errors(sources)
    if errors:
        return {"product": product, "userErrors": errors}
    edit = ProductEdit(context.shop, context.changes, product)
    write_fields(edit, fields)
    for value in parsed:
        put_metafield(edit, product, value)  # type: ignore[arg-type]
    for source in sources:
        media.add_media(context, edit, source["originalSource"], source.get("alt"), source["mediaContentType"])
    edit.finish()
    _change_collections(context, product, fields)
    return {"product": product, "userErrors": []}


def _find_errors(context: Context, product: Product, fields: Mapping[str, Any], parsed: list[Any]) -> list[UserError]:
    errors = [build_user_error([name], f"{label} {problem}") for name, label, problem in find_length_problems(fields)]
    if "title" in fields and not (fields["title"] or "").strip():
        errors.append(build_user_error(["title"], "Title can't be blank"))
    if not has_valid_tags(fields.get("tags") or []):
        errors.append(build_user_error(["tags"], "Product tags is invalid"))
    problem = find_handle_problem(context.shop, fields.get("handle"), product.number)
    if problem is not None:
        errors.append(build_user_error(["input", "handle"], problem))
    for index, result in enumerate(parsed):
        if not isinstance(result, MetafieldValue):
            errors.append(build_user_error(["metafields", index, result[0]], result[1]))
    return errors


def _change_collections(context: Context, product: Product, fields: Mapping[str, Any]) -> None:
    """Let the product join and leave manual collections. Smart collections cannot be joined or left."""
    for name, change in (("collectionsToJoin", "add"), ("collectionsToLeave", "remove")):
        for gid in fields.get(name) or ():
            collection = context.shop.collections.get(parse_gid_number(gid, "Collection"))
            if collection is not None and collection.rule is None:
                number = collection.number
                collection_edits.update_collection(context.shop, context.changes, number, {change: [product.number]})


def _delete_product(_: Any, context: Context, args: Args) -> dict[str, Any]:
    gid = args["input"]["id"]
    product = edits.delete_product(context.shop, context.changes, parse_gid_number(gid, "Product"))
    errors = [] if product else [build_user_error(["id"], _MISSING)]
    return {"deletedProductId": gid if product else None, "shop": context.shop, "userErrors": errors}


def _change_tags(context: Context, args: Args, *, are_added: bool) -> dict[str, Any]:
    product = get_product(context, args["id"])
    if product is None:
        return {"node": None, "userErrors": [build_user_error(["id"], _MISSING)]}
    tags = normalise_tags(args["tags"])
    lowered = {tag.lower() for tag in tags}
    kept = product.tags if are_added else [tag for tag in product.tags if tag.lower() not in lowered]
    edit = ProductEdit(context.shop, context.changes, product)
    edit.set_field("tags", normalise_tags([*kept, *tags]) if are_added else kept)
    edit.finish()
    return {"node": TypedValue("Product", product), "userErrors": []}


MUTATIONS: dict[str, Resolver] = {
    "productUpdate": _update_product,
    "productDelete": _delete_product,
    "tagsAdd": lambda _, context, args: _change_tags(context, args, are_added=True),
    "tagsRemove": lambda _, context, args: _change_tags(context, args, are_added=False),
}
