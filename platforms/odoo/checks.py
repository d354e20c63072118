"""What a database must have and a user may read before it is connected. Each is tried; nothing is read of a version."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from platform_sdk.errors import AccessDeniedError, PermanentError, RequestRejectedError
from platforms.odoo.calls import OdooCalls, Row

APPS = {"sale": ("Sales", "sale.order"), "stock": ("Inventory", "stock.quant")}
"""The apps that must be installed: the title of each, and a model that it brings."""
READ_MODELS = (
    "res.company",
    "res.currency",
    "account.tax",
    "uom.uom",
    "product.template",
    "product.product",
    "product.category",
    "product.tag",
    "product.attribute",
    "product.template.attribute.line",
    "product.template.attribute.value",
    "stock.warehouse",
    "stock.location",
    "stock.quant",
    "stock.move.line",
)
"""The models whose records are read."""
KEYS = "res.users.apikeys"
SERVER_TIME = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True)
class DatabaseFacts:
    """What a database has shown. `key_expires_at` is in ms; None for a key that does not expire, or is not told of."""

    companies: tuple[str, ...]
    currency: str
    warehouses: tuple[str, ...]
    key_expires_at: int | None


async def check_database(odoo: OdooCalls, now: int) -> DatabaseFacts:
    """Return facts of a database whose apps are installed and whose records the user may read. `now` is in ms.

    Raises RequestRejectedError, whose reason names the apps and models that are missing.
    """
    if missing := [title for title, model in APPS.values() if not await _has_model(odoo, model)]:
        raise RequestRejectedError(400, f"Database: Odoo's app {_join(missing)} is not installed there")
    if denied := [model for model in READ_MODELS if not await _may_read(odoo, model)]:
        raise RequestRejectedError(
            400,
            f"Login: this user may not read {_join(denied)}. Give it the rights of a user of Sales and of Inventory in"
            " Odoo's settings.",
        )
    companies = await odoo.search_read("res.company", [], ["name", "currency_id"], limit=100)
    warehouses = await odoo.search_read("stock.warehouse", [], ["name"], limit=100)
    if not companies or not warehouses:
        raise RequestRejectedError(400, "Login: this user sees no company, or no warehouse of its company")
    currency = companies[0]["currency_id"]
    return DatabaseFacts(
        companies=tuple(str(row["name"]) for row in companies),
        currency=str(currency[1]) if currency else "",
        warehouses=tuple(str(row["name"]) for row in warehouses),
        key_expires_at=await find_key_expiry(odoo, now),
    )


async def find_key_expiry(odoo: OdooCalls, now: int) -> int | None:
    """Return when the user's key expires (ms); None where it does not, or where Odoo does not tell.

    Odoo does not tell which of the user's keys is used. Of several, the earliest that is not past counts.
    """
    try:
        if "expiration_date" not in await odoo.get_fields(KEYS):
            return None
        rows = await odoo.search_read(KEYS, [], ["scope", "expiration_date"], limit=100)
    except PermanentError:
        return None
    return min(_list_expiries(rows, now), default=None)


def _list_expiries(rows: Iterable[Row], now: int) -> list[int]:
    times = (row["expiration_date"] for row in rows if row["expiration_date"] and row["scope"] in (False, "rpc"))
    expiries = (int(datetime.strptime(text, SERVER_TIME).replace(tzinfo=UTC).timestamp() * 1000) for text in times)
    return [expiry for expiry in expiries if expiry > now]


async def _has_model(odoo: OdooCalls, model: str) -> bool:
    try:
        await odoo.call(model, "fields_get", allfields=["id"], attributes=["type"])
    except AccessDeniedError:
        return True
    except PermanentError:
        return False
    return True


async def _may_read(odoo: OdooCalls, model: str) -> bool:
    try:
        await odoo.search_read(model, [], ["id"], limit=1)
    except AccessDeniedError:
        return False
    return True


def _join(names: Iterable[str]) -> str:
    return ", ".join(names)
