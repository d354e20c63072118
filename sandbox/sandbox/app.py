"""The sandbox as a process: settings in, everything wired, one HTTP server."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, nullcontext, suppress

import uvicorn
from jinja2 import Environment, PackageLoader, select_autoescape
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from sandbox.client import Receivers
from sandbox.clock_skew import Dated
from sandbox.deliveries import Delivery, Dispatcher, retry_delay
from sandbox.graph import app as graph_app
from sandbox.graph.world import Facebook
from sandbox.settings import Settings
from sandbox.shopify import webhooks
from sandbox.shopify.engine import Engine
from sandbox.shopify.routes import admin_api, control, oauth, pages
from sandbox.shopify.shop_registry import World
from sandbox.shopify.store import Store

_THREADS = 48


def build(settings: Settings) -> Starlette:
    """The application. State is loaded, and pending webhooks go on being delivered, when it starts up."""
    store = Store(settings.sandbox_state)
    templates = Environment(loader=PackageLoader("sandbox"), autoescape=select_autoescape())
    templates.globals["base"] = settings.base_path
    key, secret = settings.shopify_api_key, settings.shopify_api_secret
    graph = graph_app.build(settings, templates) if settings.facebook_app_id else None
    receivers = Receivers(lambda delivery: webhooks.headers(delivery, secret))
    loops: list[asyncio.AbstractEventLoop] = []

    def deliver(deliveries: list[Delivery]) -> None:
        loops[0].call_soon_threadsafe(dispatcher.add, deliveries)

    world = World(store, deliver)
    dispatcher = Dispatcher(
        receivers.post, world.settle, lambda attempt: retry_delay(attempt, settings.sandbox_retry_scale)
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        loops.append(asyncio.get_running_loop())
        # Threads wait for their shop's lock: there must be some left for the other shops.
        loops[0].set_default_executor(ThreadPoolExecutor(_THREADS))
        dispatcher.add(await asyncio.to_thread(world.load))
        running = asyncio.create_task(dispatcher.run())
        async with graph.running() if graph is not None else nullcontext():
            yield
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await receivers.close()
        store.close()

    routes = [
        Route("/health", _alive),
        Route("/ready", _alive),
        *oauth.routes(world, templates, key, secret),
        *admin_api.routes(world, Engine(), key),
        *control.routes(world, dispatcher),
        *pages.routes(world, templates, facebook=graph is not None),
        *(graph.routes if graph is not None else ()),
    ]
    app = Starlette(routes=routes, lifespan=lifespan)
    app.add_middleware(Dated, skew=_skew(world, graph.facebook if graph is not None else None))
    return app


async def _alive(_: Request) -> Response:
    return PlainTextResponse("ok\n")


def _skew(world: World, facebook: Facebook | None) -> Callable[[str], float]:
    """Seconds by which the clock is off for a path: as the faults of its shop, or of Facebook, say."""

    def skew(path: str) -> float:
        parts = path.split("/")
        if parts[1] == "graph" and facebook is not None:
            return facebook.faults.clock_skew_seconds
        tenant = world.get(parts[2]) if len(parts) > 2 and parts[1] == "shops" else None
        return tenant.faults.clock_skew_seconds if tenant is not None else 0.0

    return skew


def main() -> None:
    """Run until stopped."""
    try:
        settings = Settings(_secrets_dir=os.environ.get("SETTINGS_DIR"))
    except ValidationError as error:
        problems = (str(p["loc"][0]).upper() if p["loc"] else str(p["ctx"]["error"]) for p in error.errors())
        sys.exit(f"sandbox: set {', '.join(problems)}")
    # Long queries run in threads: a short switch interval keeps webhooks and consent pages going beside them.
    sys.setswitchinterval(0.001)
    uvicorn.run(
        build(settings),
        host=settings.sandbox_host,
        port=settings.sandbox_port,
        date_header=False,
        access_log=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
