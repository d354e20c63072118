"""Secrets of an installation in containers."""

from pathlib import Path

import pytest

from merchant_sync import deployment, dev_secrets


@pytest.fixture
def named() -> dict[str, str]:
    return deployment.build_named_secrets(dev_secrets.generate_all())


def test_parts_that_share_a_secret_have_the_same_value(named: dict[str, str]) -> None:
    assert named["GATEWAY_DATABASE_URL"] == (
        f"postgresql://gateway:{named['GATEWAY_DATABASE_PASSWORD']}@postgres:5432/merchant_sync"
    )
    assert f"operator:{named['OPERATOR_INTERNAL_KEY']}" in named["INTERNAL_KEYS"].split(",")


def test_no_two_parts_have_a_key_in_common(named: dict[str, str]) -> None:
    keys = [value for name, value in named.items() if name.endswith("_INTERNAL_KEY")]

    assert len(set(keys)) == len(keys) == 5


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("scheduler", {"DATABASE_URL", "INTERNAL_KEY", "INTERNAL_KEYS"}),
        ("spaces-writer", {"DATABASE_URL", "SPACES_ACCESS_KEY", "SPACES_SECRET_KEY"}),
        ("shopify-fetcher", {"INTERNAL_KEY"}),
        ("facebook-fetcher", {"INTERNAL_KEY", "FACEBOOK_APP_SECRET"}),
        ("sandbox", {"SHOPIFY_API_KEY", "SHOPIFY_API_SECRET", "FACEBOOK_APP_ID", "FACEBOOK_APP_SECRET"}),
    ],
)
def test_a_part_gets_the_secrets_that_it_may_know(named: dict[str, str], part: str, expected: set[str]) -> None:
    assert deployment.select_for_part(part, named, with_sandbox=True).keys() == expected


def test_on_real_platforms_none_of_their_secrets_is_generated(named: dict[str, str]) -> None:
    given = {
        name
        for part in deployment.SECRETS_BY_PART
        for name in deployment.select_for_part(part, named, with_sandbox=False)
    }

    assert not [name for name in given if name.startswith(("SHOPIFY_API", "FACEBOOK_", "SPACES_ACCESS", "SPACES_SEC"))]
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
