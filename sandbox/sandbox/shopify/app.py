"""Builds the simulated Shopify: its store, its webhook delivery and its routes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from jinja2 import Environment
from starlette.routing import Route

from sandbox.client import WebhookClient
from sandbox.deliveries import Delivery, Dispatcher
from sandbox.settings import Settings
from sandbox.shopify import webhooks
from sandbox.shopify.bulk_runner import BulkRunner
from sandbox.shopify.engine import Engine
from sandbox.shopify.routes import admin_api, control, oauth, pages, uploads
from sandbox.shopify.shop_registry import ShopRegistry
from sandbox.shopify.store import ShopStore

_WORK_SECONDS = 0.02


@dataclass(slots=True)
class ShopifySandbox:
    """The simulated Shopify: its routes, its shops and the delivery of their webhooks.

    It is one of the simulated platforms (`platforms.Platform`) that the process of the sandbox runs.
    """

    templates: Environment
    store: ShopStore
    client: WebhookClient
    engine: Engine
    retry_scale: float
    routes: list[Route] = field(default_factory=list)
    registry: ShopRegistry = field(init=False)
    runner: BulkRunner = field(init=False)
    dispatcher: Dispatcher = field(init=False)
    _loop: asyncio.AbstractEventLoop | None = None

    def __post_init__(self) -> None:
        self.registry = ShopRegistry(self.store, self._dispatch)
        self.runner = BulkRunner(self.registry, self.engine)
        self.dispatcher = Dispatcher(
            self.client.post,
            self.registry.record_attempt,
            lambda attempt: webhooks.compute_retry_delay(attempt, self.retry_scale),
        )

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Load all stored shops, and deliver webhooks for as long as the `async with` block runs.

        Webhooks that were pending when the sandbox last stopped are delivered, too. At the end, the store and the HTTP
        client are closed.
        """
        self._loop = asyncio.get_running_loop()
        self.dispatcher.add(await asyncio.to_thread(self.registry.load_shops_and_deliveries))
        tasks = [asyncio.create_task(self.dispatcher.run()), asyncio.create_task(self._work_in_background())]
        yield
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await self.client.close()
        self.store.close()

    async def _work_in_background(self) -> None:
        """Do the work of all shops that Shopify does some time after it has answered, when it is due."""
        while True:
            for tenant in self.registry.list_tenants():
                if tenant.work.is_due():
                    await asyncio.to_thread(self.registry.apply_due_work, tenant)
                if tenant.bulk.list_open():
                    await asyncio.to_thread(self.runner.run_lines, tenant)
            await asyncio.sleep(_WORK_SECONDS)

    def get_clock_skew(self, path: str) -> float | None:
        """Return by how many seconds the `Date` headers are wrong for the shop that the URL path `path` names.

        This clock skew is one of the shop's faults. Returns 0 for an unknown shop, and None for a path outside
        `/shops`.
        """
        parts = path.split("/")
        if len(parts) < 3 or parts[1] != "shops":
            return None
        tenant = self.registry.find_shop(parts[2])
        return tenant.faults.clock_skew_seconds if tenant is not None else 0.0

    def render_card(self) -> str:
        """Render the list of shops for the start page, as HTML."""
        shops = [tenant.shop for tenant in self.registry.list_tenants()]
        return self.templates.get_template("shops_card.html").render(shops=shops)

    def _dispatch(self, deliveries: list[Delivery]) -> None:
        # Edits run in threads, but the dispatcher belongs to the event loop.
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self.dispatcher.add, deliveries)


def build_shopify(settings: Settings, templates: Environment) -> ShopifySandbox:
    """Build the simulated Shopify, for the app whose API key and secret are in `settings`."""
    key, secret = settings.shopify_api_key, settings.shopify_api_secret
    client = WebhookClient(lambda delivery: webhooks.build_headers(delivery, secret))
    engine = Engine(settings.public_url)
    shopify = ShopifySandbox(templates, ShopStore(settings.sandbox_state), client, engine, settings.sandbox_retry_scale)
    shopify.routes = [
        *oauth.build_routes(shopify.registry, templates, key, secret),
        *admin_api.build_routes(shopify.registry, engine, key),
        *uploads.build_routes(shopify.registry),
        *control.build_routes(shopify.registry, shopify.dispatcher),
        *pages.build_routes(shopify.registry, templates),
    ]
    return shopify
