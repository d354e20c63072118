"""How an installation is reached: the local stack's where one runs, else what the settings say."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dotenv import dotenv_values

from merchant_sync import dev_secrets, environment, postgres, runtime
from merchant_sync.parts import OPERATOR, StackError
from merchant_sync.urls import origin

_WITHOUT = {"SPACES_REGION": "nyc3", "SHOPIFY_SHOP_URL": "https://{shop}"}
"""What a setting is where nobody gives it."""
_ENOUGH = ("GATEWAY_URL", "GATEWAY_INTERNAL_URL", "SCHEDULER_URL", "KAFKA_BOOTSTRAP_SERVERS")
"""Any of these says that an installation elsewhere is meant."""


@dataclass(frozen=True)
class Access:
    """The settings by which an installation is reached. `local`: it runs on this machine, started by `up`."""

    settings: Mapping[str, str] = field(repr=False)
    local: bool = False

    def get(self, name: str) -> str:
        """A setting, empty where it is not known."""
        return self.settings.get(name, "")

    def need(self, *names: str) -> list[str]:
        """Settings without which it cannot go on; a StackError names those that are missing."""
        if missing := [name for name in names if not self.get(name)]:
            raise StackError(f"Set {', '.join(missing)} (deploy/env.example says what they mean).")
        return [self.get(name) for name in names]

    @property
    def gateway_url(self) -> str:
        """The gateway's public port as it is reached from here."""
        return self.need("GATEWAY_URL")[0].rstrip("/")

    @property
    def origins(self) -> tuple[str, ...]:
        """The origins that the gateway calls its own, the one of its pages first."""
        named = (self.get("SHOPIFY_REDIRECT_URI"), self.get("FACEBOOK_REDIRECT_URI"))
        return tuple(dict.fromkeys(origin(address) for address in named if address))

    @property
    def bucket_endpoint(self) -> str:
        """The object store's address."""
        return self.get("SPACES_ENDPOINT_URL") or f"https://{self.get('SPACES_REGION')}.digitaloceanspaces.com"

    @property
    def has_facebook(self) -> bool:
        """Whether there is an app at Facebook, as far as it is known here."""
        return bool(self.get("FACEBOOK_APP_ID") or self.get("FACEBOOK_WEBHOOK_ADDRESS"))

    def database_url(self, owner: str) -> str:
        """The connection string of an owner's role; empty where none is known."""
        return self.get(f"{owner.upper()}_DATABASE_URL") or self.get("DATABASE_URL")


def read(data_dir: Path) -> Access:
    """The access to the stack on `data_dir`, else to what `.env`, the files in `SETTINGS_DIR` and, above both, the
    environment name."""
    sources = (dotenv_values(".env"), _in_files(os.environ.get("SETTINGS_DIR")), os.environ)
    return resolve(data_dir, {name: value for source in sources for name, value in source.items() if value})


def _in_files(folder: str | None) -> dict[str, str]:
    """The settings in a folder with a file for each."""
    files = [file for file in Path(folder).iterdir() if file.is_file()] if folder else []
    return {file.name: file.read_text().strip() for file in files if file.name in environment.SETTINGS}


def resolve(data_dir: Path, given: Mapping[str, str | None]) -> Access:
    """The access to the stack that runs on `data_dir`, else to what is `given`; a StackError where that is nothing."""
    if found := runtime.find(data_dir):
        return local(found, environment.clean(given), dev_secrets.load(data_dir / "secrets.json"))
    settings = {name: value for name, value in given.items() if name in environment.SETTINGS and value}
    if not any(name in settings for name in _ENOUGH):
        raise StackError(
            f"No stack runs on {data_dir}, and no other is named. Start one with `make up`, or set "
            f"{', '.join(_ENOUGH)} and INTERNAL_KEY for one that runs elsewhere (deploy/env.example)."
        )
    return Access({**_WITHOUT, **settings})


def local(found: runtime.Runtime, given: Mapping[str, str], secrets: Mapping[str, str]) -> Access:
    """The access to a stack of this machine; its `given` settings win over the secrets made for it."""
    made = {
        "SPACES_ACCESS_KEY": secrets["spaces_access_key"],
        "SPACES_SECRET_KEY": secrets["spaces_secret_key"],
        **{f"{owner.upper()}_DATABASE_URL": _url(owner, found, given, secrets) for owner in postgres.OWNERS},
    }
    own = {"INTERNAL_KEY": environment.internal_key(secrets, OPERATOR)}
    return Access({**_WITHOUT, **made, **given, **found.addresses, **own}, local=True)


def _url(owner: str, found: runtime.Runtime, given: Mapping[str, str], secrets: Mapping[str, str]) -> str:
    password, port = secrets[f"{owner}_database_password"], int(found.addresses["POSTGRES_ADDRESS"].rpartition(":")[2])
    return given.get("DATABASE_URL") or postgres.url(owner, password, port)
