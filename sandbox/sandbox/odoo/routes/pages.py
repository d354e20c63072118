"""HTML pages on which people see how to connect a database, and edit its products and their stock."""

import asyncio
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox.odoo.authentication import ADMIN
from sandbox.odoo.environment import OdooEnvironment
from sandbox.odoo.errors import OdooError
from sandbox.odoo.fields import Row
from sandbox.odoo.models import stock_moves, variants
from sandbox.odoo.reading import read_records
from sandbox.odoo.state import LOGIN, OdooState

_PATH = "/odoo"
_SHOWN = 25
_TEMPLATE_FIELDS = ("name", "list_price", "description_sale", "active", "sale_ok", "categ_id", "product_tag_ids")
_VARIANT_FIELDS = ("default_code", "barcode", "standard_price", "weight")
_NUMBERS = frozenset({"list_price", "standard_price", "weight"})
_COUNT = "count-"
"""What the name of the field with the stock of a variant begins with."""


def build_routes(state: OdooState, templates: Environment) -> list[Route]:
    """Build the routes of the pages: a list of databases, the products of one, and a form for one product."""
    pages = _ProductPages(state, templates)
    product = f"{_PATH}/{{database}}/{{product:int}}"
    return [
        Route(f"{_PATH}/", pages.list_databases, methods=["GET"]),
        Route(f"{_PATH}/{{database}}/", pages.list_products, methods=["GET"]),
        Route(f"{_PATH}/{{database}}/new", pages.create_product, methods=["POST"]),
        Route(f"{product}/", pages.show_product, methods=["GET"]),
        Route(f"{product}/save", pages.save_product, methods=["POST"]),
    ]


