"""Wires the simulated Facebook: its state, its store, its webhook deliveries and its routes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from jinja2 import Environment
from starlette.routing import Route

from sandbox.client import WebhookClient
from sandbox.deliveries import Dispatcher
from sandbox.facebook import webhooks
from sandbox.facebook.client import CallbackClient
from sandbox.facebook.routes import control, graph, login, pages
from sandbox.facebook.state import FacebookState
from sandbox.facebook.store import FacebookStore
from sandbox.settings import Settings


@dataclass(frozen=True, slots=True)
class FacebookSandbox:
    """The simulated Facebook with all its parts, as the process of the sandbox runs it.

    It is one of the classes in the union type `sandbox.platforms.Platform`.
    """

    facebook: FacebookState
    routes: list[Route]
    dispatcher: Dispatcher
    client: WebhookClient
    callbacks: CallbackClient
    store: FacebookStore
    templates: Environment

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Deliver webhooks until the context ends, also those that were still pending when the process last stopped.

        Afterwards close the HTTP clients and the store.
        """
        self.dispatcher.add(self.facebook.load_pending_deliveries())
        delivery_task = asyncio.create_task(self.dispatcher.run())
        yield
        delivery_task.cancel()
        with suppress(asyncio.CancelledError):
            await delivery_task
        await self.client.close()
        await self.callbacks.close()
        self.store.close()

    def get_clock_skew(self, path: str) -> float | None:
        """Return by how many seconds the time in the `Date` header of responses is wrong, as set in the faults.

        `path` is the path of the request. Returns None for a path outside `/graph`, the simulated Graph API.
        """
        return self.facebook.faults.clock_skew_seconds if path.split("/")[1] == "graph" else None

    def render_card(self) -> str:
        """Render the link to the Facebook users and their Facebook Pages for the start page, as HTML."""
        return self.templates.get_template("facebook_card.html").render()


def build_facebook(settings: Settings, templates: Environment) -> FacebookSandbox | None:
    """Build the simulated Facebook and load its stored state.

    Returns None if `settings` contain no id of a Facebook app.
    """
    if not settings.facebook_app_id:
        return None
    secret, scale = settings.facebook_app_secret, settings.sandbox_retry_scale
    store, callbacks = FacebookStore(settings.sandbox_state), CallbackClient()
    client = WebhookClient(lambda delivery: webhooks.build_headers(delivery, secret))
    urls = {"deauthorize_url": settings.facebook_deauthorize_url, "deletion_url": settings.facebook_deletion_url}
    callback_urls = {name: url for name, url in urls.items() if url}
    facebook = FacebookState(
        settings.facebook_app_id, secret, store, lambda deliveries: dispatcher.add(deliveries), callback_urls
    )
    dispatcher = Dispatcher(
        client.post, facebook.record_attempt, lambda attempt: webhooks.compute_retry_delay(attempt, scale)
    )
    routes = [
        *graph.build_routes(facebook, callbacks.find_callback_problem, f"{settings.public_url}/graph"),
        *login.build_routes(facebook, templates),
        *control.build_routes(facebook, dispatcher, callbacks.post_signed_request),
        *pages.build_routes(facebook, templates, callbacks.post_signed_request),
    ]
    return FacebookSandbox(facebook, routes, dispatcher, client, callbacks, store, templates)
