"""Find out how an installation (one running copy of the product) is reached.

The stack that `merchant-sync up` runs on this machine writes its addresses into `runtime.json`. The addresses of any
other installation come from settings.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from ssl import SSLContext

from dotenv import dotenv_values

from merchant_sync import dev_secrets, environment, postgres, runtime
from merchant_sync.internal_keys import build_key_settings
from merchant_sync.manifests import MANIFESTS
from merchant_sync.origins import get_origin
from merchant_sync.parts import OPERATOR, POSTGRES, SPACES, StackError
from messaging.tls import create_context
from platform_sdk import manifests
from platform_sdk.manifests import Manifest
from service.settings import UnreadableSettingError, list_settings_folders, read_settings_folders

_DEFAULTS = {
    "SPACES_REGION": environment.DEFAULT_REGION,
    **{
        setting.name: setting.default
        for manifest in MANIFESTS
        for setting in manifest.list_settings(manifests.OPERATOR)
        if setting.default
    },
}
_NAMING_SETTINGS = ("GATEWAY_URL", "GATEWAY_INTERNAL_URL", "SCHEDULER_URL", "KAFKA_BOOTSTRAP_SERVERS")
"""The settings that say where an installation is. One of them is enough to name an installation elsewhere."""


@dataclass(frozen=True)
class Access:
    """The settings with which commands reach an installation (one running copy of the product, here or elsewhere).

    `is_local` is true when `merchant-sync up` runs the installation on this machine.
    """

    settings: Mapping[str, str] = field(repr=False)
    is_local: bool = False

    def get_setting(self, name: str) -> str:
        """Return the value of a setting; an empty string when the setting is not known."""
        return self.settings.get(name, "")

    def require_settings(self, *names: str) -> list[str]:
        """Return the values of the settings `names`, in order. Raises a StackError that lists the missing settings."""
        if missing := [name for name in names if not self.get_setting(name)]:
            raise StackError(f"Set {', '.join(missing)} (deploy/env.example describes them).")
        return [self.get_setting(name) for name in names]

    def create_tls_context(self) -> SSLContext:
        """Return the TLS context for internal APIs at `https://`. Raises StackError when its file cannot be read."""
        try:
            return create_context(self.get_setting("INTERNAL_TLS_CA_FILE"))
        except ValueError as error:
            raise StackError(f"INTERNAL_TLS_CA_FILE: {error}") from None

    @property
    def gateway_url(self) -> str:
        """The URL at which this command reaches the gateway's public port. Raises StackError when it is not known."""
        return self.require_settings("GATEWAY_URL")[0].rstrip("/")

    @property
    def origins(self) -> tuple[str, ...]:
        """The origins (`http://host:port`) of the OAuth redirect URIs that are set for the platforms, each once.

        The first is also the origin of the gateway's HTML pages. Empty when no redirect URI is set.
        """
        addresses = (self.get_setting(manifest.redirect_uri_setting) for manifest in MANIFESTS)
        return tuple(dict.fromkeys(get_origin(address) for address in addresses if address))

    @property
    def bucket_endpoint(self) -> str:
        """The URL of the object store."""
        return (
            self.get_setting("SPACES_ENDPOINT_URL")
            or f"https://{self.get_setting('SPACES_REGION')}.digitaloceanspaces.com"
        )

    def has_platform(self, manifest: Manifest) -> bool:
        """Return whether the installation syncs the platform, as far as the settings that are known here tell."""
        named = (setting.name for setting in manifest.settings if setting.is_app)
        return not manifest.is_optional or any(map(self.get_setting, (*named, manifest.webhook_address_setting)))

    def get_database_url(self, owner: str) -> str:
        """Return the database URL for the role of `owner`, a service that owns data; empty when no URL is known."""
        return self.get_setting(f"{owner.upper()}_DATABASE_URL") or self.get_setting("DATABASE_URL")


def locate_installation(data_dir: Path) -> Access:
    """Return how to reach the running stack whose data folder is `data_dir`; when none runs, another installation.

    The settings say where the other installation is. They come from `.env`, from the files in the folders of
    `SETTINGS_DIR`, and from environment variables; a later one of these sources overrides an earlier one. Raises
    StackError when no stack runs and the settings name no installation, and when a file cannot be read.
    """
    try:
        in_folders = read_settings_folders(list_settings_folders())
    except UnreadableSettingError as error:
        raise StackError(str(error)) from None
    own = {name: value for name, value in in_folders.items() if name in environment.SETTINGS}
    sources: tuple[Mapping[str, str | None], ...] = (dotenv_values(".env"), own, os.environ)
    return resolve_access(data_dir, {name: value for source in sources for name, value in source.items() if value})


def resolve_access(data_dir: Path, given: Mapping[str, str | None]) -> Access:
    """Return how to reach the running stack whose data folder is `data_dir`; when none runs, another installation.

    The settings `given` say where the other installation is. Raises StackError when no stack runs and they name none.
    """
    if found := runtime.find_running(data_dir):
        secrets = dev_secrets.load_or_generate_secrets(data_dir / "secrets.json")
        return build_local_access(found, environment.merge_shared_settings(given), secrets)
    settings = {name: value for name, value in given.items() if name in environment.SETTINGS and value}
    if not any(name in settings for name in _NAMING_SETTINGS):
        raise StackError(
            f"No stack runs on {data_dir}, and no other is named. Start one with `make up`, or set "
            f"{', '.join(_NAMING_SETTINGS)} with GATEWAY_KEY and SCHEDULER_KEY for one that runs elsewhere "
            "(deploy/env.example)."
        )
    return Access({**_DEFAULTS, **settings})


def build_local_access(found: runtime.Runtime, given: Mapping[str, str], secrets: Mapping[str, str]) -> Access:
    """Return how to reach `found`, a stack that runs on this machine.

    The keys of the bucket and the URLs of the database are built from `secrets` where the stack runs these itself.
    Those of a bucket or a database that runs elsewhere are known only from the `given` settings.
    """
    generated: dict[str, str] = {}
    if SPACES not in found.external_parts:
        generated |= {name: secrets[name.lower()] for name in ("SPACES_ACCESS_KEY", "SPACES_SECRET_KEY")}
    if POSTGRES not in found.external_parts:
        generated |= {f"{owner.upper()}_DATABASE_URL": _build_url(owner, found, secrets) for owner in postgres.OWNERS}
    own = build_key_settings(OPERATOR, secrets)
    return Access({**_DEFAULTS, **generated, **given, **found.addresses, **own}, is_local=True)


def _build_url(owner: str, found: runtime.Runtime, secrets: Mapping[str, str]) -> str:
    password, port = secrets[f"{owner}_database_password"], int(found.addresses["POSTGRES_ADDRESS"].rpartition(":")[2])
    return postgres.build_url(owner, password, port)
