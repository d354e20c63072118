"""Lists the platforms of this installation, and loads the modules of a platform's package.

Each module of the package has one role. The gateway loads `connect`, which imports `webhooks`; the spaces-writer loads
`document`; every service loads `manifest`. So no service imports code that only another service needs.
"""

from importlib import import_module
from types import ModuleType

PLATFORMS = (
    "shopify",
    "facebook",
    "phpmyadmin",
    "odoo",
)
"""The slugs of all platforms, in the order in which HTML pages show them.

To add a platform, add its package `platforms/<slug>` and its slug here."""


def load_role(platform: str, role: str) -> ModuleType:
    """Return the module `platforms.<platform>.<role>`.

    Raises ModuleNotFoundError when the platform has no such module.
    """
    return import_module(f"platforms.{platform}.{role}")


DESTINATIONS = tuple(slug for slug in PLATFORMS if load_role(slug, "manifest").MANIFEST.is_destination)
"""The slugs of the platforms that links write to, as their manifests say. Each has a writer, the service
`<slug>-writer`."""
