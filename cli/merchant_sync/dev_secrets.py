"""Secrets of a stack on one machine, generated once and kept in a file that only its owner reads."""

import base64
import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path


def _word() -> str:
    """32 hexadecimal characters: they need no quoting in SQL, in a URL or in a command line."""
    return secrets.token_hex(16)


def _key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _digits() -> str:
    """An app id as Meta gives them: sixteen digits."""
    return str(secrets.randbelow(9 * 10**15) + 10**15)


_MAKERS: dict[str, Callable[[], str]] = {
    "postgres_password": _word,
    "gateway_database_password": _word,
    "scheduler_database_password": _word,
    "spaces_writer_database_password": _word,
    "spaces_access_key": _word,
    "spaces_secret_key": _word,
    "shopify_api_key": _word,
    "shopify_api_secret": _word,
    "facebook_app_id": _digits,
    "facebook_app_secret": _word,
    "facebook_verify_token": _word,
    "gateway_internal_key": _word,
    "scheduler_internal_key": _word,
    "shopify_fetcher_internal_key": _word,
    "facebook_fetcher_internal_key": _word,
    "operator_internal_key": _word,
    "state_token_secret": _key,
    "token_encryption_key": _key,
}


def generate() -> dict[str, str]:
    """All of them, new."""
    return {name: make() for name, make in _MAKERS.items()}


def load(path: Path) -> dict[str, str]:
    """The secrets in `path`; the missing ones are made and written, for the owner's eyes alone (mode 0600)."""
    known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    missing = {name: make() for name, make in _MAKERS.items() if name not in known}
    if missing:
        known |= missing
        _write(path, json.dumps(known, indent=2, sort_keys=True))
    return known


def _write(path: Path, text: str) -> None:
    """Replace the file in one move, so that a kill leaves the old secrets or the new, never half."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)
