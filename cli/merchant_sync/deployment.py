"""Secrets of an installation in containers: generated once, given to each part in a folder or a file of its own.

A part is given what it may know and nothing else. What belongs to an app at a platform, and the bucket's keys, are
generated for the sandbox and its store alone; an installation on real platforms gets them from its operator.
"""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from merchant_sync import dev_secrets, postgres
from merchant_sync.environment import CALLERS, OWNERS, internal_key
from merchant_sync.parts import (
    FACEBOOK_FETCHER,
    GATEWAY,
    OPERATOR,
    POSTGRES,
    SANDBOX,
    SCHEDULER,
    SHOPIFY_FETCHER,
    SPACES,
    SPACES_WRITER,
)

Settings = dict[str, str]

DATABASE_ADDRESS = "postgres:5432"
KEPT = "installation"
"""The folder with the file of all secrets, which no part is given."""
_APPS = ("SHOPIFY_API_KEY", "SHOPIFY_API_SECRET", "FACEBOOK_APP_ID", "FACEBOOK_APP_SECRET")
_BUCKET = ("SPACES_ACCESS_KEY", "SPACES_SECRET_KEY")
_PLAIN = (*_APPS, "FACEBOOK_VERIFY_TOKEN", *_BUCKET, "STATE_TOKEN_SECRET", "POSTGRES_PASSWORD")
_SANDBOXED = {*_APPS, "FACEBOOK_VERIFY_TOKEN", *_BUCKET}
NAMES_OF_PARTS = {
    GATEWAY: (*_APPS, "FACEBOOK_VERIFY_TOKEN", "STATE_TOKEN_SECRET", "TOKEN_ENCRYPTION_KEYS", "INTERNAL_KEYS"),
    SCHEDULER: ("INTERNAL_KEYS",),
    SPACES_WRITER: _BUCKET,
    SHOPIFY_FETCHER: (),
    FACEBOOK_FETCHER: ("FACEBOOK_APP_SECRET",),
    SANDBOX: _APPS,
    SPACES: _BUCKET,
    POSTGRES: ("POSTGRES_PASSWORD", *(f"{owner.upper()}_DATABASE_PASSWORD" for owner in OWNERS.values())),
    OPERATOR: (*_BUCKET, *(f"{owner.upper()}_DATABASE_URL" for owner in OWNERS.values())),
}


def whole(secrets: Mapping[str, str]) -> Settings:
    """Every secret by the name that it has where all are in one file: what several parts have of their own carries
    the part's name, as in GATEWAY_INTERNAL_KEY and GATEWAY_DATABASE_URL."""
    named = {name: secrets[name.lower()] for name in _PLAIN}
    for owner in OWNERS.values():
        password = secrets[f"{owner}_database_password"]
        named[f"{owner.upper()}_DATABASE_PASSWORD"] = password
        named[f"{owner.upper()}_DATABASE_URL"] = (
            f"postgresql://{owner}:{password}@{DATABASE_ADDRESS}/{postgres.DATABASE}"
        )
    for caller in CALLERS:
        named[f"{caller.replace('-', '_').upper()}_INTERNAL_KEY"] = internal_key(secrets, caller)
    named["INTERNAL_KEYS"] = ",".join(f"{caller}:{internal_key(secrets, caller)}" for caller in CALLERS)
    named["TOKEN_ENCRYPTION_KEYS"] = f"k1:{secrets['token_encryption_key']}"
    return named


def of_part(part: str, named: Mapping[str, str], *, sandboxed: bool) -> Settings:
    """What one part may know of `whole`, under the names of its settings; without `sandboxed` only what is ours."""
    own = {name: named[name] for name in NAMES_OF_PARTS[part] if sandboxed or name not in _SANDBOXED}
    if part in CALLERS:
        own["INTERNAL_KEY"] = named[f"{part.replace('-', '_').upper()}_INTERNAL_KEY"]
    if part in OWNERS:
        own["DATABASE_URL"] = named[f"{OWNERS[part].upper()}_DATABASE_URL"]
    return own


def as_file(named: Mapping[str, str]) -> str:
    """Settings as an env file."""
    return "".join(f"{name}={named[name]}\n" for name in sorted(named))


def write_folders(root: Path, *, sandboxed: bool) -> None:
    """Give every part its folder under `root`, a file for each setting; what was generated before stays the same.

    The folders are emptied first, so that what a part may no longer know is gone from them.
    """
    for part, settings in _parts(root, sandboxed=sandboxed):
        folder = root / part
        folder.mkdir(exist_ok=True)
        for entry in folder.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        for name, value in settings.items():
            (folder / name).write_text(value)


def write_env_files(root: Path, *, sandboxed: bool) -> None:
    """Give every part an env file under `root`, `gateway.env` and so on; what was generated before stays the same."""
    for part, settings in _parts(root, sandboxed=sandboxed):
        file = root / f"{part}.env"
        file.touch(mode=0o600)
        file.write_text(as_file(settings))


def _parts(root: Path, *, sandboxed: bool) -> Iterator[tuple[str, Settings]]:
    (root / KEPT).mkdir(parents=True, exist_ok=True)
    named = whole(dev_secrets.load(root / KEPT / "secrets.json"))
    for part in NAMES_OF_PARTS:
        yield part, of_part(part, named, sandboxed=sandboxed)
