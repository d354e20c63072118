"""The merchant's own page: products to look at and to edit with plain forms."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox.shopify import edits
from sandbox.shopify.edits import Ledger
from sandbox.shopify.model import Product
from sandbox.shopify.shop_registry import World
from sandbox.shopify.shops import Shop

_PER_PAGE = 25
Edit = Callable[[Shop, Ledger, int, dict[str, str]], Any]


def routes(world: World, templates: Environment, *, facebook: bool) -> list[Route]:
    """`/` lists shops, `/shops/{shop}/` is a shop's page; its forms post to `products/…` below it and come back.
    Where there is a Facebook, the list says so.
    """
    pages = _Pages(world, templates, facebook)
    made = [
        Route("/", pages.index, methods=["GET"]),
        Route("/shops/{shop}/", pages.show, methods=["GET"]),
        Route("/shops/{shop}/products", pages.create, methods=["POST"]),
    ]
    for verb, edit in _EDITS.items():
        made.append(Route(f"/shops/{{shop}}/products/{{number:int}}/{verb}", pages.editing(edit), methods=["POST"]))
    return made


def _save(shop: Shop, ledger: Ledger, number: int, form: dict[str, str]) -> Product | None:
    tags = [tag.strip() for tag in form.get("tags", "").split(",") if tag.strip()]
    fields = {"title": form.get("title", ""), "price": form.get("price", "0.00"), "tags": tags}
    return edits.update_product(shop, ledger, number, fields)


def _touch(shop: Shop, ledger: Ledger, number: int, _: dict[str, str]) -> Product | None:
    return edits.touch_product(shop, ledger, number)


def _delete(shop: Shop, ledger: Ledger, number: int, _: dict[str, str]) -> Product | None:
    return edits.delete_product(shop, ledger, number)


_EDITS: dict[str, Edit] = {"save": _save, "touch": _touch, "delete": _delete}


class _Pages:
    def __init__(self, world: World, templates: Environment, facebook: bool) -> None:
        self._world = world
        self._facebook = facebook
        self._templates = templates

    async def index(self, _: Request) -> Response:
        """All shops."""
        shops = [tenant.shop for tenant in self._world.tenants()]
        return HTMLResponse(self._templates.get_template("index.html").render(shops=shops, facebook=self._facebook))

    async def show(self, request: Request) -> Response:
        """One page of a shop's products, newest first; `?page=` and `?find=` a word of the title."""
        tenant = self._world.get(request.path_params["shop"])
        if tenant is None:
            return HTMLResponse(
                self._templates.get_template("refused.html").render(problem="There is no such shop."), 404
            )
        word = request.query_params.get("find", "")
        asked = request.query_params.get("page", "1")
        page = max(1, int(asked)) if asked.isdigit() else 1
        return HTMLResponse(await asyncio.to_thread(self._render, tenant.shop, word, page))

    def _render(self, shop: Shop, word: str, page: int) -> str:
        with shop.lock:
            found = [p for p in shop.products if word.lower() in p.title.lower()][::-1]
            shown = found[(page - 1) * _PER_PAGE : page * _PER_PAGE]
            pages = -(-len(found) // _PER_PAGE)
            template = self._templates.get_template("shop.html")
            return template.render(shop=shop, products=shown, total=len(found), page=page, pages=pages, word=word)

    async def create(self, request: Request) -> Response:
        """A new product."""
        form = await _form(request)
        fields = {"title": form.get("title") or "New product", "price": form.get("price") or "10.00"}
        return await self._change(request, lambda shop, ledger: edits.create_product(shop, ledger, fields))

    def editing(self, edit: Edit) -> Callable[[Request], Awaitable[Response]]:
        """A handler that applies `edit` to the product in the path."""

        async def handler(request: Request) -> Response:
            number, form = request.path_params["number"], await _form(request)
            return await self._change(request, lambda shop, ledger: edit(shop, ledger, number, form))

        return handler

    async def _change(self, request: Request, edit: Callable[[Shop, Ledger], Any]) -> Response:
        tenant = self._world.get(request.path_params["shop"])
        if tenant is None:
            return HTMLResponse("", 404)
        await asyncio.to_thread(self._world.change, tenant, edit)
        return RedirectResponse(f"{self._templates.globals['base']}/shops/{tenant.shop.domain}/", status_code=303)


async def _form(request: Request) -> dict[str, str]:
    return {key: str(value) for key, value in (await request.form()).items()}
