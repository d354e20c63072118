"""Wires the simulated Odoo server: its state and its routes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from jinja2 import Environment
from starlette.routing import Route

from sandbox.odoo.routes import control, named_calls, pages, remote_calls, web
from sandbox.odoo.state import OdooState
from sandbox.settings import Settings

_PATHS = ("jsonrpc", "xmlrpc", "json", "web", "odoo")


@dataclass(frozen=True, slots=True)
class OdooSandbox:
    """The simulated Odoo server with all its parts, as the process of the sandbox runs it.

    It is one of the classes in the union type `sandbox.platforms.Platform`.
    """

    state: OdooState
    routes: list[Route]
    templates: Environment

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Close the file of the databases when the context ends."""
        yield
        self.state.close()

    def get_clock_skew(self, path: str) -> float | None:
        """Return 0 for paths of the Odoo server, and None for others: its clock is right."""
        return 0.0 if path.split("/")[1] in _PATHS else None

    def render_card(self) -> str:
        """Render the link to the products for the start page, as HTML."""
        return self.templates.get_template("odoo_card.html").render()


def build_odoo(settings: Settings, templates: Environment) -> OdooSandbox:
    """Build the simulated Odoo server and load its stored state."""
    state = OdooState(settings.sandbox_state, settings.sandbox_odoo_key, settings.sandbox_odoo_version)
    routes = [
        *remote_calls.build_routes(state),
        *named_calls.build_routes(state),
        *web.build_routes(state),
        *pages.build_routes(state, templates),
        *control.build_routes(state),
    ]
    return OdooSandbox(state, routes, templates)
