"""What the automation of an Odoo says that has changed: `Send Webhook Notification`, since Odoo 17.

Its body is a JSON object with `_model` and `_id`, and with the fields that were chosen for it; a many2one is a number.
It is sent before the commit.
"""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from platforms.odoo.resources import PRODUCTS, STOCK

Records = Mapping[str, tuple[str, ...]]


class OdooHints:
    """Reads hints about templates, variants (with the field `product_tmpl_id`) and quants (`product_id`,
    `location_id`)."""

    def parse_records(self, body: bytes) -> Records:
        """Return the ids of the records that a hint names, by resource; none for a hint that names none."""
        try:
            hint = orjson.loads(body)
        except orjson.JSONDecodeError:
            return {}
        if not isinstance(hint, dict):
            return {}
        parse = _PARSERS.get(str(hint.get("_model")))
        return parse(hint) if parse else {}


def _parse_template(hint: Mapping[str, Any]) -> Records:
    return _name(PRODUCTS.name, hint.get("_id"))


def _parse_variant(hint: Mapping[str, Any]) -> Records:
    return _name(PRODUCTS.name, hint.get("product_tmpl_id"))


def _parse_quant(hint: Mapping[str, Any]) -> Records:
    return _name(STOCK.name, hint.get("product_id"), hint.get("location_id"))


def _name(resource: str, *numbers: object) -> Records:
    # A boolean is an `int`, and Odoo's word for an empty field.
    if all(isinstance(number, int) and not isinstance(number, bool) and number > 0 for number in numbers):
        return {resource: ("-".join(map(str, numbers)),)}
    return {}


_PARSERS: Mapping[str, Callable[[Mapping[str, Any]], Records]] = {
    "product.template": _parse_template,
    "product.product": _parse_variant,
    "stock.quant": _parse_quant,
}
