"""The keys between services: one for each pair of a caller and a service with an internal API.

The caller has the key itself, the service only its hash. So nobody can call one service as somebody else with what
another part of the installation knows.
"""

from collections.abc import Mapping
from hashlib import sha256

from merchant_sync.parts import DATA_API, GATEWAY, LINKER, OPERATOR, PLATFORM_SERVICES, SCHEDULER

Settings = dict[str, str]

CALLERS = {
    GATEWAY: (SCHEDULER, DATA_API, LINKER, *PLATFORM_SERVICES, OPERATOR),
    SCHEDULER: (GATEWAY, OPERATOR),
    LINKER: (GATEWAY, OPERATOR),
}
"""The callers of each internal API, by the service that has it."""
KEY_SETTINGS = {GATEWAY: "GATEWAY_KEY", SCHEDULER: "SCHEDULER_KEY", LINKER: "LINKER_KEY"}
"""The setting in which a caller has its key, by the service that it calls."""
HASHES_SETTING = "INTERNAL_KEY_HASHES"


def get_secret_name(caller: str, service: str) -> str:
    """Return the name of the generated secret that is the key of `caller` for `service`."""
    return f"{caller.replace('-', '_')}_to_{service}_key"


SECRETS = tuple(get_secret_name(caller, service) for service, callers in CALLERS.items() for caller in callers)
"""The names of all these keys among the generated secrets."""


def list_key_settings(part: str) -> tuple[str, ...]:
    """Return the names of the settings that `build_key_settings` returns for `part`."""
    called = (KEY_SETTINGS[service] for service, callers in CALLERS.items() if part in callers)
    return (*called, *((HASHES_SETTING,) if part in CALLERS else ()))


def build_key_settings(part: str, secrets: Mapping[str, str]) -> Settings:
    """Return the settings with the keys that `part` sends, and with the hashes of those that it accepts."""
    keys = {
        KEY_SETTINGS[service]: secrets[get_secret_name(part, service)]
        for service, callers in CALLERS.items()
        if part in callers
    }
    accepted = {caller: secrets[get_secret_name(caller, part)] for caller in CALLERS.get(part, ())}
    hashes = ",".join(f"{caller}:{sha256(key.encode()).hexdigest()}" for caller, key in accepted.items())
    return {**keys, **({HASHES_SETTING: hashes} if hashes else {})}
