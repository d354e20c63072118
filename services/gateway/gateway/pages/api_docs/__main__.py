"""Write the OpenAPI and the AsyncAPI document into the folder that the first argument names.

The OpenAPI document has the routes of every platform, as if all were configured.
"""

import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

from gateway.applications import Parts, describe_api
from gateway.pages.api_docs.documents import format_document
from gateway.settings import GatewaySettings
from platform_sdk.adapters import PlatformAdapter
from platform_sdk.manifests import Manifest
from platforms.registry import PLATFORMS, load_role

_URL = "http://gateway.invalid"
_SETTINGS: dict[str, Any] = {
    "kafka_bootstrap_servers": "nowhere",
    "database_url": "postgresql://nowhere",
    "scheduler_url": _URL,
    "linker_url": _URL,
    "internal_key_hashes": f"nobody:{'0' * 64}",
    "scheduler_key": "-" * 32,
    "linker_key": "-" * 32,
    "state_token_secret": "-" * 32,
    "token_encryption_keys": f"none:{b64encode(bytes(32)).decode()}",
}


class _Placeholder:
    """Stands for every dependency that is called only when a route is requested. Here no route is."""

    def __getattr__(self, name: str) -> Any:
        return self


def _create_adapter(platform: str) -> PlatformAdapter:
    """Return the platform's adapter with dummy values for all settings without which no account can be connected.

    The dummy is a URL where the setting's name asks for one, otherwise a row of digits, which is valid even as an app's
    id.
    """
    role = load_role(platform, "connect")
    manifest: Manifest = load_role(platform, "manifest").MANIFEST
    required = () if manifest.works_without_settings else manifest.mandatory_settings
    values = {name.lower(): _URL if name.endswith(("_URI", "_ADDRESS", "_URL")) else "0" * 15 for name in required}
    settings = role.Settings(_env_file=None, **values)
    adapter: PlatformAdapter = role.create_adapter(settings, _Placeholder(), lambda: 0)
    return adapter


def _create_parts() -> Parts:
    placeholder: Any = _Placeholder()
    return Parts(
        settings=GatewaySettings(_env_file=None, **_SETTINGS),
        adapters={platform: _create_adapter(platform) for platform in PLATFORMS},
        stores=placeholder,
        publish=placeholder,
        scheduler=placeholder,
        linker=placeholder,
        post_probe=placeholder,
        watch_topic=placeholder,
        metrics=placeholder,
        http=placeholder,
        now=lambda: 0,
    )


for name, document in describe_api(_create_parts())._asdict().items():
    Path(sys.argv[1], f"{name}.json").write_text(format_document(document))
