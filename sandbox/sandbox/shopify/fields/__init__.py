"""What every field of the schema answers: FIELDS[type][field] is an attribute's name or a function.

A function takes (object, context), and the coerced arguments as a third where the schema gives the field arguments. A
field that is not listed reads the attribute of its snake_case name. A field of an interface or union type answers
`Typed` values.
"""

import re

from sandbox.shopify.fields import collections, discounts, inventory, products, root, subscriptions
from sandbox.shopify.fields.context import Resolver

FIELDS: dict[str, dict[str, Resolver]] = {
    **root.FIELDS,
    **products.FIELDS,
    **inventory.FIELDS,
    **collections.FIELDS,
    **discounts.FIELDS,
    **subscriptions.FIELDS,
}


def resolver(type_name: str, field_name: str) -> Resolver:
    """How `type_name.field_name` is answered."""
    found = FIELDS.get(type_name, {}).get(field_name)
    return found if found is not None else re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", field_name).lower()
