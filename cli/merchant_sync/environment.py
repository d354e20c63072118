"""Compute the settings of each part from the settings that are given, the generated secrets and the ports."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from merchant_sync import postgres
from merchant_sync.health import HOST
from merchant_sync.internal_keys import HASHES_SETTING, KEY_SETTINGS, build_key_settings
from merchant_sync.manifests import MANIFESTS
from merchant_sync.parts import (
    DATA_API,
    GATEWAY,
    KAFKA,
    LINKER,
    PLATFORM_SERVICES,
    POSTGRES,
    SANDBOX,
    SCHEDULER,
    SPACES,
    SPACES_WRITER,
    StackError,
)
from platform_sdk import manifests
from platform_sdk.manifests import Manifest, Setting
from platforms.known_settings import list_known_settings
from service.known_settings import list_setting_errors

Settings = dict[str, str]

DEFAULT_GATEWAY_PORT = 5000
DEFAULT_DATA_API_PORT = 5010
MAX_PORT = 65_535
BUCKET = "merchant-sync"
DEFAULT_REGION = "nyc3"

SETTINGS = tuple(list_known_settings())
"""The names of all settings of the product; `deploy/env.example` describes them."""

# Each process has its own, so one value for all cannot be meant (and some shells export HOST).
_PER_PROCESS = ("HOST", "PORT", *KEY_SETTINGS.values(), HASHES_SETTING)
_PORTS = ("GATEWAY_PORT", "GATEWAY_INTERNAL_PORT", "DATA_API_PORT", "SANDBOX_PORT")
OWNERS = {
    GATEWAY: "gateway",
    SCHEDULER: "scheduler",
    SPACES_WRITER: "spaces_writer",
    DATA_API: "data_api",
    LINKER: "linker",
}
"""The services that own data, each with the name that its database role and its schema share."""
# What every service and the operator's commands may know of where other parts are; a platform's manifest adds to it.
_ADDRESSES = (
    *("KAFKA_BOOTSTRAP_SERVERS", "SPACES_ENDPOINT_URL", "SPACES_CA_FILE", "SPACES_BUCKET", "SPACES_REGION"),
    *("GATEWAY_INTERNAL_URL", "SCHEDULER_URL", "LINKER_URL"),
    *(setting.name for manifest in MANIFESTS for setting in manifest.list_settings(manifests.OPERATOR)),
)


def _list_readers(manifest: Manifest, setting: Setting) -> tuple[str, ...]:
    """Return the services that get a platform's setting."""
    services = {
        manifests.GATEWAY: (GATEWAY,),
        manifests.SCHEDULER: (SCHEDULER,),
        manifests.FETCHER: manifest.services,
    }
    return tuple(name for reader, names in services.items() if reader in setting.readers for name in names)


_READERS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("TOKEN_ENCRYPTION_KEYS", "STATE_TOKEN_SECRET"), (GATEWAY,)),
    **dict.fromkeys(("DATA_API_KEYS", "DATA_API_REPLICA_URL", "ENDPOINT_ENCRYPTION_KEYS"), (DATA_API,)),
    **dict.fromkeys((f"{owner.upper()}_DATABASE_URL" for owner in OWNERS.values()), ()),
    **{
        setting.name: _list_readers(manifest, setting)
        for manifest in MANIFESTS
        for setting in manifest.settings
    },
}  # fmt: skip
"""The services that get a setting, by setting. Settings that are not listed go to every service."""


def _list_parts_and_address_settings() -> Iterator[tuple[str, str]]:
    """Yield pairs of a part and a setting for its address. A stack does not start the part if the setting is given."""
    yield KAFKA, "KAFKA_BOOTSTRAP_SERVERS"
    yield POSTGRES, "DATABASE_URL"
    yield SPACES, "SPACES_ENDPOINT_URL"
    for manifest in MANIFESTS:
        yield from ((SANDBOX, setting.name) for setting in manifest.settings if setting.replaces_sandbox)


def check_settings(given: Mapping[str, str], file: Iterable[str] = ()) -> None:
    """Raise StackError for a misspelt setting, a malformed port, and an app of which only a part is given.

    `given` are the settings in `.env` and all environment variables; `file` has the names of those in `.env`.
    """
    for error in list_setting_errors(given, list_known_settings(), frozenset(file)):
        raise StackError(f"Setting {error}.")
    for name in _PORTS:
        value = given.get(name, "0")
        if not (value.isascii() and value.isdigit() and len(value) < 6 and int(value) <= MAX_PORT):
            raise StackError(f"{name} must be a port, a number up to {MAX_PORT}; it is {value[:20]!r}.")
    for manifest in MANIFESTS:
        # What is missing would be generated for the sandbox, and never work with the operator's own app.
        names = [setting.name for setting in manifest.settings if setting.generated and setting.required]
        if (missing := [name for name in names if name not in given]) and len(missing) < len(names):
            raise StackError(
                f"{', '.join(missing)}: required, because other settings of {manifest.title}'s app are given."
            )


