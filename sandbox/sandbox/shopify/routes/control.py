"""The control API, with which tests create shops, edit them and set their faults.

It also returns the snapshot that the synchronization must write for a shop (the document of all its data).
"""

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
from sandbox.responses import build_json_response
from sandbox.shopify import collection_edits, discount_edits, edits, expected_document
from sandbox.shopify.change_set import ChangeSet
from sandbox.shopify.faults import Faults
from sandbox.shopify.generator import Recipe
from sandbox.shopify.gids import build_gid, parse_number
from sandbox.shopify.model import Level
from sandbox.shopify.shop_registry import ShopRegistry
from sandbox.shopify.shops import Shop
from sandbox.shopify.statistics import Statistics
from sandbox.shopify.tenants import Tenant

Handler = Callable[[Request, Tenant, Any], Awaitable[Response]]
"""Handles a request about one shop. The third argument is the parsed JSON body; {} without a body."""
ALL_SCOPES = "read_products,read_inventory,read_locations,read_discounts"


def build_routes(registry: ShopRegistry, dispatcher: Dispatcher) -> list[Route]:
    """Build all routes of the control API, with which tests steer the simulated shops, under `/control/shops`."""
    control = _ControlApi(registry, dispatcher)
    routes: list[Route] = [
        Route("/control/shops", control.create, methods=["POST"]),
        Route("/control/shops", control.list_shops, methods=["GET"]),
    ]
    for method, path, handler in [*control.list_shop_handlers(), *control.list_record_handlers()]:
        routes.append(Route(f"/control/shops/{{shop}}{path}", _build_endpoint(registry, handler), methods=[method]))
    return routes


