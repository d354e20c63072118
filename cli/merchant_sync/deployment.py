"""Generate the secrets of an installation that runs in containers; write each part's to a folder or an env file.

A part gets only the secrets that it may know. The secrets of an app at a platform and the keys of the bucket are
generated only for an installation with the sandbox; on real platforms, the operator supplies them.
"""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from contracts.permissions import AUTOSCALER, list_users
from merchant_sync import dev_secrets, postgres
from merchant_sync.dev_secrets import get_kafka_secret_name
from merchant_sync.environment import OWNERS
from merchant_sync.internal_keys import build_key_settings, list_key_settings
from merchant_sync.manifests import MANIFESTS
from merchant_sync.parts import (
    DATA_API,
    GATEWAY,
    KAFKA,
    LINKER,
    OPERATOR,
    POSTGRES,
    SANDBOX,
    SCHEDULER,
    SPACES,
    SPACES_WRITER,
)
from platform_sdk import manifests
from platforms.registry import DESTINATIONS, PLATFORMS

Settings = dict[str, str]

DATABASE_ADDRESS = "postgres:5432"
COMMON_FOLDER = "installation"
"""The folder with the file of all secrets. No part may read it."""
_BUCKET = ("SPACES_ACCESS_KEY", "SPACES_SECRET_KEY")


def _list_platform_secrets(reader: str) -> tuple[str, ...]:
    return tuple(secret.name for manifest in MANIFESTS for secret in manifest.list_generated_secrets(reader))


_PLATFORM_SECRETS = tuple(
    setting.name for manifest in MANIFESTS for setting in manifest.settings if setting.generated
)  # fmt: skip
_KAFKA_PASSWORDS = tuple(get_kafka_secret_name(user).upper() for user in list_users(PLATFORMS, DESTINATIONS))
_SINGLE_SECRETS = (*_PLATFORM_SECRETS, *_BUCKET, *_KAFKA_PASSWORDS, "STATE_TOKEN_SECRET", "POSTGRES_PASSWORD")
_SANDBOX_ONLY = {*_PLATFORM_SECRETS, *_BUCKET}
SECRETS_BY_PART = {
    GATEWAY: (
        *_list_platform_secrets(manifests.GATEWAY),
        *("STATE_TOKEN_SECRET", "TOKEN_ENCRYPTION_KEYS"),
    ),
    SCHEDULER: (),
    SPACES_WRITER: _BUCKET,
    DATA_API: (*_BUCKET, "ENDPOINT_ENCRYPTION_KEYS"),
    LINKER: (),
    **{
        service: tuple(secret.name for secret in manifest.list_generated_secrets(manifests.FETCHER))
        for manifest in MANIFESTS
        for service in manifest.services
    },
    SANDBOX: _list_platform_secrets(manifests.SANDBOX),
    SPACES: _BUCKET,
    POSTGRES: ("POSTGRES_PASSWORD", *(f"{owner.upper()}_DATABASE_PASSWORD" for owner in OWNERS.values())),
    KAFKA: _KAFKA_PASSWORDS,
    OPERATOR: (*_BUCKET, *(f"{owner.upper()}_DATABASE_URL" for owner in OWNERS.values())),
}


def build_named_secrets(secrets: Mapping[str, str]) -> Settings:
    """Return all secrets of all parts in one mapping, built from the generated `secrets`.

    Where each part has its own value of a secret, the name begins with the part: SCHEDULER_GATEWAY_KEY,
    SCHEDULER_DATABASE_URL.
    """
    named = {name: secrets[name.lower()] for name in _SINGLE_SECRETS}
    for owner in OWNERS.values():
        password = secrets[f"{owner}_database_password"]
        named[f"{owner.upper()}_DATABASE_PASSWORD"] = password
        named[f"{owner.upper()}_DATABASE_URL"] = (
            f"postgresql://{owner}:{password}@{DATABASE_ADDRESS}/{postgres.DATABASE}"
        )
    for part in SECRETS_BY_PART:
        named |= {_name_own(part, name): value for name, value in build_key_settings(part, secrets).items()}
    for kind in ("token", "endpoint"):
        named[f"{kind.upper()}_ENCRYPTION_KEYS"] = f"k1:{secrets[f'{kind}_encryption_key']}"
    return named


def select_for_part(part: str, named: Mapping[str, str], *, with_sandbox: bool) -> Settings:
    """Return the secrets that one part may know, by the names of the part's settings.

    `named` are the secrets that `build_named_secrets` returned. Without `with_sandbox`, secrets of platforms and of the
    bucket are not included.
    """
    own = {name: named[name] for name in SECRETS_BY_PART[part] if with_sandbox or name not in _SANDBOX_ONLY}
    if part in list_users(PLATFORMS, DESTINATIONS):
        own |= {"KAFKA_USERNAME": part, "KAFKA_PASSWORD": named[get_kafka_secret_name(part).upper()]}
    own |= {name: named[_name_own(part, name)] for name in list_key_settings(part)}
    if part in OWNERS:
        own["DATABASE_URL"] = named[f"{OWNERS[part].upper()}_DATABASE_URL"]
    return own


def _name_own(part: str, setting: str) -> str:
    return f"{part.replace('-', '_').upper()}_{setting}"


def format_env_file(settings: Mapping[str, str]) -> str:
    """Return settings as the text of an env file."""
    return "".join(f"{name}={settings[name]}\n" for name in sorted(settings))


def write_secret_folders(secrets_dir: Path, *, with_sandbox: bool) -> None:
    """Write the secrets of each part into the folder `secrets_dir/<part>`, one file per secret.

    Each folder is emptied first, so that it keeps no secret that the part may no longer know. Existing secrets still
    keep their values, because they are also stored in the folder `COMMON_FOLDER`. Without `with_sandbox`, secrets of
    platforms and of the bucket are not written.
    """
    for part, settings in _load_by_part(secrets_dir, with_sandbox=with_sandbox):
        folder = secrets_dir / part
        folder.mkdir(exist_ok=True)
        for entry in folder.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        for name, value in settings.items():
            (folder / name).write_text(value)


def write_secret_env_files(secrets_dir: Path, *, with_sandbox: bool) -> None:
    """Write the secrets of each part into the file `secrets_dir/<part>.env`. Existing secrets keep their values.

    The file of the autoscaler, which is no part, has the keys that KEDA reads.
    Without `with_sandbox`, secrets of platforms and of the bucket are not written.
    """
    for part, settings in _load_by_part(secrets_dir, with_sandbox=with_sandbox):
        _write_env_file(secrets_dir / f"{part}.env", settings)
        if part == KAFKA:
            password = settings[get_kafka_secret_name(AUTOSCALER).upper()]
            login = {"sasl": "scram_sha512", "username": AUTOSCALER, "password": password}
            _write_env_file(secrets_dir / f"{AUTOSCALER}.env", login)


def _write_env_file(file: Path, settings: Settings) -> None:
    file.touch(mode=0o600)
    file.write_text(format_env_file(settings))


def _load_by_part(root: Path, *, with_sandbox: bool) -> Iterator[tuple[str, Settings]]:
    (root / COMMON_FOLDER).mkdir(parents=True, exist_ok=True)
    named = build_named_secrets(dev_secrets.load_or_generate_secrets(root / COMMON_FOLDER / "secrets.json"))
    for part in SECRETS_BY_PART:
        yield part, select_for_part(part, named, with_sandbox=with_sandbox)
