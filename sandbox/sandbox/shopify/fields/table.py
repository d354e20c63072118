"""The resolvers of all fields of the schema. `FIELDS[type][field]` is either the name of an attribute or a function.

A function takes the object and the context. If the schema gives the field arguments, the function also takes the
coerced arguments. A field that is not in `FIELDS` reads the attribute with its name in snake case. The resolver of a
field with an interface or union type returns a `TypedValue`.
"""

import re

from sandbox.shopify.fields import collections, discounts, inventory, products, root, subscriptions
from sandbox.shopify.fields.context import Resolver
from sandbox.shopify.mutations import tables

FIELDS: dict[str, dict[str, Resolver]] = {
    **root.FIELDS,
    **products.FIELDS,
    **inventory.FIELDS,
    **collections.FIELDS,
    **discounts.FIELDS,
    **subscriptions.FIELDS,
    **tables.FIELDS,
}


def find_resolver(type_name: str, field_name: str) -> Resolver:
    """Return the resolver of a GraphQL field: the one in `FIELDS`, otherwise the name of the field in snake case.

    A resolver that is a name, not a function, means that the attribute with this name is read.
    """
    resolver = FIELDS.get(type_name, {}).get(field_name)
    return resolver if resolver is not None else re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", field_name).lower()