def _build_endpoint(registry: ShopRegistry, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        tenant = registry.find_shop(request.path_params["shop"])
        if tenant is None:
            return build_json_response({"error": "no such shop"}, 404)
        try:
            raw = await request.body()
            return await handler(request, tenant, orjson.loads(raw) if raw else {})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            # Bodies are not validated beforehand: a missing or wrong field shows as one of these in the edit.
            return build_json_response({"error": f"{type(error).__name__}: {error}"}, 400)

    return handle


class _ControlApi:
    def __init__(self, registry: ShopRegistry, dispatcher: Dispatcher) -> None:
        self._registry = registry
        self._dispatcher = dispatcher

    def list_shop_handlers(self) -> list[tuple[str, str, Handler]]:
        """List the endpoints about a shop as a whole.

        Each is an HTTP method, a path under `/control/shops/{shop}` and a handler.
        """
        return [
            ("GET", "", self.describe),
            ("PATCH", "", self.update),
            ("GET", "/document", self.show_document),
            ("POST", "/burst", self.apply_burst),
            ("POST", "/inventory", self.set_inventory),
            ("GET", "/faults", self.show_faults),
            ("PUT", "/faults", self.set_faults),
            ("GET", "/grants", self.show_grants),
            ("PUT", "/grants", self.set_grants),
            ("POST", "/grants/expire", self.expire_access_tokens),
            ("POST", "/grants/revoke", self.revoke_refresh_tokens),
            ("POST", "/uninstall", self.uninstall),
            ("GET", "/subscriptions", self.list_subscriptions),
            ("DELETE", "/subscriptions/{number}", self.delete_subscription),
            ("GET", "/deliveries", self.list_deliveries),
            ("POST", "/deliveries/hold", self.hold_retries),
            ("POST", "/deliveries/release", self.release_retries),
            ("GET", "/statistics", self.show_statistics),
            ("DELETE", "/statistics", self.reset_statistics),
            ("GET", "/writes", self.list_writes),
        ]

    def list_record_handlers(self) -> list[tuple[str, str, Handler]]:
        """List the endpoints about the records of a shop, such as its products.

        Each is an HTTP method, a path under `/control/shops/{shop}` and a handler.
        """
        rows: list[tuple[str, str, Handler]] = [
            ("POST", "/products/{number}/touch", self._build_edit_handler(edits.touch_product)),
        ]
        for name, (create, update, *delete) in _EDITS.items():
            rows.append(("GET", f"/{name}", partial(self.list_records, name)))
            rows.append(("GET", f"/{name}/{{number}}", partial(self.show_record, name)))
            rows.append(("POST", f"/{name}", self._build_create_handler(create)))
            rows.append(("PATCH", f"/{name}/{{number}}", self._build_edit_handler(update, with_body=True)))
            rows += [("DELETE", f"/{name}/{{number}}", self._build_edit_handler(edit)) for edit in delete]
        return rows

    async def create(self, request: Request) -> Response:
        """Create a shop from the recipe (the parameters of a generated shop) in the body.

        Returns the status 201 for a new shop, 200 if the shop exists with the same recipe, 409 if it exists with
        another recipe, and 422 for an invalid recipe.
        """
        try:
            recipe = Recipe.model_validate_json(await request.body())
            tenant, is_new = await asyncio.to_thread(self._registry.get_or_create_shop, recipe)
        except ValidationError as error:
            return build_json_response({"error": str(error)}, 422)
        except ValueError as error:
            return build_json_response({"error": str(error)}, 409)
        return build_json_response(_describe(tenant), 201 if is_new else 200)

    async def list_shops(self, _: Request) -> Response:
        """List all shops."""
        return build_json_response({"shops": [_describe(tenant) for tenant in self._registry.list_tenants()]})

    async def describe(self, _: Request, tenant: Tenant, __: Any) -> Response:
        """Return a description of one shop: its name, its granted scopes, its recipe and the numbers of its records."""
        return build_json_response(_describe(tenant))

    async def update(self, _: Request, tenant: Tenant, body: Any) -> Response:
        """Set the name, currency, timezone or email of the shop."""
        await asyncio.to_thread(
            self._registry.apply_edit, tenant, lambda shop, changes: edits.update_shop(shop, changes, body)
        )
        return build_json_response(_describe(tenant))

    async def show_document(self, request: Request, tenant: Tenant, _: Any) -> Response:
        """Return the snapshot (the document of all data) that the synchronization must write for the shop.

        It is for the scopes in `?scopes=`. Without `?scopes=`, it is for the granted scopes, or for all four read
        scopes if none is granted.
        """
        requested = request.query_params.get("scopes")
        scopes = requested if requested is not None else ",".join(tenant.grants.scopes) or ALL_SCOPES

        def build() -> bytes:
            with tenant.shop.lock:
                return expected_document.build_document(tenant.shop, frozenset(scopes.split(",")))

        return Response(await asyncio.to_thread(build), media_type="application/json")

    async def apply_burst(self, _: Request, tenant: Tenant, body: Any) -> Response:
        """Make many product edits in quick succession.

        The body has the number of edits (`edits`), the number of products to edit (`products`) and a random `seed`.
        """
        edit_count, product_count, seed = int(body["edits"]), int(body["products"]), int(body.get("seed", 0))
        numbers = await asyncio.to_thread(
            self._registry.apply_edit,
            tenant,
            lambda shop, changes: edits.apply_burst(shop, changes, edit_count, product_count, seed),
        )
        return build_json_response({"edits": edit_count, "products": [build_gid("Product", n) for n in numbers]})

    async def set_inventory(self, _: Request, tenant: Tenant, body: Any) -> Response:
        """Set the stock of an item at a location to `available`, or change it by `change`.

        If `available` is null, disconnect the item from the location.
        """
        location, item = parse_number(str(body["location"]), "Location"), _find_item(tenant, body)

        def edit(shop: Shop, changes: ChangeSet) -> Level | None:
            if "change" not in body:
                return edits.set_stock_or_disconnect(shop, changes, item, location, body["available"])
            return edits.change_stock(shop, changes, item, location, int(body["change"]))

        return _build_record_response(await asyncio.to_thread(self._registry.apply_edit, tenant, edit))

    async def show_faults(self, _: Request, tenant: Tenant, __: Any) -> Response:
        """Return the faults of the shop."""
        return build_json_response(tenant.faults.model_dump(mode="json"))

    async def set_faults(self, _: Request, tenant: Tenant, body: Any) -> Response:
        """Replace all faults of the shop by those in the body. A fault that the body does not name is off."""
        self._registry.set_faults(tenant, Faults(**body))
        return build_json_response(tenant.faults.model_dump(mode="json"))

    async def show_grants(self, _: Request, tenant: Tenant, __: Any) -> Response:
        """Return whether the app is installed, its scopes, and how many tokens it has, but not the tokens."""
        grants = tenant.grants
        return build_json_response(
            {
                "installed": grants.installed,
                "scopes": grants.scopes,
                "override": grants.override,
                "access_tokens": len(grants.access),
                "refresh_tokens": len(grants.refresh),
            }
        )

    async def set_grants(self, request: Request, tenant: Tenant, body: Any) -> Response:
        """Set the granted `scopes`, or `override`, the only scopes that the merchant grants at the next consent."""
        if "scopes" in body:
            tenant.grants.scopes = sorted(body["scopes"])
        if "override" in body:
            tenant.grants.override = body["override"]
        self._registry.save_grants(tenant)
        return await self.show_grants(request, tenant, body)

    async def expire_access_tokens(self, request: Request, tenant: Tenant, body: Any) -> Response:
        """Let all access tokens that the app has for the shop expire now."""
        tenant.grants.expire_access_tokens()
        self._registry.save_grants(tenant)
        return await self.show_grants(request, tenant, body)

    async def revoke_refresh_tokens(self, request: Request, tenant: Tenant, body: Any) -> Response:
        """Revoke all refresh tokens that the app has for the shop."""
        tenant.grants.revoke_refresh_tokens()
        self._registry.save_grants(tenant)
        return await self.show_grants(request, tenant, body)

    async def uninstall(self, _: Request, tenant: Tenant, __: Any) -> Response:
        """Remove the app from the shop, with the same effects as when the merchant removes it."""
        await asyncio.to_thread(self._registry.uninstall, tenant)
        return build_json_response(_describe(tenant))

    async def list_subscriptions(self, _: Request, tenant: Tenant, __: Any) -> Response:
        """List all webhook subscriptions."""
        return build_json_response({"subscriptions": [asdict(s) for s in tenant.subscriptions.list_all()]})

    async def delete_subscription(self, request: Request, tenant: Tenant, _: Any) -> Response:
        """Delete a webhook subscription without notifying the app."""
        return _build_record_response(tenant.subscriptions.delete(int(request.path_params["number"])))

    async def hold_retries(self, _request: Request, tenant: Tenant, _: Any) -> Response:
        """Let retries of webhooks wait until they are released."""
        self._dispatcher.hold_retries(tenant.shop.domain)
        return build_json_response({})

    async def release_retries(self, _request: Request, tenant: Tenant, _: Any) -> Response:
        """Retry at once what waits."""
        self._dispatcher.release_retries(tenant.shop.domain)
        return build_json_response({})

    async def list_deliveries(self, request: Request, tenant: Tenant, _: Any) -> Response:
        """List the newest `?limit=` (default 1000) webhook deliveries, oldest first.

        `?topic=` and `?status=` filter them.
        """
        query = request.query_params
        matches = [
            delivery
            for delivery in self._dispatcher.log
            if delivery.shop == tenant.shop.domain
            and query.get("topic", delivery.topic) == delivery.topic
            and query.get("status", delivery.status) == delivery.status
        ]
        limit = int(query.get("limit", "1000"))
        return build_json_response(
            {"total": len(matches), "deliveries": [delivery.build_report() for delivery in matches[-limit:]]}
        )

    async def show_statistics(self, _: Request, tenant: Tenant, __: Any) -> Response:
        """Return the counts of the shop's calls, points and webhooks."""
        return build_json_response(
            tenant.statistics.build_report()
            | {"currently_available": tenant.bucket.build_throttle_status()["currentlyAvailable"]}
            | {"held_calls": tenant.held_calls}
            | {"pending_deliveries": self._dispatcher.count_pending()}
        )

    async def list_writes(self, request: Request, tenant: Tenant, _: Any) -> Response:
        """List the newest `?limit=` (default 1000) mutations of the shop's data, oldest first.

        `?mutation=` is the name of the ones to list, `?gid=` a record that they name.
        """
        query = request.query_params
        matches = [
            write
            for write in list(tenant.statistics.write_log)
            if query.get("mutation", write["mutation"]) == write["mutation"]
            and ("gid" not in query or query["gid"] in write["gids"])
        ]
        return build_json_response({"total": len(matches), "writes": matches[-int(query.get("limit", "1000")) :]})

    async def reset_statistics(self, _: Request, tenant: Tenant, __: Any) -> Response:
        """Set all counts of the shop's calls, points and webhooks to zero."""
        tenant.statistics = Statistics()
        return build_json_response(tenant.statistics.build_report())

    async def list_records(self, name: str, request: Request, tenant: Tenant, _: Any) -> Response:
        """List the shop's records of the kind `name`, such as products, in the order of their numbers.

        The list starts after the number `?after=` (default 0) and has at most `?limit=` (default 50) records.
        """
        after, limit = int(request.query_params.get("after", "0")), int(request.query_params.get("limit", "50"))

        def read() -> Response:
            with tenant.shop.lock:
                table = getattr(tenant.shop, name)
                records = [_dump_record(record) for record in table.list_between(after + 1, None)[:limit]]
                return build_json_response({"total": len(table), name: records})

        return await asyncio.to_thread(read)

    async def show_record(self, name: str, request: Request, tenant: Tenant, _: Any) -> Response:
        """Return one of the shop's records of the kind `name`, such as products."""
        number = int(request.path_params["number"])

        def read() -> Response:
            with tenant.shop.lock:
                return _build_record_response(getattr(tenant.shop, name).get(number))

        return await asyncio.to_thread(read)

    def _build_create_handler(self, create: Any) -> Handler:
        async def handle(_: Request, tenant: Tenant, body: Any) -> Response:
            record = await asyncio.to_thread(
                self._registry.apply_edit, tenant, lambda shop, changes: create(shop, changes, body)
            )
            return build_json_response(_dump_record(record), 201)

        return handle

    def _build_edit_handler(self, edit: Any, *, with_body: bool = False) -> Handler:
        async def handle(request: Request, tenant: Tenant, body: Any) -> Response:
            number = int(request.path_params["number"])
            more = (body,) if with_body else ()
            record = await asyncio.to_thread(
                self._registry.apply_edit, tenant, lambda shop, changes: edit(shop, changes, number, *more)
            )
            return _build_record_response(record)

        return handle


_EDITS: dict[str, tuple[Any, ...]] = {
    "products": (edits.create_product, edits.update_product, edits.delete_product),
    "collections": (
        collection_edits.create_collection, collection_edits.update_collection, collection_edits.delete_collection,
    ),
    "discounts": (discount_edits.create_discount, discount_edits.update_discount, discount_edits.delete_discount),
    "locations": (edits.create_location, edits.update_location),
}  # fmt: skip
"""The edit functions for each kind of record: create, update and, except for locations, delete."""


def _find_item(tenant: Tenant, body: dict[str, Any]) -> int:
    """Return the number of the inventory item that `body` names, directly (`item`) or by its variant (`variant`).

    Raises ValueError if the variant does not exist.
    """
    if "item" in body:
        return parse_number(str(body["item"]), "InventoryItem")
    variant = tenant.shop.variants.get(parse_number(str(body["variant"]), "ProductVariant"))
    if variant is None:
        raise ValueError("no such variant")
    return variant.item


def _build_record_response(record: Any) -> Response:
    if record is None:
        return build_json_response({"error": "no such record"}, 404)
    return build_json_response(_dump_record(record))


def _dump_record(record: Any) -> dict[str, Any]:
    body: dict[str, Any] = asdict(record) if is_dataclass(record) and not isinstance(record, type) else dict(record)
    if "number" in body:
        body["gid"] = build_gid(getattr(record, "node_type", type(record).__name__), body["number"])
    return body


def _describe(tenant: Tenant) -> dict[str, Any]:
    shop, grants = tenant.shop, tenant.grants
    return {
        "shop": shop.domain, "name": shop.profile.name, "plan": tenant.recipe.plan, "installed": grants.installed,
        "scopes": grants.scopes, "products": len(shop.products), "variants": len(shop.variants),
        "locations": [{"number": location.number, "name": location.name} for location in shop.locations],
        "collections": len(shop.collections), "discounts": len(shop.discounts), "recipe": tenant.recipe.model_dump(),
    }  # fmt: skip
