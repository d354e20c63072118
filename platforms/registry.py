"""The platforms of this installation, and how a service loads what it needs of them.

A service loads a platform by role, which is one module of its package: the gateway loads `connect` and `webhooks`, the
spaces-writer `document`, every service `manifest`. So no service imports what only another one needs.
"""

from importlib import import_module
from types import ModuleType

PLATFORMS = (
    "shopify",
    "facebook",
)
"""The slugs of all platforms, in the order in which pages show them. A platform is a package of this name and a line
here."""


def load_role(platform: str, role: str) -> ModuleType:
    """Return the module `platforms.<platform>.<role>`.

    Raises ModuleNotFoundError where the platform has no such role.
    """
    return import_module(f"platforms.{platform}.{role}")
