"""Generate the secrets of a stack on one machine once, and keep them in a file that only its owner can read."""

import base64
import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from contracts.permissions import list_users
from merchant_sync import internal_keys
from merchant_sync.manifests import MANIFESTS
from platforms.registry import DESTINATIONS, PLATFORMS


def _generate_token() -> str:
    """Return 32 random hexadecimal digits, which need no quoting in SQL, in a URL or on a command line."""
    return secrets.token_hex(16)


def _generate_key() -> str:
    """Return 32 random bytes in base64."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _generate_app_id() -> str:
    """Return sixteen random digits, the form of Meta's app ids."""
    return str(secrets.randbelow(9 * 10**15) + 10**15)


def get_kafka_secret_name(user: str) -> str:
    """Return the name of the generated secret that is the password of a user of Kafka."""
    return f"{user.replace('-', '_')}_kafka_password"


_PLATFORM_GENERATORS: dict[str, Callable[[], str]] = {"token": _generate_token, "app_id": _generate_app_id}
_GENERATORS: dict[str, Callable[[], str]] = {
    "postgres_password": _generate_token,
    "gateway_database_password": _generate_token,
    "scheduler_database_password": _generate_token,
    "spaces_writer_database_password": _generate_token,
    "data_api_database_password": _generate_token,
    "linker_database_password": _generate_token,
    "spaces_access_key": _generate_token,
    "spaces_secret_key": _generate_token,
    **{
        setting.name.lower(): _PLATFORM_GENERATORS[setting.generated]
        for manifest in MANIFESTS
        for setting in manifest.settings
        if setting.generated
    },
    **dict.fromkeys(internal_keys.SECRETS, _generate_token),
    **{get_kafka_secret_name(user): _generate_token for user in list_users(PLATFORMS, DESTINATIONS)},
    "state_token_secret": _generate_key,
    "token_encryption_key": _generate_key,
    "endpoint_encryption_key": _generate_key,
}


def generate_all() -> dict[str, str]:
    """Return a newly generated value of every secret of a stack, by the secret's name."""
    return {name: generate() for name, generate in _GENERATORS.items()}


def load_or_generate_secrets(path: Path) -> dict[str, str]:
    """Return the secrets in the file `path`, which only its owner can read.

    Secrets that are missing in the file are generated and added to it.
    """
    stored: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    missing = {name: generate() for name, generate in _GENERATORS.items() if name not in stored}
    if missing:
        stored |= missing
        _write(path, json.dumps(stored, indent=2, sort_keys=True))
    return stored


def _write(path: Path, text: str) -> None:
    """Replace the file by one rename, so that a kill leaves the old secrets or the new ones, never half of them."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)
