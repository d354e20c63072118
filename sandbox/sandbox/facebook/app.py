"""The sandbox's Facebook, wired: its store, its deliveries, its routes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from jinja2 import Environment
from starlette.routing import Route

from sandbox.client import Receivers
from sandbox.deliveries import Dispatcher
from sandbox.facebook import webhooks
from sandbox.facebook.client import Callbacks
from sandbox.facebook.routes import control, graph, login, pages
from sandbox.facebook.state import Facebook
from sandbox.facebook.store import GraphStore
from sandbox.settings import Settings


@dataclass(frozen=True, slots=True)
class Part:
    """What the sandbox's process needs of it. State is in memory from the start; `running` delivers webhooks."""

    facebook: Facebook
    routes: list[Route]
    dispatcher: Dispatcher
    receivers: Receivers
    callbacks: Callbacks
    store: GraphStore

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Deliver webhooks, pending ones first, until left."""
        self.dispatcher.add(self.facebook.pending())
        delivering = asyncio.create_task(self.dispatcher.run())
        yield
        delivering.cancel()
        with suppress(asyncio.CancelledError):
            await delivering
        await self.receivers.close()
        await self.callbacks.close()
        self.store.close()


def build(settings: Settings, templates: Environment) -> Part:
    """All of it, for the app in `settings`."""
    secret, scale = settings.facebook_app_secret, settings.sandbox_retry_scale
    store, callbacks = GraphStore(settings.sandbox_state), Callbacks()
    receivers = Receivers(lambda delivery: webhooks.headers(delivery, secret))
    given = {"deauthorize_url": settings.facebook_deauthorize_url, "deletion_url": settings.facebook_deletion_url}
    addresses = {name: url for name, url in given.items() if url}
    facebook = Facebook(settings.facebook_app_id, secret, store, lambda made: dispatcher.add(made), addresses)
    dispatcher = Dispatcher(receivers.post, facebook.settle, lambda attempt: webhooks.retry_delay(attempt, scale))
    routes = [
        *graph.routes(facebook, callbacks.challenge, f"{settings.public_url}/graph"),
        *login.routes(facebook, templates),
        *control.routes(facebook, dispatcher, callbacks.post),
        *pages.routes(facebook, templates, callbacks.post),
    ]
    return Part(facebook, routes, dispatcher, receivers, callbacks, store)
