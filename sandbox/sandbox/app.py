"""The sandbox as a process: settings in, everything wired, one HTTP server."""

import asyncio
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from email.utils import formatdate
from time import time

import uvicorn
from jinja2 import Environment, PackageLoader, select_autoescape
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.client import Receivers
from sandbox.deliveries import Delivery, Dispatcher
from sandbox.engine import Engine
from sandbox.routes import admin, control, oauth, page
from sandbox.settings import Settings
from sandbox.store import Store
from sandbox.world import World

_THREADS = 48


def build(settings: Settings) -> Starlette:
    """The application. State is loaded, and pending webhooks go on being delivered, when it starts up."""
    store = Store(settings.sandbox_state)
    receivers = Receivers(settings.shopify_api_secret)
    loops: list[asyncio.AbstractEventLoop] = []

    def deliver(deliveries: list[Delivery]) -> None:
        loops[0].call_soon_threadsafe(dispatcher.add, deliveries)

    world = World(store, deliver)
    dispatcher = Dispatcher(receivers.post, world.settle, settings.sandbox_retry_scale)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        loops.append(asyncio.get_running_loop())
        # Threads wait for their shop's lock: there must be some left for the other shops.
        loops[0].set_default_executor(ThreadPoolExecutor(_THREADS))
        dispatcher.add(await asyncio.to_thread(world.load))
        running = asyncio.create_task(dispatcher.run())
        yield
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await receivers.close()
        store.close()

    templates = Environment(loader=PackageLoader("sandbox"), autoescape=select_autoescape())
    key, secret = settings.shopify_api_key, settings.shopify_api_secret
    routes = [
        Route("/health", _alive),
        Route("/ready", _alive),
        *oauth.routes(world, templates, key, secret),
        *admin.routes(world, Engine(), key),
        *control.routes(world, dispatcher),
        *page.routes(world, templates),
    ]
    app = Starlette(routes=routes, lifespan=lifespan)
    app.add_middleware(_Dated, world=world)
    return app


async def _alive(_: Request) -> Response:
    return PlainTextResponse("ok\n")


class _Dated:
    """A `Date` on every answer, as far off as the faults of the shop in the path say."""

    def __init__(self, app: ASGIApp, world: World) -> None:
        self._app = app
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        parts = scope["path"].split("/")
        tenant = self._world.get(parts[2]) if len(parts) > 2 and parts[1] == "shops" else None
        skew = tenant.faults.clock_skew_seconds if tenant is not None else 0.0

        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = formatdate(time() + skew, usegmt=True).encode()
                message["headers"] = [*message["headers"], (b"date", date)]
            await send(message)

        await self._app(scope, receive, dated)


def main() -> None:
    """Run until stopped."""
    try:
        settings = Settings()
    except ValidationError as error:
        missing = ", ".join(str(problem["loc"][0]).upper() for problem in error.errors())
        sys.exit(f"sandbox: set {missing}")
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
