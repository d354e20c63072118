"""The platforms that the sandbox stands in for. A new one is a folder of its own and a line in `PLATFORMS`."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from jinja2 import Environment
from starlette.routing import Route

from sandbox.facebook import app as facebook_app
from sandbox.settings import Settings
from sandbox.shopify import app as shopify_app


class Platform(Protocol):
    """What the process needs of one platform."""

    @property
    def routes(self) -> Sequence[Route]:
        """All HTTP routes of the platform."""

    def run(self) -> AbstractAsyncContextManager[None]:
        """Load the stored state and deliver webhooks until the context is left."""

    def get_clock_skew(self, path: str) -> float | None:
        """Seconds to add to the `Date` header of a request's answer; None if `path` belongs to another platform."""

    def render_card(self) -> str:
        """The HTML of the platform's part of the start page."""


PLATFORMS: tuple[Callable[[Settings, Environment], Platform | None], ...] = (shopify_app.build, facebook_app.build)
"""How each platform is built. None: the settings do not configure that platform, so the sandbox runs without it."""
