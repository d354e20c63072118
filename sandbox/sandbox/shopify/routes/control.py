"""The control endpoint: shops are made, edited and made to misbehave here, and the truth about them is told."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict, is_dataclass
from functools import partial
from typing import Any

import orjson
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.deliveries import Dispatcher
from sandbox.shopify import discount_edits, edits, expected_document
from sandbox.shopify.faults import Faults
from sandbox.shopify.generator import Recipe
from sandbox.shopify.gids import gid, number
from sandbox.shopify.shop_registry import World
from sandbox.shopify.statistics import Statistics
from sandbox.shopify.tenants import Tenant

Handler = Callable[[Request, Tenant, Any], Awaitable[Response]]
ALL_SCOPES = "read_products,read_inventory,read_locations,read_discounts"


def routes(world: World, dispatcher: Dispatcher) -> list[Route]:
    """Everything under `/control`."""
    control = _Control(world, dispatcher)
    made: list[Route] = [
        Route("/control/shops", control.create, methods=["POST"]),
        Route("/control/shops", control.list, methods=["GET"]),
    ]
    for method, path, handler in control.table():
        made.append(Route(f"/control/shops/{{shop}}{path}", _route(world, handler), methods=[method]))
    return made


def answer(body: Any, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS), status, media_type="application/json")


def _route(world: World, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        tenant = world.get(request.path_params["shop"])
        if tenant is None:
            return answer({"error": "no such shop"}, 404)
        try:
            raw = await request.body()
            return await handler(request, tenant, orjson.loads(raw) if raw else {})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return answer({"error": f"{type(error).__name__}: {error}"}, 400)

    return endpoint


class _Control:
    def __init__(self, world: World, dispatcher: Dispatcher) -> None:
        self._world = world
        self._dispatcher = dispatcher

    def table(self) -> list[tuple[str, str, Handler]]:
        """Method, path below the shop, and handler."""
        rows: list[tuple[str, str, Handler]] = [
            ("GET", "", self.describe),
            ("PATCH", "", self.rename),
            ("GET", "/document", self.document),
            ("POST", "/burst", self.burst),
            ("POST", "/inventory", self.inventory),
            ("GET", "/faults", self.faults),
            ("PUT", "/faults", self.misbehave),
            ("GET", "/grants", self.grants),
            ("PUT", "/grants", self.grant),
            ("POST", "/grants/expire", self.expire),
            ("POST", "/grants/revoke", self.revoke),
            ("POST", "/uninstall", self.uninstall),
            ("GET", "/subscriptions", self.subscriptions),
            ("DELETE", "/subscriptions/{number}", self.unsubscribe),
            ("GET", "/deliveries", self.deliveries),
            ("GET", "/statistics", self.statistics),
            ("DELETE", "/statistics", self.reset),
            ("POST", "/products/{number}/touch", self._edit(edits.touch_product)),
        ]
        for name, verbs in _EDITS.items():
            rows.append(("GET", f"/{name}", partial(self.list_records, name)))
            rows.append(("GET", f"/{name}/{{number}}", partial(self.show_record, name)))
            rows.append(("POST", f"/{name}", self._create(verbs[0])))
            rows.append(("PATCH", f"/{name}/{{number}}", self._edit(verbs[1], with_body=True)))
            if len(verbs) > 2:
                rows.append(("DELETE", f"/{name}/{{number}}", self._edit(verbs[2])))
        return rows

    async def create(self, request: Request) -> Response:
        """Make a shop from a recipe: 201, or 200 if it is there by the same recipe, 409 by another."""
        try:
            recipe = Recipe.model_validate_json(await request.body())
            tenant, made = await asyncio.to_thread(self._world.create, recipe)
        except ValidationError as error:
            return answer({"error": str(error)}, 422)
        except ValueError as error:
            return answer({"error": str(error)}, 409)
        return answer(_description(tenant), 201 if made else 200)

    async def list(self, _: Request) -> Response:
        """All shops."""
        return answer({"shops": [_description(tenant) for tenant in self._world.tenants()]})

    async def describe(self, _: Request, tenant: Tenant, __: Any) -> Response:
        """One shop."""
        return answer(_description(tenant))

    async def rename(self, _: Request, tenant: Tenant, body: Any) -> Response:
        """Change what the shop says of itself."""
        await asyncio.to_thread(self._world.change, tenant, lambda shop, ledger: edits.update_shop(shop, ledger, body))
        return answer(_description(tenant))

    async def document(self, request: Request, tenant: Tenant, _: Any) -> Response:
        """The snapshot as it must be, for `?scopes=`, or for what was granted, or for all that is ever asked for."""
        asked = request.query_params.get("scopes")
        scopes = asked if asked is not None else ",".join(tenant.grants.scopes) or ALL_SCOPES

        def compose() -> bytes:
            with tenant.shop.lock:
                return expected_document.document(tenant.shop, frozenset(scopes.split(",")))

        return Response(await asyncio.to_thread(compose), media_type="application/json")

    async def burst(self, _: Request, tenant: Tenant, body: Any) -> Response:
        """Many product edits at once."""
        counts = int(body["edits"]), int(body["products"]), int(body.get("seed", 0))
        numbers = await asyncio.to_thread(
            self._world.change, tenant, lambda shop, ledger: edits.burst(shop, ledger, *counts)
        )
        return answer({"edits": counts[0], "products": [gid("Product", n) for n in numbers]})

    async def inventory(self, _: Request, tenant: Tenant, body: Any) -> Response:
        """Set, connect or disconnect (`available` null) an inventory level."""
        place, available = number(str(body["location"]), "Location"), body["available"]
        item = _item(tenant, body)
        level = await asyncio.to_thread(
            self._world.change, tenant, lambda shop, ledger: edits.set_inventory(shop, ledger, item, place, available)
        )
        return _found(level)

    async def faults(self, _: Request, tenant: Tenant, __: Any) -> Response:
        """The faults of the shop as they stand."""
        return answer(tenant.faults.model_dump())

    async def misbehave(self, _: Request, tenant: Tenant, body: Any) -> Response:
        """Give the shop these faults and no others."""
        self._world.misbehave(tenant, Faults(**body))
        return answer(tenant.faults.model_dump())

    async def grants(self, _: Request, tenant: Tenant, __: Any) -> Response:
        """What is granted; no token is shown."""
        grants = tenant.grants
        return answer({"installed": grants.installed, "scopes": grants.scopes, "override": grants.override,
                       "access_tokens": len(grants.access), "refresh_tokens": len(grants.refresh)})  # fmt: skip

    async def grant(self, request: Request, tenant: Tenant, body: Any) -> Response:
        """`scopes`: what is granted from now on. `override`: what the merchant will grant at most, at the next
        consent.
        """
        if "scopes" in body:
            tenant.grants.scopes = sorted(body["scopes"])
        if "override" in body:
            tenant.grants.override = body["override"]
        self._world.save_grants(tenant)
        return await self.grants(request, tenant, body)

    async def expire(self, request: Request, tenant: Tenant, body: Any) -> Response:
        """All access tokens expire now."""
        tenant.grants.expire_access()
        self._world.save_grants(tenant)
        return await self.grants(request, tenant, body)

    async def revoke(self, request: Request, tenant: Tenant, body: Any) -> Response:
        """All refresh tokens are revoked."""
        tenant.grants.revoke_refresh()
        self._world.save_grants(tenant)
        return await self.grants(request, tenant, body)

    async def uninstall(self, _: Request, tenant: Tenant, __: Any) -> Response:
        """The merchant removes the app."""
        await asyncio.to_thread(self._world.uninstall, tenant)
        return answer(_description(tenant))

    async def subscriptions(self, _: Request, tenant: Tenant, __: Any) -> Response:
        """All webhook subscriptions."""
        return answer({"subscriptions": [asdict(s) for s in tenant.subscriptions.all()]})

    async def unsubscribe(self, request: Request, tenant: Tenant, _: Any) -> Response:
        """Delete a webhook subscription behind the app's back."""
        return _found(tenant.subscriptions.delete(int(request.path_params["number"])))

    async def deliveries(self, request: Request, tenant: Tenant, _: Any) -> Response:
        """The newest deliveries, oldest first; `?topic=`, `?status=`, `?limit=` (1000)."""
        query = request.query_params
        found = [d for d in self._dispatcher.log if d.shop == tenant.shop.domain]
        found = [
            d for d in found if query.get("topic", d.topic) == d.topic and query.get("status", d.status) == d.status
        ]
        limit = int(query.get("limit", "1000"))
        return answer({"total": len(found), "deliveries": [d.report() for d in found[-limit:]]})

    async def statistics(self, _: Request, tenant: Tenant, __: Any) -> Response:
        """What was asked of the shop."""
        waiting = {"currently_available": tenant.bucket.status()["currentlyAvailable"]}
        return answer(tenant.statistics.report() | waiting | {"pending_deliveries": self._dispatcher.pending()})

    async def reset(self, _: Request, tenant: Tenant, __: Any) -> Response:
        """Count from zero."""
        tenant.statistics = Statistics()
        return answer(tenant.statistics.report())

    async def list_records(self, name: str, request: Request, tenant: Tenant, _: Any) -> Response:
        """Records by number: `?after=` a number, `?limit=` (50)."""
        after, limit = int(request.query_params.get("after", "0")), int(request.query_params.get("limit", "50"))

        def read() -> Response:
            with tenant.shop.lock:
                table = getattr(tenant.shop, name)
                found = [_record(record) for record in table.between(after + 1, None)[:limit]]
                return answer({"total": len(table), name: found})

        return await asyncio.to_thread(read)

    async def show_record(self, name: str, request: Request, tenant: Tenant, _: Any) -> Response:
        """One record."""
        which = int(request.path_params["number"])

        def read() -> Response:
            with tenant.shop.lock:
                return _found(getattr(tenant.shop, name).get(which))

        return await asyncio.to_thread(read)

    def _create(self, create: Any) -> Handler:
        async def handler(_: Request, tenant: Tenant, body: Any) -> Response:
            record = await asyncio.to_thread(
                self._world.change, tenant, lambda shop, ledger: create(shop, ledger, body)
            )
            return answer(_record(record), 201)

        return handler

    def _edit(self, edit: Any, *, with_body: bool = False) -> Handler:
        async def handler(request: Request, tenant: Tenant, body: Any) -> Response:
            which = int(request.path_params["number"])
            more = (body,) if with_body else ()
            record = await asyncio.to_thread(
                self._world.change, tenant, lambda shop, ledger: edit(shop, ledger, which, *more)
            )
            return _found(record)

        return handler


