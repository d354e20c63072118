"""What happens to the records of a database when the server gets another version or further apps."""

from typing import Any

from sandbox.odoo.environment import OdooEnvironment
from sandbox.odoo.faults import ServerSetup
from sandbox.odoo.fields import LOG_FIELDS, FieldDefinition, Row
from sandbox.odoo.sample_catalog import create_warehouse

_LOGGED = frozenset(field.name for field in LOG_FIELDS)


def upgrade_database(env: OdooEnvironment, setup: ServerSetup) -> None:
    """Give records the fields that are new, and tell which apps are installed. No `write_date` changes."""
    for model, definition in env.models.items():
        stored = [field for field in definition.fields.values() if _is_kept(field)]
        for row in list(env.database.list_rows(model).values()):
            missing = {field.name: _choose_value(env, row, field) for field in stored if field.name not in row}
            if missing:
                env.database.write(model, row["id"], {**row, **missing})
    for row in list(env.database.list_rows("ir.module.module").values()):
        state = "installed" if row["name"] in ("base", "product", *setup.apps) else "uninstalled"
        env.database.write("ir.module.module", row["id"], {**row, "state": state})
    if "stock" in setup.apps and not env.database.list_rows("stock.warehouse"):
        create_warehouse(env)


def _is_kept(field: FieldDefinition) -> bool:
    is_stored = field.is_stored and not field.compute and not field.through
    return is_stored and field.type != "one2many" and field.name not in _LOGGED


def _choose_value(env: OdooEnvironment, row: Row, field: FieldDefinition) -> Any:
    if field.name == "price_include_override" and row.get("price_include"):
        return "tax_included"
    if field.type == "many2many":
        return []
    default = field.default(env) if callable(field.default) else field.default
    return field.convert(default)
