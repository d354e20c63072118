"""Write both documents, with every platform configured, into the folder that is named."""

import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

from gateway.app import Parts, described
from gateway.pages.api_docs.documents import written
from gateway.platforms import PLATFORMS
from gateway.settings import GatewaySettings

_ANYWHERE = "http://gateway.invalid"
_INVENTED: dict[str, Any] = {
    "kafka_bootstrap_servers": "nowhere",
    "database_url": "postgresql://nowhere",
    "scheduler_url": _ANYWHERE,
    "internal_keys": f"nobody:{'-' * 16}",
    "internal_key": "nothing",
    "state_token_secret": "-" * 32,
    "token_encryption_keys": f"none:{b64encode(bytes(32)).decode()}",
    "shopify_api_key": "none",
    "shopify_api_secret": "none",
    "shopify_redirect_uri": _ANYWHERE,
    "shopify_webhook_address": _ANYWHERE,
    "facebook_app_id": "0" * 15,
    "facebook_app_secret": "none",
    "facebook_verify_token": "none",
    "facebook_redirect_uri": _ANYWHERE,
    "facebook_webhook_address": _ANYWHERE,
}


class _Nobody:
    """Stands for whatever routes ask when they are called: nothing is called here."""

    def __getattr__(self, name: str) -> Any:
        return self


def _wired_to_nobody() -> Parts:
    settings = GatewaySettings(_env_file=None, **_INVENTED)
    nobody: Any = _Nobody()
    return Parts(
        settings=settings,
        platforms={slug: make(settings) for slug, make in PLATFORMS.items()},
        remotes=dict.fromkeys(PLATFORMS, nobody),
        **dict.fromkeys(("stores", "publish", "scheduler", "post_probe", "watch_topic", "metrics", "http"), nobody),
    )


for name, document in described(_wired_to_nobody())._asdict().items():
    Path(sys.argv[1], f"{name}.json").write_text(written(document))
