"""A missing or malformed setting stops the service by name."""

from typing import Any

import pytest

from phpmyadmin_fetcher.settings import PhpMyAdminFetcherSettings
from platforms.known_settings import list_known_settings
from service.settings import load_settings

GIVEN = {
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092",
    "GATEWAY_INTERNAL_URL": "http://127.0.0.1:5001",
    "GATEWAY_KEY": "k" * 32,
}


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Any:
    """Reads the settings of an environment with these in it."""

    def load_with(**settings: str) -> PhpMyAdminFetcherSettings:
        monkeypatch.chdir(tmp_path)
        for name, value in {**GIVEN, **settings}.items():
            monkeypatch.setenv(name, value)
        return load_settings(PhpMyAdminFetcherSettings, list_known_settings())

    return load_with


def test_nothing_but_what_every_fetcher_has_is_required(load: Any) -> None:
    settings = load()
    assert settings.phpmyadmin_allowed_hosts == ()
    assert settings.phpmyadmin_rows_per_second == 10_000
    assert settings.phpmyadmin_max_bytes == 256 * 1024 * 1024


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PHPMYADMIN_ROWS_PER_SECOND", "0"),
        ("PHPMYADMIN_ROWS_PER_SECOND", "many"),
        ("PHPMYADMIN_MAX_BYTES", "1000"),
        ("PHPMYADMIN_ALLOWED_HOSTS", "https://db.example.com/x"),
    ],
)
def test_a_malformed_setting_is_named(load: Any, capsys: Any, name: str, value: str) -> None:
    with pytest.raises(SystemExit):
        load(**{name: value})
    assert name in capsys.readouterr().err
