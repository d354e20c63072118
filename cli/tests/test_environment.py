"""The settings of each part."""

import re
from pathlib import Path

import pytest

from merchant_sync import dev_secrets, environment
from merchant_sync.environment import Environment
from merchant_sync.manifests import MANIFESTS
from merchant_sync.operating.checks.settings import list_settings_classes
from merchant_sync.parts import SERVICES, StackError
from service.known_settings import find_misspelt_settings
from service.service_auth import identify_caller, parse_key_hashes

ROOT = Path(__file__).parents[2]
FETCHERS = [name for name in SERVICES if name.endswith("-fetcher")]
WRITERS = ["shopify-writer", "odoo-writer"]
PLATFORMS = tuple(f"{manifest.slug.upper()}_" for manifest in MANIFESTS)
OWN = ("PORT", "GATEWAY_KEY")
"""The settings of which each service has a value of its own."""
PORTS = {
    "kafka": 1,
    "postgres": 2,
    "spaces": 3,
    "sandbox": 4,
    "gateway": 5,
    "gateway-internal": 6,
    "scheduler": 7,
    "spaces-writer": 8,
    "shopify-fetcher": 9,
    "gateway-2": 10,
    "gateway-2-internal": 11,
    "scheduler-2": 12,
    "facebook-fetcher": 13,
    "data-api": 14,
    "data-api-public": 15,
    "data-api-2": 16,
    "data-api-2-public": 17,
    "phpmyadmin-fetcher": 18,
    "odoo-fetcher": 19,
    "linker": 20,
    "shopify-writer": 21,
    "odoo-writer": 22,
}


@pytest.fixture
def secrets(tmp_path: Path) -> dict[str, str]:
    return dev_secrets.load_or_generate_secrets(tmp_path / "secrets.json")


def build_environment(secrets: dict[str, str], **given: str) -> Environment:
    return Environment(given, secrets, PORTS.__getitem__)


def test_every_address_is_on_loopback_and_only_the_public_ports_are_fixed(secrets: dict[str, str]) -> None:
    settings = build_environment(secrets).build_service_settings("gateway", "gateway")

    assert settings["GATEWAY_PORT"] == settings["PORT"] == "5000"
    assert settings["SHOPIFY_REDIRECT_URI"] == "http://127.0.0.1:5000/shopify/callback"
    assert settings["KAFKA_BOOTSTRAP_SERVERS"] == "127.0.0.1:1"
    assert settings["GATEWAY_INTERNAL_URL"] == f"http://127.0.0.1:{settings['GATEWAY_INTERNAL_PORT']}"
    assert settings["SHOPIFY_SHOP_URL"] == "http://127.0.0.1:4/shops/{shop}"
    assert settings["GATEWAY_HOST"] == "127.0.0.1"
    assert settings["DATA_API_PUBLIC_URL"] == "http://127.0.0.1:5010"
    data_api = build_environment(secrets).build_service_settings("data-api", "data-api")
    assert (data_api["DATA_API_HOST"], data_api["DATA_API_PORT"], data_api["PORT"]) == ("127.0.0.1", "5010", "14")
    assert data_api["GATEWAY_URL"] == "http://127.0.0.1:5000"


def test_a_given_setting_wins_and_others_are_computed_from_it(secrets: dict[str, str]) -> None:
    settings = build_environment(secrets, GATEWAY_PORT="5999", SPACES_BUCKET="mine").build_service_settings(
        "gateway", "gateway"
    )

    assert settings["SPACES_BUCKET"] == "mine"
    assert settings["SHOPIFY_WEBHOOK_ADDRESS"] == "http://127.0.0.1:5999/shopify/webhook"


def test_a_public_port_of_zero_takes_a_free_one(secrets: dict[str, str]) -> None:
    env = build_environment(secrets, GATEWAY_PORT="0", DATA_API_PORT="0")
    assert (env.gateway_url, env.data_api_url) == ("http://127.0.0.1:5", "http://127.0.0.1:15")


def test_a_second_data_api_has_ports_of_its_own(secrets: dict[str, str]) -> None:
    second = build_environment(secrets).build_service_settings("data-api", "data-api-2")

    assert (second["PORT"], second["DATA_API_PORT"]) == ("16", "17")


def test_a_second_gateway_has_ports_of_its_own_and_the_same_public_addresses(secrets: dict[str, str]) -> None:
    first, second = (
        build_environment(secrets).build_service_settings("gateway", name) for name in ("gateway", "gateway-2")
    )

    assert (second["GATEWAY_PORT"], second["GATEWAY_INTERNAL_PORT"], second["PORT"]) == ("10", "11", "10")
    assert second["SHOPIFY_REDIRECT_URI"] == first["SHOPIFY_REDIRECT_URI"]
    assert second["DATABASE_URL"] == first["DATABASE_URL"]


