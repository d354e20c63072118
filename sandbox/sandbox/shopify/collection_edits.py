"""Edits of collections. The rules that hold for all edits are in the docstring of the module `edits`."""

from collections.abc import Mapping
from typing import Any

from sandbox import sample_texts
from sandbox.shopify import webhook_payloads
from sandbox.shopify.change_set import ChangeSet
from sandbox.shopify.model import Collection, Rule
from sandbox.shopify.shops import Shop, get_current_time


def create_collection(shop: Shop, changes: ChangeSet, fields: Mapping[str, Any]) -> Collection:
    """Create a collection.

    If `fields` has a `rule` with `column` and `condition`, the collection is a smart one, which contains the products
    that match the rule. Otherwise it is a manual one, and `members` in `fields` lists the numbers of its products.
    """
    number = shop.allocate_number()
    title = fields.get("title", "New collection")
    order = "BEST_SELLING" if fields.get("rule") else "MANUAL"
    handle = sample_texts.build_handle(title, number)
    collection = Collection(number, title, handle, "", order, get_current_time())
    shop.collections.put(collection)
    _set_fields(collection, fields)
    changes.add_changed_record("collection", collection)
    changes.add_event_if_subscribed("COLLECTIONS_CREATE", webhook_payloads.build_collection, collection)
    return collection


def update_collection(shop: Shop, changes: ChangeSet, number: int, fields: Mapping[str, Any]) -> Collection | None:
    """Set `fields` of the collection `number`, and return the collection; None if it does not exist.

    `add` and `remove` in `fields` are the numbers of products that join or leave a manual collection.
    """
    collection = shop.collections.get(number)
    if collection is None:
        return None
    _set_fields(collection, fields)
    shop.invalidate_memberships()
    changes.add_changed_record("collection", collection)
    changes.add_event_if_subscribed("COLLECTIONS_UPDATE", webhook_payloads.build_collection, collection)
    return collection


def _set_fields(collection: Collection, fields: Mapping[str, Any]) -> None:
    for name in ("title", "handle", "description", "sort_order", "image_url", "image_alt", "members"):
        if name in fields:
            setattr(collection, name, fields[name])
    if fields.get("rule"):
        collection.rule = Rule(**fields["rule"])
    leaving, joining = set(fields.get("remove") or ()), fields.get("add") or ()
    staying = [number for number in collection.members if number not in leaving]
    collection.members = staying + [number for number in joining if number not in staying]
    collection.updated_at = get_current_time()


def delete_collection(shop: Shop, changes: ChangeSet, number: int) -> Collection | None:
    """Delete a collection but not its products. Returns the collection, or None if it does not exist."""
    collection = shop.collections.remove(number)
    if collection is not None:
        changes.add_deleted_record("collection", number)
        changes.add_event_if_subscribed("COLLECTIONS_DELETE", webhook_payloads.build_collection_deletion, number)
    return collection
