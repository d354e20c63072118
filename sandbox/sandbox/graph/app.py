"""The sandbox's Facebook, wired: its store, its deliveries, its routes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from jinja2 import Environment
from starlette.routing import Route

from sandbox.client import WebhookClient
from sandbox.deliveries import Dispatcher
from sandbox.graph import webhooks
from sandbox.graph.client import Callbacks
from sandbox.graph.store import GraphStore
from sandbox.graph.world import Facebook
from sandbox.routes import graph, graph_control, graph_login, graph_pages
from sandbox.settings import Settings


@dataclass(frozen=True, slots=True)
class Part:
    """What the sandbox's process needs of it. State is in memory from the start; `run` delivers webhooks."""

    facebook: Facebook
    routes: list[Route]
    dispatcher: Dispatcher
    receivers: WebhookClient
    callbacks: Callbacks
    store: GraphStore
    templates: Environment

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
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

    def get_clock_skew(self, path: str) -> float | None:
        """The clock skew among the faults; None for a path outside `/graph`."""
        return self.facebook.faults.clock_skew_seconds if path.split("/")[1] == "graph" else None

    def render_card(self) -> str:
        """The link to the people and their pages for the start page, as HTML."""
        return self.templates.get_template("facebook_card.html").render()


def build(settings: Settings, templates: Environment) -> Part | None:
    """All of it, for the app in `settings`; None if they name no app of Facebook's."""
    if not settings.facebook_app_id:
        return None
    secret, scale = settings.facebook_app_secret, settings.sandbox_retry_scale
    store, callbacks = GraphStore(settings.sandbox_state), Callbacks()
    receivers = WebhookClient(lambda delivery: webhooks.headers(delivery, secret))
    given = {"deauthorize_url": settings.facebook_deauthorize_url, "deletion_url": settings.facebook_deletion_url}
    addresses = {name: url for name, url in given.items() if url}
    facebook = Facebook(settings.facebook_app_id, secret, store, lambda made: dispatcher.add(made), addresses)
    dispatcher = Dispatcher(receivers.post, facebook.settle, lambda attempt: webhooks.retry_delay(attempt, scale))
    routes = [
        *graph.routes(facebook, callbacks.challenge, f"{settings.public_url}/graph"),
        *graph_login.routes(facebook, templates),
        *graph_control.routes(facebook, dispatcher, callbacks.post),
        *graph_pages.routes(facebook, templates, callbacks.post),
    ]
    return Part(facebook, routes, dispatcher, receivers, callbacks, store, templates)
