"""The platforms of this installation as the gateway uses them: their adapters, and what their settings say of it."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from platform_sdk.adapters import PlatformAdapter
from platform_sdk.settings import PlatformSettings
from platforms.registry import PLATFORMS, load_role
from service.settings import load_settings

if TYPE_CHECKING:
    from httpx import AsyncClient

_LOOPBACK_HOSTS = {"localhost", "127.0.0.1", "::1"}


def load_platform_settings() -> dict[str, PlatformSettings]:
    """Return each platform's own settings by slug. Incomplete or malformed ones end the process by name."""
    return {slug: load_settings(load_role(slug, "connect").Settings) for slug in PLATFORMS}


def create_adapters(
    settings: Mapping[str, PlatformSettings], http: "AsyncClient", now: Callable[[], int]
) -> dict[str, PlatformAdapter]:
    """Return the adapters of all platforms by slug, in the order of the registry. `now` is in ms."""
    return {slug: load_role(slug, "connect").create_adapter(settings[slug], http, now) for slug in PLATFORMS}


def list_configured_adapters(adapters: Mapping[str, PlatformAdapter]) -> list[PlatformAdapter]:
    """Return the platforms at which accounts can be connected here."""
    return [adapter for adapter in adapters.values() if adapter.is_configured]


def has_https_origin(adapters: Iterable[PlatformAdapter]) -> bool:
    """Return whether browsers reach the gateway by https, so that its cookies may be marked Secure."""
    return next((origin for adapter in adapters if (origin := adapter.origin)), "").startswith("https:")


def list_port_warnings(adapters: Iterable[PlatformAdapter], port: int) -> list[str]:
    """Return remarks on addresses that name this machine with another port than the gateway's, which is probably a
    mistake."""
    return [
        f"{name} names this machine with port {_get_port(address)}, and the gateway listens on {port}"
        for adapter in adapters
        for name, address in adapter.own_addresses.items()
        if urlsplit(address).hostname in _LOOPBACK_HOSTS and _get_port(address) != port
    ]


def _get_port(address: str) -> int:
    parts = urlsplit(address)
    return parts.port or (443 if parts.scheme == "https" else 80)
