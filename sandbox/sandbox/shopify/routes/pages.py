"""The HTML page of a shop for its merchant. It lists the products, with forms to edit them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox.shopify import edits
from sandbox.shopify.change_set import ChangeSet
from sandbox.shopify.model import Product
from sandbox.shopify.shop_registry import ShopRegistry
from sandbox.shopify.shops import Shop

_PAGE_SIZE = 25
Edit = Callable[[Shop, ChangeSet, int, dict[str, str]], Any]


def build_routes(registry: ShopRegistry, templates: Environment) -> list[Route]:
    """Build the route of the HTML page, `/shops/{shop}/`, and the routes of its forms under `/shops/{shop}/products`.

    After an edit, the routes of the forms redirect to the HTML page.
    """
    pages = _MerchantPages(registry, templates)
    routes = [
        Route("/shops/{shop}/", pages.show, methods=["GET"]),
        Route("/shops/{shop}/products", pages.create, methods=["POST"]),
    ]
    for action, edit in _EDITS.items():
        path = f"/shops/{{shop}}/products/{{number:int}}/{action}"
        routes.append(Route(path, pages.build_edit_handler(edit), methods=["POST"]))
    return routes


def _save_product(shop: Shop, changes: ChangeSet, number: int, form: dict[str, str]) -> Product | None:
    tags = [tag.strip() for tag in form.get("tags", "").split(",") if tag.strip()]
    fields = {"title": form.get("title", ""), "price": form.get("price", "0.00"), "tags": tags}
    return edits.update_product(shop, changes, number, fields)


def _touch_product(shop: Shop, changes: ChangeSet, number: int, _: dict[str, str]) -> Product | None:
    return edits.touch_product(shop, changes, number)


def _delete_product(shop: Shop, changes: ChangeSet, number: int, _: dict[str, str]) -> Product | None:
    return edits.delete_product(shop, changes, number)


_EDITS: dict[str, Edit] = {"save": _save_product, "touch": _touch_product, "delete": _delete_product}


class _MerchantPages:
    def __init__(self, registry: ShopRegistry, templates: Environment) -> None:
        self._registry = registry
        self._templates = templates

    async def show(self, request: Request) -> Response:
        """Show 25 products of a shop, newest first. `?page=` is the number of the result page.

        With `?find=`, only products whose title contains the text are shown.
        """
        tenant = self._registry.find_shop(request.path_params["shop"])
        if tenant is None:
            page = self._templates.get_template("refused.html").render(problem="There is no such shop.")
            return HTMLResponse(page, 404)
        word = request.query_params.get("find", "")
        number = request.query_params.get("page", "1")
        page_number = max(1, int(number)) if number.isdigit() else 1
        return HTMLResponse(await asyncio.to_thread(self._render_shop, tenant.shop, word, page_number))

    def _render_shop(self, shop: Shop, word: str, page: int) -> str:
        with shop.lock:
            matches = [p for p in shop.products if word.lower() in p.title.lower()][::-1]
            products = matches[(page - 1) * _PAGE_SIZE : page * _PAGE_SIZE]
            pages = -(-len(matches) // _PAGE_SIZE)
            template = self._templates.get_template("shop.html")
            return template.render(shop=shop, products=products, total=len(matches), page=page, pages=pages, word=word)

    async def create(self, request: Request) -> Response:
        """Create a product with the form's `title` and `price`."""
        form = await _read_form(request)
        fields = {"title": form.get("title") or "New product", "price": form.get("price") or "10.00"}
        return await self._apply_edit(request, lambda shop, changes: edits.create_product(shop, changes, fields))

    def build_edit_handler(self, edit: Edit) -> Callable[[Request], Awaitable[Response]]:
        """Build a handler that applies `edit` to the product whose number is in the path."""

        async def handle(request: Request) -> Response:
            number, form = request.path_params["number"], await _read_form(request)
            return await self._apply_edit(request, lambda shop, changes: edit(shop, changes, number, form))

        return handle

    async def _apply_edit(self, request: Request, edit: Callable[[Shop, ChangeSet], Any]) -> Response:
        tenant = self._registry.find_shop(request.path_params["shop"])
        if tenant is None:
            return HTMLResponse("", 404)
        await asyncio.to_thread(self._registry.apply_edit, tenant, edit)
        return RedirectResponse(f"{self._templates.globals['base']}/shops/{tenant.shop.domain}/", status_code=303)


async def _read_form(request: Request) -> dict[str, str]:
    return {key: str(value) for key, value in (await request.form()).items()}
