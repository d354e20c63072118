"""The mutation productSet: makes a product be as the input says.

Single values that the input leaves out stay. A list that it has replaces the product's: entries that are not in it are
deleted. That holds for variants, options, files, metafields and manual collections.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from sandbox.shopify import collection_edits
from sandbox.shopify.change_set import ChangeSet
from sandbox.shopify.errors import build_access_denied_error
from sandbox.shopify.fields.context import Args, Context, Resolver, parse_gid_number
from sandbox.shopify.model import Product
from sandbox.shopify.mutations import media
from sandbox.shopify.mutations.identifiers import find_identified_product, get_product, resolve_namespace
from sandbox.shopify.mutations.metafield_writes import MetafieldValue, parse_metafield, replace_metafields
from sandbox.shopify.mutations.options import replace_options
from sandbox.shopify.mutations.product_fields import (
    find_handle_problem,
    find_length_problems,
    has_valid_tags,
    write_fields,
)
from sandbox.shopify.mutations.set_variants import find_shape_errors, replace_variants
from sandbox.shopify.mutations.user_errors import UserError, build_user_error
from sandbox.shopify.product_edit import ProductEdit
from sandbox.shopify.product_handles import assign_handle, choose_free_handle
from sandbox.shopify.shops import Shop


def _set_product(_: Any, context: Context, args: Args) -> dict[str, Any]:
    fields = args["input"]
    if _sets_stock(fields) and "write_inventory" not in context.scopes:
        raise build_access_denied_error("productSet", "write_inventory")
    if args.get("synchronous", True):
        product, errors = _write_product(context, fields, args.get("identifier"))
        return {"product": product, "productSetOperation": None, "userErrors": errors}
    number = context.shop.allocate_number()
    operation = {"number": number, "status": "CREATED", "product": None, "userErrors": []}
    context.shop.operations[number] = operation
    write = partial(_complete_operation, operation=operation, context=context, args=args)
    context.schedule(media.JOB_SECONDS, write)
    # The answer shows how it was begun, whatever becomes of it meanwhile.
    return {"product": None, "productSetOperation": dict(operation), "userErrors": []}


def _complete_operation(
    _: Shop, changes: ChangeSet, *, operation: dict[str, Any], context: Context, args: Args
) -> None:
    context.changes = changes
    product, errors = _write_product(context, args["input"], args.get("identifier"))
    operation.update(status="COMPLETE", product=product, userErrors=errors)


def _sets_stock(fields: Mapping[str, Any]) -> bool:
    return any(variant.get("inventoryQuantities") for variant in fields.get("variants") or ())


def _write_product(
    context: Context, fields: Mapping[str, Any], identifier: Mapping[str, Any] | None
) -> tuple[Product | None, list[UserError]]:
    identity_errors = _find_identity_errors(fields, identifier or {})
    if identity_errors:
        return None, identity_errors
    product = find_identified_product(context, identifier) if identifier else get_product(context, fields.get("id"))
    if product is None and fields.get("id"):
        return None, [build_user_error(["input", "id"], "Product does not exist", "PRODUCT_DOES_NOT_EXIST")]
    if product is None and identifier and identifier.get("id"):
        return None, [
            build_user_error(["identifier", "id"], "Resource matching the identifier was not found.", "NOT_FOUND")
        ]
    values = [parse_metafield(context.shop, product, metafield) for metafield in fields.get("metafields") or ()]
    errors = _find_errors(context, product, fields, values)
    if errors:
        return None, errors
    edit = _start_edit(context, product, fields)
    write_fields(edit, fields)
    _write_lists(context, edit, fields, [value for value in values if isinstance(value, MetafieldValue)])
    edit.finish()
    if fields.get("collections") is not None:
        _replace_collections(context, edit.product, fields["collections"])
    return edit.product, []


def _find_identity_errors(fields: Mapping[str, Any], identifier: Mapping[str, Any]) -> list[UserError]:
    """Return the errors of the ways in which the input and the identifier name the product."""
    if identifier and fields.get("id"):
        message = "The id field is not allowed if identifier is provided."
        return [build_user_error(["input"], message, "ID_NOT_ALLOWED")]
    missing = "The input field corresponding to the identifier is required."
    mismatch = "The identifier value does not match the value of the corresponding field in the input."
    if identifier.get("handle") is not None:
        if fields.get("handle") is None:
            return [build_user_error(["input", "handle"], missing, "MISSING_FIELD_REQUIRED")]
        if fields["handle"] != identifier["handle"]:
            return [build_user_error(["input", "handle"], mismatch, "INPUT_MISMATCH")]
    custom_id = identifier.get("customId")
    if custom_id is not None and fields.get("metafields") is None:
        return [build_user_error(["input", "metafields"], missing, "MISSING_FIELD_REQUIRED")]
    if custom_id is not None and not any(_is_custom_id(metafield, custom_id) for metafield in fields["metafields"]):
        message = "The input argument `metafields` (if present) must contain the `customId` value."
        return [build_user_error(["input", "metafields"], message, "METAFIELD_MISMATCH")]
    return []


def _is_custom_id(metafield: Mapping[str, Any], custom_id: Mapping[str, Any]) -> bool:
    namespace = resolve_namespace(metafield.get("namespace"))
    wanted = (resolve_namespace(custom_id.get("namespace")), custom_id["key"], custom_id["value"])
    return (namespace, metafield.get("key"), metafield.get("value")) == wanted


def _find_errors(
    context: Context, product: Product | None, fields: Mapping[str, Any], values: Sequence[Any]
) -> list[UserError]:
    errors = []
    for name, label, problem in find_length_problems(fields):
        is_title = name == "title"
        path, message = (["input", "title"], problem) if is_title else (["input"], f"{label} {problem}")
        errors.append(build_user_error(path, message, "INVALID_INPUT"))
    if (product is None or "title" in fields) and not (fields.get("title") or "").strip():
        errors.append(build_user_error(["input", "title"], "Title can't be blank", "INVALID_INPUT"))
    if not has_valid_tags(fields.get("tags") or []):
        errors.append(build_user_error(["input", "tags"], "Product tags is invalid", "INVALID_INPUT"))
    number = product.number if product is not None else None
    handle_problem = find_handle_problem(context.shop, fields.get("handle"), number)
    if handle_problem is not None:
        errors.append(build_user_error(["input", "handle"], handle_problem, "HANDLE_NOT_UNIQUE"))
    for index, value in enumerate(values):
        if not isinstance(value, MetafieldValue):
            code = "CAPABILITY_VIOLATION" if value[2] == "CAPABILITY_VIOLATION" else "INVALID_METAFIELD"
            errors.append(build_user_error(["input", "metafields", index, value[0]], value[1], code))
    return [
        *errors,
        *media.find_file_errors(product, fields.get("files") or ()),
        *find_shape_errors(context, product, fields),
    ]


def _start_edit(context: Context, product: Product | None, fields: Mapping[str, Any]) -> ProductEdit:
    """Return the edit of a product; if it is None, that of a new one with a default variant and nothing else."""
    if product is not None:
        return ProductEdit(context.shop, context.changes, product)
    shop, at, title = context.shop, context.now, fields["title"]
    handle = choose_free_handle(shop, title) if not fields.get("handle") else ""
    # A new product without a vendor gets the shop's name as its vendor, and without a status it is active.
    new = Product(shop.allocate_number(), handle, title, shop.profile.name, "", [], "ACTIVE", "", at, at)
    new.html = ""
    edit = ProductEdit(shop, context.changes, new, is_new=True)
    if handle:
        assign_handle(shop, new, handle)
    return edit


def _write_lists(
    context: Context, edit: ProductEdit, fields: Mapping[str, Any], values: Sequence[MetafieldValue]
) -> None:
    if fields.get("metafields") is not None:
        replace_metafields(edit, edit.product, values)
    if fields.get("files") is not None:
        media.replace_files(context, edit, fields["files"])
    if fields.get("productOptions") is not None:
        replace_options(edit, fields["productOptions"])
    elif not edit.product.options:
        replace_options(edit, [{"name": "Title", "values": [{"name": "Default Title"}]}])
    if fields.get("variants") is not None:
        replace_variants(edit, fields["variants"])
    elif not edit.product.variants:
        replace_variants(edit, [{"optionValues": [{"optionName": "Title", "name": "Default Title"}]}])


def _replace_collections(context: Context, product: Product, gids: Sequence[str]) -> None:
    """Let the product be in these manual collections only. Those of smart collections follow from their rules."""
    wanted = {parse_gid_number(gid, "Collection") for gid in gids}
    for collection in [collection for collection in context.shop.collections if collection.rule is None]:
        is_member = product.number in collection.members
        if is_member != (collection.number in wanted):
            change = {"remove" if is_member else "add": [product.number]}
            collection_edits.update_collection(context.shop, context.changes, collection.number, change)


MUTATIONS: dict[str, Resolver] = {"productSet": _set_product}
