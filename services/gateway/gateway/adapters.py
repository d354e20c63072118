"""Creates the platforms' adapters, and reads from them by which URLs the gateway is reached.

An adapter is everything that the gateway uses of one platform.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from platform_sdk.adapters import PlatformAdapter
from platform_sdk.settings import PlatformSettings
from platforms.known_settings import list_known_settings
from platforms.registry import PLATFORMS, load_role
from service.settings import load_settings

if TYPE_CHECKING:
    from httpx import AsyncClient

_LOOPBACK_HOSTS = {"localhost", "127.0.0.1", "::1"}


def load_platform_settings() -> dict[str, PlatformSettings]:
    """Return each platform's own settings by the platform's slug (its short name).

    Settings that are incomplete or malformed end the process with a message that names them.
    """
    known = list_known_settings()
    return {slug: load_settings(load_role(slug, "connect").Settings, known) for slug in PLATFORMS}


def create_adapters(
    settings: Mapping[str, PlatformSettings], http: "AsyncClient", now: Callable[[], int]
) -> dict[str, PlatformAdapter]:
    """Return the adapters of all platforms by slug (short name), in the order of `PLATFORMS`.

    `settings` are the platforms' settings by slug. `now` returns the time in ms.
    """
    return {slug: load_role(slug, "connect").create_adapter(settings[slug], http, now) for slug in PLATFORMS}


def list_configured_adapters(adapters: Mapping[str, PlatformAdapter]) -> list[PlatformAdapter]:
    """Return the adapters of the platforms that are configured, so that accounts can be connected there."""
    return [adapter for adapter in adapters.values() if adapter.is_configured]


def has_https_origin(adapters: Iterable[PlatformAdapter]) -> bool:
    """Return whether browsers reach the gateway by https. Only then may its cookies be marked Secure.

    The first adapter that has an origin (the gateway's URL for browsers, from the platform's settings) decides.
    """
    return next((origin for adapter in adapters if (origin := adapter.origin)), "").startswith("https:")


def list_port_warnings(adapters: Iterable[PlatformAdapter], port: int) -> list[str]:
    """Return a warning for each of the gateway's URLs that names this machine with another port than `port`.

    `port` is the one on which the gateway listens. Such a URL is probably a mistake in a platform's settings.
    """
    return [
        f"{name} names this machine with port {_get_port(address)}, and the gateway listens on {port}"
        for adapter in adapters
        for name, address in adapter.own_addresses.items()
        if urlsplit(address).hostname in _LOOPBACK_HOSTS and _get_port(address) != port
    ]


def _get_port(address: str) -> int:
    parts = urlsplit(address)
    return parts.port or (443 if parts.scheme == "https" else 80)