def test_each_owner_has_its_own_role_and_fetcher_and_writer_no_database(secrets: dict[str, str]) -> None:
    env = build_environment(secrets)
    owners = ("gateway", "scheduler", "spaces-writer", "data-api", "linker")
    urls = [env.build_service_settings(name, name)["DATABASE_URL"] for name in owners]
    roles = [re.match(r"postgresql://(\w+):", url)[1] for url in urls]  # type: ignore[index]

    assert roles == [name.replace("-", "_") for name in owners]
    assert len(set(urls)) == 5
    for name in ("shopify-fetcher", "shopify-writer"):
        assert "DATABASE_URL" not in env.build_service_settings(name, name)


def test_a_given_database_is_used_by_every_owner(secrets: dict[str, str]) -> None:
    env = build_environment(secrets, DATABASE_URL="postgresql://elsewhere/db")

    assert env.build_service_settings("scheduler", "scheduler-2")["DATABASE_URL"] == "postgresql://elsewhere/db"


def test_only_the_gateway_knows_what_opens_tokens(secrets: dict[str, str]) -> None:
    env = build_environment(secrets, SHOPIFY_API_SECRET_PREVIOUS="old")
    for name in ("scheduler", "spaces-writer", "data-api", "linker", "shopify-fetcher", *WRITERS):
        known = set(env.build_service_settings(name, name).values())
        assert not known & {f"k1:{secrets['token_encryption_key']}", secrets["state_token_secret"], "old"}
        assert secrets["shopify_api_secret"] not in known


def test_only_the_data_api_knows_the_operators_keys_for_it_and_its_replica(secrets: dict[str, str]) -> None:
    given = {"DATA_API_KEYS": "bot:of-the-operator-alone-0001", "DATA_API_REPLICA_URL": "postgresql://replica/db"}
    env = build_environment(secrets, **given)
    readers = [name for name in SERVICES if given.keys() & env.build_service_settings(name, name).keys()]

    assert readers == ["data-api"]


def test_each_caller_is_known_by_its_own_key(secrets: dict[str, str]) -> None:
    env = build_environment(secrets)
    for service, setting, callers in (
        ("gateway", "GATEWAY_KEY", ("scheduler", "data-api", "linker", *FETCHERS, *WRITERS)),
        ("scheduler", "SCHEDULER_KEY", ("gateway",)),
        ("linker", "LINKER_KEY", ("gateway",)),
    ):
        hashes = parse_key_hashes(env.build_service_settings(service, service)["INTERNAL_KEY_HASHES"])
        assert sorted(hashes.values()) == sorted([*callers, "operator"])
        for caller in callers:
            key = env.build_service_settings(caller, caller)[setting]
            assert identify_caller(hashes, f"Bearer {key}") == caller
    for part in ("spaces-writer", "data-api", "shopify-fetcher"):
        assert "INTERNAL_KEY_HASHES" not in env.build_service_settings(part, part)


def test_sandbox_and_gateway_share_the_app_and_the_sandbox_gets_nothing_else(secrets: dict[str, str]) -> None:
    env = build_environment(secrets, SHOPIFY_API_SECRET="s", DATABASE_URL="postgresql://elsewhere/db")
    settings = env.build_sandbox_settings("state")

    assert settings["SHOPIFY_API_SECRET"] == "s"
    assert settings["SANDBOX_PORT"] == "4"
    assert "DATABASE_URL" not in settings


def test_an_empty_setting_counts_as_not_given_and_the_environment_wins_over_the_file() -> None:
    merged = environment.merge_shared_settings(
        {"SPACES_BUCKET": "file", "SPACES_REGION": "file"}, {"SPACES_BUCKET": "env", "DATABASE_URL": ""}
    )

    assert merged == {"SPACES_BUCKET": "env", "SPACES_REGION": "file"}


def test_a_part_with_a_given_address_runs_elsewhere() -> None:
    assert environment.find_external_parts({"DATABASE_URL": "x", "SHOPIFY_SHOP_URL": "y"}) == {"postgres", "sandbox"}


def test_children_inherit_no_setting_that_nobody_gave() -> None:
    assert environment.filter_inherited({"PATH": "/bin", "DATABASE_URL": "leak", "HOST": "laptop"}) == {"PATH": "/bin"}


def test_addresses_hold_no_secret(secrets: dict[str, str]) -> None:
    text = " ".join(build_environment(secrets).build_addresses().values())

    assert not [name for name, value in secrets.items() if value in text]


def test_env_example_names_every_setting_once_and_holds_no_secret() -> None:
    lines = (ROOT / "deploy" / "env.example").read_text().splitlines()
    entries = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))

    assert sorted(entries) == sorted(environment.SETTINGS)
    assert not [name for name, value in entries.items() if value and ("SECRET" in name or "KEY" in name)]