def merge_shared_settings(*sources: Mapping[str, str | None]) -> Settings:
    """Merge several mappings of settings. A later one overrides an earlier one; an empty value counts as not given.

    Settings of which each process has its own value, such as PORT, are left out.
    """
    merged: Settings = {}
    for source in sources:
        merged |= {name: value for name, value in source.items() if value}
    return {name: value for name, value in merged.items() if name not in _PER_PROCESS}


def filter_inherited(environ: Mapping[str, str]) -> Settings:
    """Return the environment variables that child processes inherit: all except the product's settings."""
    return {name: value for name, value in environ.items() if name not in SETTINGS}


def find_external_parts(given: Mapping[str, str]) -> set[str]:
    """Return the parts that a stack does not start, because their address is given."""
    return {part for part, setting in _list_parts_and_address_settings() if setting in given}


def get_address_key(service: str) -> str:
    """Return the key in `runtime.json` for the URL of a service that no other service calls: `SPACES_WRITER_ADDRESS`.

    The URL of any other service is listed under the name of its setting, such as `SCHEDULER_URL`.
    """
    return f"{service.replace('-', '_').upper()}_ADDRESS"


@dataclass(frozen=True)
class Environment:
    """Computes the settings of every part of one stack.

    `given` are settings that override computed ones, `secrets` are the generated secrets, and `get_port` returns the
    loopback port of a part by its name.
    """

    given: Mapping[str, str]
    secrets: Mapping[str, str]
    get_port: Callable[[str], int]

    @property
    def gateway_port(self) -> int:
        """The gateway's public port, for browsers and webhooks; `GATEWAY_PORT=0` takes any free port."""
        port = int(self.given.get("GATEWAY_PORT", DEFAULT_GATEWAY_PORT))
        return port or self.get_port(GATEWAY)

    @property
    def gateway_url(self) -> str:
        """The URL of the gateway for browsers."""
        return f"http://{HOST}:{self.gateway_port}"

    @property
    def data_api_port(self) -> int:
        """The data API's public port, for readers; `DATA_API_PORT=0` takes any free one."""
        port = int(self.given.get("DATA_API_PORT", DEFAULT_DATA_API_PORT))
        return port or self.get_port(f"{DATA_API}-public")

    @property
    def data_api_url(self) -> str:
        """The URL of the data API for readers."""
        return f"http://{HOST}:{self.data_api_port}"

    @property
    def sandbox_port(self) -> int:
        """The port of the sandbox."""
        return int(self.given.get("SANDBOX_PORT", 0)) or self.get_port(SANDBOX)

    @property
    def sandbox_url(self) -> str:
        """The URL at which browsers and services reach the sandbox."""
        return self.given.get("SANDBOX_PUBLIC_URL") or f"http://{HOST}:{self.sandbox_port}"

    @property
    def internal_port(self) -> int:
        """The gateway's loopback port for other services."""
        return int(self.given.get("GATEWAY_INTERNAL_PORT", 0)) or self.get_port("gateway-internal")

    @property
    def has_sandbox(self) -> bool:
        """Whether the stack uses its own sandbox: no given setting replaces it by the URL of a real platform."""
        return SANDBOX not in find_external_parts(self.given)

    def has_platform(self, manifest: Manifest) -> bool:
        """Return whether the platform is configured, with the operator's own app or with the sandbox's."""
        return not manifest.is_optional or self.has_sandbox or self._has_own_app(manifest)

    def has_service(self, service: str) -> bool:
        """Return whether the service is started. Those of a platform are only when the platform is configured."""
        return all(self.has_platform(manifest) for manifest in MANIFESTS if service in manifest.services)

    def _has_own_app(self, manifest: Manifest) -> bool:
        return any(setting.is_app and setting.name in self.given for setting in manifest.settings)

    def build_unfiltered_settings(self) -> Settings:
        """Return the settings of all services in one mapping. A given setting overrides a computed one."""
        computed = {
            **self._build_infrastructure_settings(),
            **{name: value for manifest in MANIFESTS for name, value in self._build_platform_settings(manifest)},
            **({"SANDBOX_URL": self.sandbox_url} if self.has_sandbox else {}),
            "GATEWAY_URL": self.gateway_url,
            "DATA_API_PUBLIC_URL": self.data_api_url,
            "GATEWAY_INTERNAL_URL": f"http://{HOST}:{self.internal_port}",
            "SCHEDULER_URL": f"http://{HOST}:{self.get_port(SCHEDULER)}",
            "LINKER_URL": f"http://{HOST}:{self.get_port(LINKER)}",
            "STATE_TOKEN_SECRET": self.secrets["state_token_secret"],
            "TOKEN_ENCRYPTION_KEYS": f"k1:{self.secrets['token_encryption_key']}",
            "ENDPOINT_ENCRYPTION_KEYS": f"k1:{self.secrets['endpoint_encryption_key']}",
            "GATEWAY_HOST": HOST,
            "DATA_API_HOST": HOST,
            "HOST": HOST,
            "PYTHONUNBUFFERED": "1",
        }
        resolved = {
            "GATEWAY_PORT": str(self.gateway_port),
            "GATEWAY_INTERNAL_PORT": str(self.internal_port),
            "DATA_API_PORT": str(self.data_api_port),
        }
        return {**computed, **self.given, **resolved}

    def _build_infrastructure_settings(self) -> Settings:
        return {
            "KAFKA_BOOTSTRAP_SERVERS": f"{HOST}:{self.get_port(KAFKA)}",
            "SPACES_ACCESS_KEY": self.secrets["spaces_access_key"],
            "SPACES_SECRET_KEY": self.secrets["spaces_secret_key"],
            "SPACES_BUCKET": BUCKET,
            "SPACES_REGION": DEFAULT_REGION,
            "SPACES_ENDPOINT_URL": f"http://{HOST}:{self.get_port(SPACES)}",
        }

    def _build_platform_settings(self, manifest: Manifest) -> Iterator[tuple[str, str]]:
        """Yield names and values of the computed settings of a platform; nothing when the platform is not configured.

        With the operator's own app, the app's secrets and the platform's URLs are not computed: they are given or have
        defaults.
        """
        if not self.has_platform(manifest):
            return
        has_own_app = self._has_own_app(manifest)
        urls = {
            **dict.fromkeys(("gateway_url", "gateway_people_url"), self.gateway_url),
            **dict.fromkeys(("sandbox_url", "sandbox_people_url"), self.sandbox_url if self.has_sandbox else ""),
        }
        for setting in manifest.settings:
            if setting.generated and not has_own_app:
                yield setting.name, self.secrets[setting.name.lower()]
            elif setting.stack_value and not (setting.uses_sandbox and (has_own_app or not self.has_sandbox)):
                yield setting.name, setting.render_stack_value(urls)

    def build_database_url(self, owner: str) -> str:
        """Return the URL by which `owner`, a service that owns data, reaches its database.

        It is DATABASE_URL where that is given, and otherwise the URL of the stack's Postgres for the role of `owner`.
        """
        password = self.secrets[f"{owner}_database_password"]
        return self.given.get("DATABASE_URL") or postgres.build_url(owner, password, self.get_port(POSTGRES))

    def build_service_settings(self, name: str, instance: str) -> Settings:
        """Return the settings of one instance of the service `name`. A second one has public ports of its own."""
        settings = self.build_unfiltered_settings()
        settings = {key: value for key, value in settings.items() if name in _READERS.get(key, (name,))}
        if name == GATEWAY != instance:
            settings["GATEWAY_PORT"] = str(self.get_port(instance))
            settings["GATEWAY_INTERNAL_PORT"] = str(self.get_port(f"{instance}-internal"))
        if name == DATA_API != instance:
            settings["DATA_API_PORT"] = str(self.get_port(f"{instance}-public"))
        settings["PORT"] = str(self.get_service_port(name, instance))
        if name in OWNERS:
            settings["DATABASE_URL"] = self.build_database_url(OWNERS[name])
        return {**settings, **build_key_settings(name, self.secrets)}

    def get_service_port(self, name: str, instance: str) -> int:
        """Return the port where one instance of the service `name` answers `/health` and `/ready`."""
        return self.gateway_port if instance == name == GATEWAY else self.get_port(instance)

    def build_sandbox_settings(self, state_dir: str) -> Settings:
        """Return the settings of the sandbox, which keeps its state in the folder `state_dir`."""
        shared = self.build_unfiltered_settings()
        platform_settings = (
            setting.name for manifest in MANIFESTS for setting in manifest.list_settings(manifests.SANDBOX)
        )
        return {
            "SANDBOX_HOST": HOST,
            "SANDBOX_STATE": state_dir,
            "SANDBOX_PUBLIC_URL": self.sandbox_url,
            "PYTHONUNBUFFERED": "1",
            **{name: value for name, value in self.given.items() if name.startswith("SANDBOX_")},
            **{name: shared[name] for name in platform_settings if name in shared},
            "SANDBOX_PORT": str(self.sandbox_port),
        }

    def build_addresses(self) -> Settings:
        """Return the addresses of all parts and of the bucket for `runtime.json`, by setting. No secret is included."""
        shared = self.build_unfiltered_settings()
        uncalled = (SPACES_WRITER, DATA_API, *(name for name in PLATFORM_SERVICES if self.has_service(name)))
        return {
            **{name: shared[name] for name in _ADDRESSES if name in shared},
            **{get_address_key(name): f"http://{HOST}:{self.get_port(name)}" for name in uncalled},
            "GATEWAY_URL": self.gateway_url,
            "GATEWAY_PORT": str(self.gateway_port),
            "DATA_API_URL": self.data_api_url,
            "DATA_API_PORT": str(self.data_api_port),
            "SANDBOX_PUBLIC_URL": self.sandbox_url,
            "POSTGRES_ADDRESS": f"{HOST}:{self.get_port(POSTGRES)}",
        }
