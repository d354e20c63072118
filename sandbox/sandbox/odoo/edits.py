"""Random edits, as people and jobs in an Odoo make them: the same ones for the same seed and the same records."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from sandbox.odoo.environment import OdooEnvironment
from sandbox.odoo.errors import OdooError
from sandbox.odoo.models import stock_moves, variants
from sandbox.sample_texts import ADJECTIVES, NOUNS

Edit = dict[str, Any]
"""What was edited: `kind`, `model`, `id` and what is new."""
Editor = Callable[[OdooEnvironment, Random, int], Edit | None]


def _rename(env: OdooEnvironment, random: Random, template: int) -> Edit:
    name = f"{random.choice(ADJECTIVES)} {random.choice(NOUNS)} {random.randint(1, 9999)}"
    env.write("product.template", [template], {"name": name})
    return {"model": "product.template", "id": template, "name": name}


def _reprice(env: OdooEnvironment, random: Random, template: int) -> Edit:
    price = random.randint(100, 50000) / 100
    env.write("product.template", [template], {"list_price": price})
    return {"model": "product.template", "id": template, "list_price": price}


def _describe(env: OdooEnvironment, random: Random, template: int) -> Edit:
    text = random.choice((False, f"{random.choice(ADJECTIVES)} & new, <b>{random.randint(1, 99)}</b>"))
    env.write("product.template", [template], {"description_sale": text})
    return {"model": "product.template", "id": template, "description_sale": text}


def _archive(env: OdooEnvironment, _: Random, template: int) -> Edit:
    active = not env.read_value("product.template", template, "active")
    env.write("product.template", [template], {"active": active})
    return {"model": "product.template", "id": template, "active": active}


def _change_tags(env: OdooEnvironment, random: Random, template: int) -> Edit | None:
    tags = env.search("product.tag", [])
    if not tags:
        return None
    chosen = random.sample(tags, min(len(tags), random.randint(0, 2)))
    env.write("product.template", [template], {"product_tag_ids": [[6, 0, chosen]]})
    return {"model": "product.template", "id": template, "product_tag_ids": chosen}


def _change_variant(env: OdooEnvironment, random: Random, template: int) -> Edit | None:
    found = variants.list_variants(env, template)
    if not found:
        return None
    number = random.choice(found)["id"]
    values = random.choice(
        (
            {"standard_price": random.randint(50, 9000) / 100},
            {"weight": random.randint(1, 400) / 100},
            {"barcode": f"2{random.randrange(10**11):011}"},
            {"default_code": f"NEW-{random.randint(1, 10**6)}"},
        )
    )
    env.write("product.product", [number], values)
    return {"model": "product.product", "id": number, **values}


def _change_extra_price(env: OdooEnvironment, random: Random, template: int) -> Edit | None:
    found = sorted(env.database.find_referring(variants.VALUE, "product_tmpl_id", template))
    if not found:
        return None
    number, extra = random.choice(found), random.randint(0, 2000) / 100
    env.write(variants.VALUE, [number], {"price_extra": extra})
    return {"model": variants.VALUE, "id": number, "price_extra": extra}


def _change_stock(env: OdooEnvironment, random: Random, template: int) -> Edit | None:
    found = [row for row in variants.list_variants(env, template) if row["active"]]
    if not found or not env.find("product.template", template)["tracks_stock"] or "stock.quant" not in env.models:
        return None
    number, change = random.choice(found)["id"], random.choice((-3, -2, -1, 1, 2, 5, 10))
    place, loss = env.find("stock.warehouse", 1)["lot_stock_id"], stock_moves.find_inventory_loss(env)
    source, target = (loss, place) if change > 0 else (place, loss)
    stock_moves.move_stock(env, number, source, target, abs(change), name="Edit", is_inventory=True)
    return {"model": "product.product", "id": number, "stock_change": change}


EDITORS: dict[str, Editor] = {
    "name": _rename, "price": _reprice, "description": _describe, "archive": _archive, "tags": _change_tags,
    "variant": _change_variant, "extra_price": _change_extra_price, "stock": _change_stock,
}  # fmt: skip
"""The kinds of edits."""


def make_edit(env: OdooEnvironment, random: Random, kinds: Sequence[str], templates: Sequence[int]) -> Edit | None:
    """Make one edit of one of these templates; None if it is not possible there."""
    kind, template = random.choice(list(kinds)), random.choice(list(templates))
    try:
        with env.database.begin_savepoint():
            edit = EDITORS[kind](env, random, template)
    except OdooError:
        return None
    return {"kind": kind, **edit} if edit else None
