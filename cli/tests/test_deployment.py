"""Secrets of an installation in containers."""

import re
from pathlib import Path

import pytest

from contracts.permissions import AUTOSCALER, list_users
from merchant_sync import deployment, dev_secrets
from merchant_sync.parts import SERVICES
from platforms.registry import DESTINATIONS, PLATFORMS
from service.service_auth import identify_caller, parse_key_hashes

LOGIN = ("KAFKA_USERNAME", "KAFKA_PASSWORD")
FETCHERS = [name for name in SERVICES if name.endswith("-fetcher")]
WRITERS = ["shopify-writer", "odoo-writer"]


@pytest.fixture
def named() -> dict[str, str]:
    return deployment.build_named_secrets(dev_secrets.generate_all())


def test_parts_that_share_a_secret_have_the_same_value(named: dict[str, str]) -> None:
    assert named["GATEWAY_DATABASE_URL"] == (
        f"postgresql://gateway:{named['GATEWAY_DATABASE_PASSWORD']}@postgres:5432/merchant_sync"
    )
    hashes = parse_key_hashes(named["GATEWAY_INTERNAL_KEY_HASHES"])
    assert identify_caller(hashes, f"Bearer {named['OPERATOR_GATEWAY_KEY']}") == "operator"


def list_callers(folder: dict[str, str], hashes: dict[str, str]) -> set[str | None]:
    """Return as whom somebody can call a service who knows the secrets of one part, in any piece."""
    pieces = {piece for value in folder.values() for piece in re.split("[,:]", value)} | set(folder.values())
    return {identify_caller(hashes, f"Bearer {piece}") for piece in pieces} - {None}


def test_with_the_secrets_of_a_part_a_service_can_be_called_as_that_part_alone(named: dict[str, str]) -> None:
    folders = {part: deployment.select_for_part(part, named, with_sandbox=True) for part in deployment.SECRETS_BY_PART}
    accepted = {
        "gateway": ("scheduler", "data-api", "linker", *FETCHERS, *WRITERS, "operator"),
        "scheduler": ("gateway", "operator"),
        "linker": ("gateway", "operator"),
    }
    for service, expected in accepted.items():
        hashes = parse_key_hashes(folders[service]["INTERNAL_KEY_HASHES"])
        known = {part: callers for part in folders if (callers := list_callers(folders[part], hashes))}
        assert known == {part: {part} for part in expected}, service


def test_each_pair_has_a_key_of_its_own(named: dict[str, str]) -> None:
    keys = [value for name, value in named.items() if name.endswith(("_GATEWAY_KEY", "_SCHEDULER_KEY", "_LINKER_KEY"))]

    assert len(set(keys)) == len(keys) == len([*FETCHERS, *WRITERS]) + 8


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("scheduler", {"DATABASE_URL", "GATEWAY_KEY", "INTERNAL_KEY_HASHES", *LOGIN}),
        ("spaces-writer", {"DATABASE_URL", "SPACES_ACCESS_KEY", "SPACES_SECRET_KEY", *LOGIN}),
        (
            "data-api",
            {
                *("DATABASE_URL", "GATEWAY_KEY", "SPACES_ACCESS_KEY", "SPACES_SECRET_KEY"),
                *("ENDPOINT_ENCRYPTION_KEYS", *LOGIN),
            },
        ),
        ("linker", {"DATABASE_URL", "GATEWAY_KEY", "INTERNAL_KEY_HASHES", *LOGIN}),
        ("shopify-fetcher", {"GATEWAY_KEY", *LOGIN}),
        ("facebook-fetcher", {"GATEWAY_KEY", "FACEBOOK_APP_SECRET", *LOGIN}),
        ("phpmyadmin-fetcher", {"GATEWAY_KEY", *LOGIN}),
        ("odoo-fetcher", {"GATEWAY_KEY", *LOGIN}),
        *((writer, {"GATEWAY_KEY", *LOGIN}) for writer in WRITERS),
        ("sandbox", {"SHOPIFY_API_KEY", "SHOPIFY_API_SECRET", "FACEBOOK_APP_ID", "FACEBOOK_APP_SECRET"}),
    ],
)
def test_a_part_gets_the_secrets_that_it_may_know(named: dict[str, str], part: str, expected: set[str]) -> None:
    assert deployment.select_for_part(part, named, with_sandbox=True).keys() == expected


def test_each_service_logs_in_at_kafka_as_itself_and_only_the_set_up_knows_all_passwords(named: dict[str, str]) -> None:
    folders = {part: deployment.select_for_part(part, named, with_sandbox=True) for part in deployment.SECRETS_BY_PART}
    for user in list_users(PLATFORMS, DESTINATIONS):
        password = named[f"{user.upper().replace('-', '_')}_KAFKA_PASSWORD"]
        holders = {part for part, folder in folders.items() if password in folder.values()}
        assert holders == {"kafka", user} - {AUTOSCALER}
        assert user == AUTOSCALER or folders[user]["KAFKA_USERNAME"] == user


def test_on_real_platforms_none_of_their_secrets_is_generated(named: dict[str, str]) -> None:
    given = {
        name
        for part in deployment.SECRETS_BY_PART
        for name in deployment.select_for_part(part, named, with_sandbox=False)
    }

    theirs = ("SHOPIFY_API", "FACEBOOK_APP", "FACEBOOK_VERIFY", "SPACES_ACCESS", "SPACES_SEC")
    assert not [name for name in given if name.startswith(theirs)]
    assert {"TOKEN_ENCRYPTION_KEYS", "STATE_TOKEN_SECRET", "DATABASE_URL"} <= given


def test_folders_keep_their_secrets_and_lose_those_that_are_not_theirs_any_more(tmp_path: Path) -> None:
    deployment.write_secret_folders(tmp_path, with_sandbox=True)
    key = (tmp_path / "gateway" / "TOKEN_ENCRYPTION_KEYS").read_text()
    assert (tmp_path / "gateway" / "FACEBOOK_APP_ID").exists()

    deployment.write_secret_folders(tmp_path, with_sandbox=False)

    assert (tmp_path / "gateway" / "TOKEN_ENCRYPTION_KEYS").read_text() == key
    assert not (tmp_path / "gateway" / "FACEBOOK_APP_ID").exists()
    assert [entry.name for entry in (tmp_path / "sandbox").iterdir()] == []


def test_env_files_have_the_same_secrets_as_folders(tmp_path: Path) -> None:
    deployment.write_secret_folders(tmp_path, with_sandbox=True)
    deployment.write_secret_env_files(tmp_path, with_sandbox=True)

    for part in deployment.SECRETS_BY_PART:
        listed = dict(line.split("=", 1) for line in (tmp_path / f"{part}.env").read_text().splitlines())
        assert listed == {file.name: file.read_text() for file in (tmp_path / part).iterdir()}
        assert (tmp_path / f"{part}.env").stat().st_mode & 0o077 == 0