class _ProductPages:
    def __init__(self, state: OdooState, templates: Environment) -> None:
        self._state = state
        self._templates = templates

    async def list_databases(self, request: Request) -> Response:
        """Show the address, the databases, and the login and key to connect them with."""
        counts = {name: self._state.count_records(name) for name in sorted(self._state.databases)}
        # The host by which this page was asked for: that is the gateway's name for the sandbox where it relays pages.
        address = f"{request.url.scheme}://{request.headers.get('host', '')}"
        return self._render(
            "odoo_databases.html", counts=counts, address=address, login=LOGIN, key=self._state.key,
            version=self._state.setup.version,
        )  # fmt: skip

    async def list_products(self, request: Request) -> Response:
        """Show 25 products. The query parameters are `page`, which begins with 1, and `search`, a part of a name."""
        query, number = request.query_params.get("search", ""), request.query_params.get("page", "1")
        page = max(1, int(number)) if number.isdecimal() else 1

        def read(env: OdooEnvironment) -> tuple[int, list[Row]]:
            env = env.extend_context(active_test=False)
            conditions = ("name", "ilike", query), ("product_variant_ids.default_code", "ilike", query)
            domain: list[Any] = ["|", *conditions] if query else []
            found = env.search("product.template", domain, order="id", offset=(page - 1) * _SHOWN, limit=_SHOWN)
            names = ["name", "default_code", "list_price", "active", "product_variant_count", "qty_available"]
            known = [name for name in names if name in env.get_fields("product.template")]
            return env.count("product.template", domain), read_records(env, "product.template", found, known)

        try:
            total, rows = await self._run(request, read)
        except OdooError as error:
            return self._show_problem(error.message, 404)
        return self._render(
            "odoo_products.html", database=request.path_params["database"], rows=rows, total=total, page=page,
            pages=max(1, -(-total // _SHOWN)), search=query,
        )  # fmt: skip

    async def show_product(self, request: Request) -> Response:
        """Show the form for a product with its variants and their stock."""
        number = request.path_params["product"]

        def read(env: OdooEnvironment) -> dict[str, Any]:
            env = env.extend_context(active_test=False)
            row = env.find("product.template", number)
            return {
                "product": read_records(env, "product.template", [number], _TEMPLATE_FIELDS)[0],
                "variants": [_read_variant(env, variant) for variant in variants.list_variants(env, number)],
                "has_stock": "stock.quant" in env.models and row["tracks_stock"],
                "categories": _list_names(env, "product.category"),
                "tags": _list_names(env, "product.tag"),
            }

        try:
            shown = await self._run(request, read)
        except OdooError as error:
            return self._show_problem(error.message, 404)
        return self._render("odoo_product.html", database=request.path_params["database"], **shown)

    async def save_product(self, request: Request) -> Response:
        """Save what the form changes of a product, its variants and their stock, in one transaction."""
        number, form = request.path_params["product"], await request.form()
        values = {key: str(value).replace("\r\n", "\n") for key, value in form.items()}
        tags = [int(str(tag)) for tag in form.getlist("product_tag_ids")]

        def save(env: OdooEnvironment) -> None:
            _save_template(env, number, values, tags)
            for variant in variants.list_variants(env, number):
                _save_variant(env, variant, values)

        try:
            await self._run(request, save)
        except (OdooError, ValueError) as error:
            return self._show_problem(str(error), 400)
        return self._redirect(request, f"{number}/")

    async def create_product(self, request: Request) -> Response:
        """Create a product with the name of the form, and show it."""
        name = str((await request.form()).get("name", "")).strip() or "New product"
        created = {"name": name, "tracks_stock": True}
        number = await self._run(request, lambda env: env.create("product.template", created))
        return self._redirect(request, f"{number}/")

    async def _run(self, request: Request, call: Any) -> Any:
        return await asyncio.to_thread(self._state.run, request.path_params["database"], ADMIN, call)

    def _redirect(self, request: Request, path: str) -> Response:
        base, database = self._templates.globals["base"], request.path_params["database"]
        return RedirectResponse(f"{base}{_PATH}/{database}/{path}", 303)

    def _render(self, name: str, **values: object) -> Response:
        return HTMLResponse(self._templates.get_template(name).render(**values))

    def _show_problem(self, problem: str, status: int) -> Response:
        return HTMLResponse(self._templates.get_template("refused.html").render(problem=problem), status)


def _list_names(env: OdooEnvironment, model: str) -> list[tuple[int, str]]:
    return [(number, env.build_name(model, env.find(model, number))) for number in env.search(model, [])]


def _read_variant(env: OdooEnvironment, row: Row) -> Row:
    names = ["display_name", "active", "lst_price", *_VARIANT_FIELDS]
    shown = read_records(env, "product.product", [row["id"]], names)[0]
    if "stock.quant" in env.models:
        quants = stock_moves.find_quants(env, row["id"], _find_place(env))
        shown["on_hand"] = sum(quant["quantity"] for quant in quants)
        shown["reserved"] = sum(quant["reserved_quantity"] for quant in quants)
    return shown


def _find_place(env: OdooEnvironment) -> int:
    return int(env.find("stock.warehouse", 1)["lot_stock_id"])


def _list_changes(env: OdooEnvironment, model: str, row: Row, values: Mapping[str, Any]) -> Row:
    """Return those values that differ from what is stored; only these are written."""
    fields = env.get_fields(model)
    return {
        name: value
        for name, value in values.items()
        if fields[name].convert(value) != fields[name].convert(env.get_value(model, row, name))
    }


def _save_template(env: OdooEnvironment, number: int, form: Mapping[str, str], tags: list[int]) -> None:
    row = env.find("product.template", number)
    values: dict[str, Any] = {
        "name": form["name"], "list_price": float(form["list_price"]), "description_sale": form["description_sale"],
        "categ_id": int(form["categ_id"]), "active": "active" in form, "sale_ok": "sale_ok" in form,
    }  # fmt: skip
    changes = _list_changes(env, "product.template", row, values)
    if sorted(row["product_tag_ids"]) != sorted(tags):
        changes["product_tag_ids"] = [[6, 0, tags]]
    if changes:
        env.write("product.template", [number], changes)


def _save_variant(env: OdooEnvironment, row: Row, form: Mapping[str, str]) -> None:
    number = row["id"]
    values = {
        name: float(text) if name in _NUMBERS else text
        for name in _VARIANT_FIELDS
        if (text := form.get(f"{name}-{number}")) is not None
    }
    changes = _list_changes(env, "product.product", row, values)
    if changes:
        env.write("product.product", [number], changes)
    counted = form.get(f"{_COUNT}{number}")
    if counted is None:
        return
    place, loss = _find_place(env), stock_moves.find_inventory_loss(env)
    difference = float(counted) - sum(quant["quantity"] for quant in stock_moves.find_quants(env, number, place))
    if difference:
        source, target = (loss, place) if difference > 0 else (place, loss)
        name = "Product Quantity Updated"
        stock_moves.move_stock(env, number, source, target, abs(difference), name=name, is_inventory=True)
