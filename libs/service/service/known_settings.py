"""The names of the product's own settings, and what is wrong with given settings: misspelt, or not for production.

The platforms' manifests name their settings. Whoever starts a process adds them: `platforms/known_settings.py`.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches

from service.production import (
    Check,
    accept,
    check_https,
    check_named_secrets,
    check_operator_keys,
    check_secret,
    check_url_password,
    refuse_sandbox,
)

ENV_VARIABLE = "MERCHANT_SYNC_ENV"
PRODUCTION, DEVELOPMENT = "production", "development"

OWN_SETTINGS: Mapping[str, Check] = {
    **dict.fromkeys(
        (
            *(ENV_VARIABLE, "SETTINGS_DIR", "POLL_SPREAD_SECONDS", "SNAPSHOT_CONCURRENCY"),
            *("WRITE_ATTEMPTS", "LINK_HEALTH_SECONDS"),
            *("SPACES_ACCESS_KEY", "SPACES_BUCKET", "SPACES_REGION", "SPACES_ENDPOINT_URL", "SPACES_CA_FILE"),
            *("KAFKA_BOOTSTRAP_SERVERS", "KAFKA_SECURITY_PROTOCOL", "KAFKA_SASL_MECHANISM", "KAFKA_USERNAME"),
            *("KAFKA_CA_FILE", "KAFKA_CERT_FILE", "KAFKA_KEY_FILE"),
            *("GATEWAY_URL", "GATEWAY_HOST", "GATEWAY_PORT", "GATEWAY_PROCESSES"),
            *("GATEWAY_INTERNAL_HOST", "GATEWAY_INTERNAL_PORT", "GATEWAY_INTERNAL_URL", "SCHEDULER_URL", "LINKER_URL"),
            *(
                "SESSION_TTL_SECONDS",
                "SESSION_IDLE_SECONDS",
                "PROOF_READ_SECONDS",
                "PROOF_ACT_SECONDS",
                "AUDIT_KEPT_DAYS",
            ),
            *("WEBHOOK_MAX_BYTES", "GATEWAY_MAX_CONNECTIONS", "TRUSTED_PROXIES"),
            *("DATA_API_URL", "DATA_API_HOST", "DATA_API_PORT", "DATA_API_MAX_CONNECTIONS"),
            *("DATA_API_REQUESTS_PER_MINUTE", "ENDPOINT_PRIVATE_NETWORKS"),
            *("DATA_API_DEMO", "STREAM_SECONDS", "SNAPSHOT_CACHE_BYTES", "SNAPSHOT_CACHE_DIR"),
            *("INTERNAL_TLS_CA_FILE", "INTERNAL_TLS_CERT_FILE", "INTERNAL_TLS_KEY_FILE", "INTERNAL_KEY_HASHES"),
            *("OTEL_EXPORTER_OTLP_ENDPOINT", "HOST", "PORT"),
            *("SANDBOX_HOST", "SANDBOX_PORT", "SANDBOX_STATE", "SANDBOX_RETRY_SCALE"),
        ),
        accept,
    ),
    **dict.fromkeys(("SANDBOX_URL", "SANDBOX_RELAYED", "SANDBOX_PUBLIC_URL"), refuse_sandbox),
    **dict.fromkeys(
        (
            *("STATE_TOKEN_SECRET", "GATEWAY_KEY", "SCHEDULER_KEY", "LINKER_KEY"),
            *("SPACES_SECRET_KEY", "KAFKA_PASSWORD"),
        ),
        check_secret,
    ),
    **dict.fromkeys(("TOKEN_ENCRYPTION_KEYS", "ENDPOINT_ENCRYPTION_KEYS"), check_named_secrets),
    "DATA_API_KEYS": check_operator_keys,
    **dict.fromkeys(
        (
            *("DATABASE_URL", "GATEWAY_DATABASE_URL", "SCHEDULER_DATABASE_URL", "SPACES_WRITER_DATABASE_URL"),
            *("DATA_API_DATABASE_URL", "DATA_API_REPLICA_URL", "LINKER_DATABASE_URL"),
        ),
        check_url_password,
    ),
    **dict.fromkeys(("CORS_ALLOWED_ORIGINS", "DATA_API_PUBLIC_URL"), check_https),
}
"""Each setting of the product except the platforms', with the check of its value in production."""

_OWN_PREFIXES = (
    *("GATEWAY_", "SCHEDULER_", "SPACES_WRITER_", "DATA_API_", "LINKER_", "SANDBOX_", "WEBHOOK_", "SNAPSHOT_"),
    *("POLL_", "MERCHANT_"),
)
_SIMILARITY = 0.9
"""How similar (0 to 1) an unknown name must be to that of a setting to be taken for a misspelling of it."""


def list_setting_errors(
    given: Mapping[str, str], known: Mapping[str, Check], declared: Collection[str] = ()
) -> Iterator[str]:
    """Yield what is wrong with the settings in `given`, each text beginning with the name of the setting.

    `given` are all environment variables and settings by name. `known` are the checks of all settings. `declared` are
    the names in `.env` and in the folder of settings, which are all meant for this product. The other names come from
    the environment, where there are variables of other programs too: these are looked at when they begin like a
    setting of ours, and in production, where a process has its environment for itself, always.
    """
    mode = given.get(ENV_VARIABLE) or DEVELOPMENT
    if mode not in (PRODUCTION, DEVELOPMENT):
        yield f"{ENV_VARIABLE}: must be {PRODUCTION} or {DEVELOPMENT}"
        return
    is_production = mode == PRODUCTION
    ours = [name for name in given if is_production or name in declared or name.startswith(_OWN_PREFIXES)]
    for wrong, meant in find_misspelt_settings(ours, known).items():
        yield f"{wrong}: is not a setting, {meant} is one: correct the name, or remove it"
    if is_production:
        reasons = {name: known[name](value) for name, value in given.items() if value and name in known}
        yield from (f"{name}: {reason}" for name, reason in reasons.items() if reason)


def find_misspelt_settings(names: Iterable[str], known: Collection[str]) -> dict[str, str]:
    """Return those of `names` that are probably misspelt, each with the name of the known setting that is meant.

    The name of a setting with `_FILE` behind it is known too: deployments take the path of a secret's file by it.
    """
    unknown = [name for name in names if name not in known and name.removesuffix("_FILE") not in known]
    matches = {name: get_close_matches(name, known, 1, _SIMILARITY) for name in unknown}
    return {name: found[0] for name, found in matches.items() if found}