def test_the_secret_of_a_platform_is_given_to_its_readers_alone(
    secrets: dict[str, str],
) -> None:
    env = build_environment(secrets)
    settings = {
        name: env.build_service_settings(name, name)
        for name in ("gateway", "facebook-fetcher", "shopify-fetcher", "scheduler")
    }
    assert [name for name in settings if "FACEBOOK_APP_SECRET" in settings[name]] == ["gateway", "facebook-fetcher"]
    assert [name for name in settings if "FACEBOOK_VERIFY_TOKEN" in settings[name]] == ["gateway"]
    assert env.build_sandbox_settings("state")["FACEBOOK_APP_SECRET"] == settings["gateway"]["FACEBOOK_APP_SECRET"]


def test_a_writer_gets_the_settings_of_its_platforms_fetcher_and_of_no_other_platform(secrets: dict[str, str]) -> None:
    env = build_environment(secrets, ODOO_CALLS_PER_SECOND="2", SHOPIFY_SCOPES="read_products")
    for slug in ("shopify", "odoo"):
        fetcher, writer = (
            {name: value for name, value in env.build_service_settings(one, one).items() if name not in OWN}
            for one in (f"{slug}-fetcher", f"{slug}-writer")
        )
        assert writer == fetcher
        named = {name for name in writer if name.startswith(PLATFORMS)}
        assert named and all(name.startswith(f"{slug.upper()}_") for name in named)


def test_a_meta_app_that_is_given_is_used_with_all_that_is_its_own(secrets: dict[str, str]) -> None:
    settings = build_environment(secrets, FACEBOOK_APP_ID="1" * 16, GATEWAY_PORT="5999").build_service_settings(
        "gateway", "gateway"
    )
    assert settings["FACEBOOK_WEBHOOK_ADDRESS"] == "http://127.0.0.1:5999/facebook/webhook"
    assert not {"FACEBOOK_APP_SECRET", "FACEBOOK_VERIFY_TOKEN", "FACEBOOK_GRAPH_URL", "FACEBOOK_DIALOG_URL"} & set(
        settings
    )


def test_with_real_shops_and_no_meta_app_there_is_no_facebook(secrets: dict[str, str]) -> None:
    env = build_environment(secrets, SHOPIFY_SHOP_URL="https://{shop}")
    assert not env.has_platform(next(one for one in MANIFESTS if one.slug == "facebook"))
    assert not env.has_service("facebook-fetcher")
    assert env.has_service("shopify-fetcher")
    assert env.has_service("shopify-writer")
    assert not [name for name in env.build_service_settings("gateway", "gateway") if name.startswith("FACEBOOK_")]


def test_a_misspelt_setting_is_named_with_the_one_that_is_meant() -> None:
    names = [
        "GATEWAY_PROT",
        "SHOPIFY_API_SECRETS",
        "SPACES_BUCKT",
        *environment.SETTINGS,
        "HOME",
        "HOSTNAME",
        "KAFKA_HOME",
    ]
    assert find_misspelt_settings(names, environment.SETTINGS) == {
        "GATEWAY_PROT": "GATEWAY_PORT",
        "SHOPIFY_API_SECRETS": "SHOPIFY_API_SECRET",
        "SPACES_BUCKT": "SPACES_BUCKET",
    }
    with pytest.raises(StackError, match="GATEWAY_PROT: is not a setting"):
        environment.check_settings({"GATEWAY_PROT": "5000"})


@pytest.mark.parametrize("value", ["abc", "-1", "65536", "5000.0", "\u0665"])
def test_a_malformed_port_is_named(value: str) -> None:
    with pytest.raises(StackError, match="GATEWAY_PORT must be a port, a number up to 65535"):
        environment.check_settings({"GATEWAY_PORT": value})


def test_correct_settings_are_accepted() -> None:
    environment.check_settings({"GATEWAY_PORT": "5100", "SPACES_BUCKET": "mine", "PATH": "/bin"})


def test_variables_of_other_programs_are_let_alone_unless_the_file_has_them() -> None:
    others = {"DATABASE_URI": "x", "SPACES_ACCESS_KEY_ID": "x", "KAFKA_BOOTSTRAP_SERVER": "x"}
    environment.check_settings(others)
    with pytest.raises(StackError, match="KAFKA_BOOTSTRAP_SERVERS is one"):
        environment.check_settings(others, ["KAFKA_BOOTSTRAP_SERVER"])


@pytest.mark.parametrize("name", ["SHOPIFY_API_KEY", "SHOPIFY_API_SECRET", "FACEBOOK_APP_ID", "FACEBOOK_VERIFY_TOKEN"])
def test_a_part_of_an_app_is_refused(name: str) -> None:
    with pytest.raises(StackError, match=r"required, because other settings of \w+'s app are given"):
        environment.check_settings({name: "given"})


def test_every_field_of_a_service_is_a_known_setting() -> None:
    fields = {
        name.upper()
        for classes in list_settings_classes(list(MANIFESTS)).values()
        for cls in classes
        for name in cls.model_fields
    }
    others = fields - set(environment.SETTINGS)
    assert others == {"POLL_CRONS", "POLL_SECONDS", "STEP_SECONDS"}, "two collections, and one for tests"
