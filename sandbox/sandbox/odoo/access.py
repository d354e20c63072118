"""The rights of users on models, which come from their groups."""

from sandbox.odoo.environment import OdooEnvironment
from sandbox.odoo.errors import AccessError, build_value_error

OPERATIONS = ("read", "write", "create", "unlink")
SUPERUSER = 1
EMPLOYEE, SYSTEM, SELLER, SALES_MANAGER, PRODUCT_MANAGER, STOCK_USER, STOCK_MANAGER = (
    "base.group_user", "base.group_system", "sales_team.group_sale_salesman", "sales_team.group_sale_manager",
    "product.group_product_manager", "stock.group_stock_user", "stock.group_stock_manager",
)  # fmt: skip
GROUPS = {
    EMPLOYEE: "User types / Internal User", SYSTEM: "Administration / Settings",
    SELLER: "Sales / User: Own Documents Only", SALES_MANAGER: "Sales / Administrator",
    PRODUCT_MANAGER: "Product Creation", STOCK_USER: "Inventory / User", STOCK_MANAGER: "Inventory / Administrator",
}  # fmt: skip
"""The groups that databases have, with their names."""
_VERBS = {"read": "access", "write": "modify", "create": "create", "unlink": "delete"}
_PRODUCTS = (
    "product.template", "product.product", "product.category", "product.tag", "product.attribute",
    "product.attribute.value", "product.template.attribute.line", "product.template.attribute.value",
)  # fmt: skip
_STOCK = ("stock.location", "stock.warehouse", "stock.quant", "stock.move", "stock.move.line")
_ALL = frozenset(OPERATIONS)
_READ = frozenset({"read"})
_RIGHTS: dict[str, dict[str, frozenset[str]]] = {
    EMPLOYEE: {
        **dict.fromkeys((*_PRODUCTS, *_STOCK), _READ),
        "stock.move": frozenset(),
        "stock.move.line": _ALL,
        "ir.attachment": _ALL,
        "res.users.apikeys": _READ,
        **dict.fromkeys(
            ("res.company", "res.currency", "res.country", "res.partner", "res.users", "res.groups", "res.lang",
             "uom.uom", "uom.category", "decimal.precision", "ir.model"),
            _READ,
        ),
    },
    SELLER: {"account.tax": _READ, **dict.fromkeys(("sale.order", "sale.order.line"), frozenset(OPERATIONS[:3]))},
    SALES_MANAGER: dict.fromkeys((*_PRODUCTS, "sale.order", "sale.order.line"), _ALL),
    PRODUCT_MANAGER: dict.fromkeys(_PRODUCTS, _ALL),
    STOCK_USER: {
        "stock.location": frozenset({"read", "write"}),
        "stock.quant": frozenset({"read", "write", "create"}),
        "stock.move": frozenset({"read", "write", "create"}),
        "stock.inventory.adjustment.name": frozenset({"read", "write", "create"}),
    },
    STOCK_MANAGER: {**dict.fromkeys(_STOCK, _ALL), **dict.fromkeys(("product.template", "product.product"), _ALL)},
}  # fmt: skip
"""What the members of a group may do. Those of `base.group_system` may do everything."""


def list_groups(env: OdooEnvironment, user: int) -> set[str]:
    """Return the external ids of a user's groups."""
    row = env.database.find("res.users", user) or {}
    members = set(row.get("membership") or ())
    found = {name: env.database.find_external_id(*name.split(".")) for name in GROUPS}
    return {name for name, known in found.items() if known and known["res_id"] in members}


def has_right(env: OdooEnvironment, model: str, operation: str) -> bool:
    """Return whether the user may do this with the records of the model."""
    if operation not in OPERATIONS:
        raise build_value_error(f"Invalid access mode {operation!r}")
    if operation in env.database.denied_rights.get(model, ()):
        return False
    if env.user == SUPERUSER:
        return True
    if model == "res.users.apikeys":
        # Keys are made and removed on a page that asks for the password, and never by a call.
        return operation == "read"
    groups = list_groups(env, env.user)
    return SYSTEM in groups or any(operation in _RIGHTS.get(group, {}).get(model, ()) for group in groups)


def check_right(env: OdooEnvironment, model: str, operation: str) -> None:
    """Raise AccessError unless the user may do this with the records of the model."""
    if has_right(env, model, operation):
        return
    allowed = [
        f"\t- {GROUPS[group]}" for group, rights in _RIGHTS.items() if operation in rights.get(model, ())
    ]  # fmt: skip
    who = "This operation is allowed for the following groups:\n" + "\n".join(allowed)
    raise AccessError(
        f"You are not allowed to {_VERBS[operation]} '{env.models[model].description}' ({model}) records.\n\n"
        f"{who if allowed else 'No group currently allows this operation.'}\n\n"
        "Contact your administrator to request access if necessary."
    )
