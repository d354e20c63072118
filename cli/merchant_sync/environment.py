"""Which settings each part gets: pure composition of what is given, what is generated, and where the parts listen."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from merchant_sync import postgres
from merchant_sync.health import HOST
from merchant_sync.parts import (
    FACEBOOK_FETCHER,
    GATEWAY,
    KAFKA,
    OPERATOR,
    POSTGRES,
    SANDBOX,
    SCHEDULER,
    SHOPIFY_FETCHER,
    SPACES,
    SPACES_WRITER,
)

Settings = dict[str, str]

DEFAULT_GATEWAY_PORT = 5000
BUCKET = "merchant-sync"

# Every setting of the product; `deploy/env.example` says what each one means.
SETTINGS = (
    "SHOPIFY_API_KEY",
    "SHOPIFY_API_SECRET",
    "SHOPIFY_API_SECRET_PREVIOUS",
    "SHOPIFY_REDIRECT_URI",
    "SHOPIFY_WEBHOOK_ADDRESS",
    "SHOPIFY_API_VERSION",
    "SHOPIFY_SHOP_URL",
    "SHOPIFY_PEOPLE_URL",
    "SHOPIFY_SCOPES",
    "SHOPIFY_POLL_CRON",
    "FACEBOOK_APP_ID",
    "FACEBOOK_APP_SECRET",
    "FACEBOOK_APP_SECRET_PREVIOUS",
    "FACEBOOK_VERIFY_TOKEN",
    "FACEBOOK_REDIRECT_URI",
    "FACEBOOK_WEBHOOK_ADDRESS",
    "FACEBOOK_API_VERSION",
    "FACEBOOK_GRAPH_URL",
    "FACEBOOK_DIALOG_URL",
    "FACEBOOK_SCOPES",
    "FACEBOOK_SUBSCRIBED_FIELDS",
    "FACEBOOK_PAGE_FIELDS",
    "FACEBOOK_POLL_CRON",
    "FACEBOOK_DEAUTHORIZE_URL",
    "FACEBOOK_DELETION_URL",
    "POLL_SPREAD_SECONDS",
    "SPACES_ACCESS_KEY",
    "SPACES_SECRET_KEY",
    "SPACES_BUCKET",
    "SPACES_REGION",
    "SPACES_ENDPOINT_URL",
    "KAFKA_BOOTSTRAP_SERVERS",
    "KAFKA_SECURITY_PROTOCOL",
    "KAFKA_SASL_MECHANISM",
    "KAFKA_USERNAME",
    "KAFKA_PASSWORD",
    "KAFKA_CA_FILE",
    "KAFKA_CERT_FILE",
    "KAFKA_KEY_FILE",
    "DATABASE_URL",
    "GATEWAY_DATABASE_URL",
    "SCHEDULER_DATABASE_URL",
    "SPACES_WRITER_DATABASE_URL",
    "GATEWAY_URL",
    "GATEWAY_HOST",
    "GATEWAY_PORT",
    "GATEWAY_PROCESSES",
    "GATEWAY_INTERNAL_HOST",
    "GATEWAY_INTERNAL_PORT",
    "GATEWAY_INTERNAL_URL",
    "SCHEDULER_URL",
    "CORS_ALLOWED_ORIGINS",
    "STATE_TOKEN_SECRET",
    "TOKEN_ENCRYPTION_KEYS",
    "SESSION_TTL_SECONDS",
    "WEBHOOK_MAX_BYTES",
    "SNAPSHOT_CONCURRENCY",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "INTERNAL_KEYS",
    "INTERNAL_KEY",
    "HOST",
    "PORT",
    "SETTINGS_DIR",
    "SANDBOX_URL",
    "SANDBOX_RELAYED",
    "SANDBOX_HOST",
    "SANDBOX_PORT",
    "SANDBOX_STATE",
    "SANDBOX_PUBLIC_URL",
    "SANDBOX_RETRY_SCALE",
)
# Each process has its own, so one value for all cannot be meant (and some shells export HOST).
_PER_PROCESS = ("HOST", "PORT", "INTERNAL_KEY", "INTERNAL_KEYS")
# What only some services (and, for the apps' secrets, the sandbox) may know. Calls to Meta are signed with the secret.
_KNOWN_TO: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("TOKEN_ENCRYPTION_KEYS", "STATE_TOKEN_SECRET", "FACEBOOK_VERIFY_TOKEN"), (GATEWAY,)),
    **dict.fromkeys(("SHOPIFY_API_SECRET", "SHOPIFY_API_SECRET_PREVIOUS", "FACEBOOK_APP_SECRET_PREVIOUS"), (GATEWAY,)),
    "FACEBOOK_APP_SECRET": (GATEWAY, FACEBOOK_FETCHER),
    **dict.fromkeys(("GATEWAY_DATABASE_URL", "SCHEDULER_DATABASE_URL", "SPACES_WRITER_DATABASE_URL"), ()),
}
# The setting that names a part's address: whoever gives it runs that part elsewhere.
_ADDRESS_SETTINGS = {
    KAFKA: "KAFKA_BOOTSTRAP_SERVERS",
    POSTGRES: "DATABASE_URL",
    SPACES: "SPACES_ENDPOINT_URL",
    SANDBOX: "SHOPIFY_SHOP_URL",
}
OWNERS = {GATEWAY: "gateway", SCHEDULER: "scheduler", SPACES_WRITER: "spaces_writer"}
"""The name of the role and of the schema of each service that owns data."""
CALLERS = (GATEWAY, SCHEDULER, SHOPIFY_FETCHER, FACEBOOK_FETCHER, OPERATOR)
"""Who has a key by which it shows who it is to another."""
# Of what every service is told, where things are.
_ADDRESSES = (
    *("KAFKA_BOOTSTRAP_SERVERS", "SPACES_ENDPOINT_URL", "SPACES_BUCKET", "SPACES_REGION", "SHOPIFY_SHOP_URL"),
    *("GATEWAY_INTERNAL_URL", "SCHEDULER_URL", "SHOPIFY_REDIRECT_URI", "SHOPIFY_WEBHOOK_ADDRESS"),
    *("FACEBOOK_REDIRECT_URI", "FACEBOOK_WEBHOOK_ADDRESS", "FACEBOOK_GRAPH_URL"),
)


def clean(*sources: Mapping[str, str | None]) -> Settings:
    """One mapping of several, the later ones winning; an empty value counts as not given."""
    merged: Settings = {}
    for source in sources:
        merged |= {name: value for name, value in source.items() if value}
    return {name: value for name, value in merged.items() if name not in _PER_PROCESS}


def inherited(environ: Mapping[str, str]) -> Settings:
    """What children inherit from the runner's own environment: everything but the product's settings."""
    return {name: value for name, value in environ.items() if name not in SETTINGS}


def elsewhere(given: Mapping[str, str]) -> set[str]:
    """The parts that need not be started, for their address is given."""
    return {part for part, setting in _ADDRESS_SETTINGS.items() if setting in given}


def internal_key(secrets: Mapping[str, str], caller: str) -> str:
    """The key by which a service shows who it is to another."""
    return secrets[f"{caller.replace('-', '_')}_internal_key"]


@dataclass(frozen=True)
class Environment:
    """The settings of every part of one stack. `port_of` answers the loopback port of a part by name."""

    given: Mapping[str, str]
    secrets: Mapping[str, str]
    port_of: Callable[[str], int]

    @property
    def gateway_port(self) -> int:
        """Where browsers and webhooks arrive; `GATEWAY_PORT=0` takes any free port."""
        port = int(self.given.get("GATEWAY_PORT", DEFAULT_GATEWAY_PORT))
        return port or self.port_of(GATEWAY)

    @property
    def gateway_url(self) -> str:
        """The address to open in a browser."""
        return f"http://{HOST}:{self.gateway_port}"

    @property
    def sandbox_port(self) -> int:
        """Where the sandbox listens."""
        return int(self.given.get("SANDBOX_PORT") or self.port_of(SANDBOX))

    @property
    def sandbox_url(self) -> str:
        """The sandbox as browsers and services reach it."""
        return self.given.get("SANDBOX_PUBLIC_URL") or f"http://{HOST}:{self.sandbox_port}"

    @property
    def internal_port(self) -> int:
        """The gateway's loopback port for other services."""
        return int(self.given.get("GATEWAY_INTERNAL_PORT") or self.port_of("gateway-internal"))

    def shared(self) -> Settings:
        """What every service gets; anything given replaces what is composed here."""
        composed = {
            **self._infrastructure(),
            **self._shopify(),
            **self._facebook(),
            "GATEWAY_INTERNAL_URL": f"http://{HOST}:{self.internal_port}",
            "SCHEDULER_URL": f"http://{HOST}:{self.port_of(SCHEDULER)}",
            "STATE_TOKEN_SECRET": self.secrets["state_token_secret"],
            "TOKEN_ENCRYPTION_KEYS": f"k1:{self.secrets['token_encryption_key']}",
            "GATEWAY_HOST": HOST,
            "HOST": HOST,
            "PYTHONUNBUFFERED": "1",
        }
        resolved = {"GATEWAY_PORT": str(self.gateway_port), "GATEWAY_INTERNAL_PORT": str(self.internal_port)}
        return {**composed, **self.given, **resolved}

    def _infrastructure(self) -> Settings:
        return {
            "KAFKA_BOOTSTRAP_SERVERS": f"{HOST}:{self.port_of(KAFKA)}",
            "SPACES_ACCESS_KEY": self.secrets["spaces_access_key"],
            "SPACES_SECRET_KEY": self.secrets["spaces_secret_key"],
            "SPACES_BUCKET": BUCKET,
            "SPACES_REGION": "nyc3",
            "SPACES_ENDPOINT_URL": f"http://{HOST}:{self.port_of(SPACES)}",
        }

    def _shopify(self) -> Settings:
        return {
            "SHOPIFY_API_KEY": self.secrets["shopify_api_key"],
            "SHOPIFY_API_SECRET": self.secrets["shopify_api_secret"],
            "SHOPIFY_REDIRECT_URI": f"{self.gateway_url}/shopify/callback",
            "SHOPIFY_WEBHOOK_ADDRESS": f"{self.gateway_url}/shopify/webhook",
            "SHOPIFY_SHOP_URL": f"{self.sandbox_url}/shops/{{shop}}",
            **({} if SANDBOX in elsewhere(self.given) else {"SANDBOX_URL": self.sandbox_url}),
        }

    @property
    def has_facebook(self) -> bool:
        """Whether there is a Meta app: one that was given, or the sandbox's."""
        return "FACEBOOK_APP_ID" in self.given or SANDBOX not in elsewhere(self.given)

    def _facebook(self) -> Settings:
        """Of a Meta app that was given everything but our own addresses is given, too."""
        if not self.has_facebook:
            return {}
        addresses = {
            "FACEBOOK_REDIRECT_URI": f"{self.gateway_url}/facebook/callback",
            "FACEBOOK_WEBHOOK_ADDRESS": f"{self.gateway_url}/facebook/webhook",
        }
        if "FACEBOOK_APP_ID" in self.given:
            return addresses
        return {
            **addresses,
            "FACEBOOK_APP_ID": self.secrets["facebook_app_id"],
            "FACEBOOK_APP_SECRET": self.secrets["facebook_app_secret"],
            "FACEBOOK_VERIFY_TOKEN": self.secrets["facebook_verify_token"],
            "FACEBOOK_GRAPH_URL": f"{self.sandbox_url}/graph",
            "FACEBOOK_DIALOG_URL": f"{self.sandbox_url}/facebook",
        }

    def database_url(self, owner: str) -> str:
        """The connection string of one owner's role, or the one that was given for all."""
        password = self.secrets[f"{owner}_database_password"]
        return self.given.get("DATABASE_URL") or postgres.url(owner, password, self.port_of(POSTGRES))

    def service(self, name: str, instance: str) -> Settings:
        """The settings of one instance of a service. A second gateway has ports of its own."""
        settings = self.shared()
        settings = {key: value for key, value in settings.items() if name in _KNOWN_TO.get(key, (name,))}
        if name == GATEWAY != instance:
            settings["GATEWAY_PORT"] = str(self.port_of(instance))
            settings["GATEWAY_INTERNAL_PORT"] = str(self.port_of(f"{instance}-internal"))
        settings["PORT"] = str(self.service_port(name, instance))
        return {**settings, **self._owned(name), **self._keys(name)}

    def service_port(self, name: str, instance: str) -> int:
        """Where the instance answers `/health` and `/ready`."""
        return self.gateway_port if instance == name == GATEWAY else self.port_of(instance)

    def _owned(self, name: str) -> Settings:
        return {"DATABASE_URL": self.database_url(OWNERS[name])} if name in OWNERS else {}

    def _keys(self, name: str) -> Settings:
        keys = {"INTERNAL_KEY": internal_key(self.secrets, name)} if name in CALLERS else {}
        if name in (GATEWAY, SCHEDULER):
            keys["INTERNAL_KEYS"] = ",".join(f"{caller}:{internal_key(self.secrets, caller)}" for caller in CALLERS)
        return keys

    def sandbox(self, state: str) -> Settings:
        """The settings of the sandbox, its state in the folder or file `state`."""
        shared = self.shared()
        own = {
            "SANDBOX_HOST": HOST,
            "SANDBOX_STATE": state,
            "SANDBOX_PUBLIC_URL": self.sandbox_url,
            "PYTHONUNBUFFERED": "1",
        }
        apps = ("SHOPIFY_API_KEY", "SHOPIFY_API_SECRET", "FACEBOOK_APP_ID", "FACEBOOK_APP_SECRET")
        secrets = {name: shared[name] for name in apps}
        told = {
            "FACEBOOK_DEAUTHORIZE_URL": f"{self.gateway_url}/facebook/deauthorize",
            "FACEBOOK_DELETION_URL": f"{self.gateway_url}/facebook/data-deletion",
        }
        given = {name: value for name, value in self.given.items() if name.startswith("SANDBOX_")}
        return {**own, **told, **given, **secrets, "SANDBOX_PORT": str(self.sandbox_port)}

    @property
    def _inside(self) -> tuple[str, ...]:
        """The services whose addresses no other service is told."""
        return (SPACES_WRITER, SHOPIFY_FETCHER, *((FACEBOOK_FETCHER,) if self.has_facebook else ()))

    def addresses(self) -> Settings:
        """Where everything is, for `runtime.json`: no secret among them."""
        shared = self.shared()
        services = {f"{_plain(name)}_ADDRESS": f"http://{HOST}:{self.port_of(name)}" for name in self._inside}
        return {
            **{name: shared[name] for name in _ADDRESSES if name in shared},
            **services,
            "GATEWAY_URL": self.gateway_url,
            "GATEWAY_PORT": str(self.gateway_port),
            "SANDBOX_PUBLIC_URL": self.sandbox_url,
            "POSTGRES_ADDRESS": f"{HOST}:{self.port_of(POSTGRES)}",
        }


def _plain(service: str) -> str:
    return service.replace("-", "_").upper()