_EDITS: dict[str, tuple[Any, ...]] = {
    "products": (edits.create_product, edits.update_product, edits.delete_product),
    "collections": (discount_edits.create_collection, discount_edits.update_collection, discount_edits.delete_collection),
    "discounts": (discount_edits.create_discount, discount_edits.update_discount, discount_edits.delete_discount),
    "locations": (edits.create_location, edits.update_location),
}


def _item(tenant: Tenant, body: dict[str, Any]) -> int:
    if "item" in body:
        return number(str(body["item"]), "InventoryItem")
    variant = tenant.shop.variants.get(number(str(body["variant"]), "ProductVariant"))
    if variant is None:
        raise ValueError("no such variant")
    return variant.item


def _found(record: Any) -> Response:
    return answer(_record(record)) if record is not None else answer({"error": "no such record"}, 404)


def _record(record: Any) -> dict[str, Any]:
    body: dict[str, Any] = asdict(record) if is_dataclass(record) and not isinstance(record, type) else dict(record)
    kind = type(record).__name__
    if "number" in body:
        body["gid"] = gid(getattr(record, "node_type", kind), body["number"])
    return body


def _description(tenant: Tenant) -> dict[str, Any]:
    shop, grants = tenant.shop, tenant.grants
    return {
        "shop": shop.domain, "name": shop.profile.name, "plan": tenant.recipe.plan, "installed": grants.installed,
        "scopes": grants.scopes, "products": len(shop.products), "variants": len(shop.variants),
        "locations": [{"number": place.number, "name": place.name} for place in shop.locations],
        "collections": len(shop.collections), "discounts": len(shop.discounts), "recipe": tenant.recipe.model_dump(),
    }  # fmt: skip
