"""Wires the simulated phpMyAdmin: its state and its routes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from jinja2 import Environment
from starlette.routing import Route

from sandbox.phpmyadmin.rendering import PageRenderer
from sandbox.phpmyadmin.routes import control, phpmyadmin, tables
from sandbox.phpmyadmin.state import PhpMyAdminState
from sandbox.settings import Settings


@dataclass(frozen=True, slots=True)
class PhpMyAdminSandbox:
    """The simulated phpMyAdmin with all its parts, as the process of the sandbox runs it.

    It is one of the classes in the union type `sandbox.platforms.Platform`.
    """

    state: PhpMyAdminState
    routes: list[Route]
    templates: Environment

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Close the files of the databases when the context ends."""
        yield
        self.state.close()

    def get_clock_skew(self, path: str) -> float | None:
        """Return 0 for paths of the phpMyAdmin, and None for others: its clock is right."""
        return 0.0 if path.split("/")[1] == "phpmyadmin" else None

    def render_card(self) -> str:
        """Render the link to the tables for the start page, as HTML."""
        return self.templates.get_template("phpmyadmin_card.html").render()


def build_phpmyadmin(settings: Settings, templates: Environment) -> PhpMyAdminSandbox:
    """Build the simulated phpMyAdmin and load its stored state."""
    state = PhpMyAdminState(settings.sandbox_state, settings.sandbox_phpmyadmin_password)
    renderer = PageRenderer(templates, phpmyadmin.ROOT_PATH)
    routes = [
        *phpmyadmin.build_routes(state, renderer),
        *tables.build_routes(state, templates),
        *control.build_routes(state),
    ]
    return PhpMyAdminSandbox(state, routes, templates)
