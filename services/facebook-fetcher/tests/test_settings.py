"""A missing or malformed setting stops the load_with by name."""

from typing import Any

import pytest

from facebook_fetcher.settings import FacebookFetcherSettings
from platforms.known_settings import list_known_settings
from service.settings import load_settings

GIVEN = {
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092",
    "GATEWAY_INTERNAL_URL": "http://127.0.0.1:5001",
    "GATEWAY_KEY": "k" * 32,
    "FACEBOOK_APP_SECRET": "the-secret",
}


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Any:
    """Reads the settings of an environment with these in it."""

    def load_with(**settings: str) -> FacebookFetcherSettings:
        monkeypatch.chdir(tmp_path)
        for name, value in {**GIVEN, **settings}.items():
            monkeypatch.setenv(name, value)
        return load_settings(FacebookFetcherSettings, list_known_settings())

    return load_with


def test_the_defaults_are_metas_own_graph_and_the_pages_document(load: Any) -> None:
    settings = load()
    assert (settings.facebook_graph_url, settings.facebook_api_version) == ("https://graph.facebook.com", "v25.0")
    assert len(settings.facebook_page_fields) == 22


def test_fields_are_a_list_and_an_address_ends_without_a_slash(load: Any) -> None:
    settings = load(FACEBOOK_PAGE_FIELDS="name,picture{url}", FACEBOOK_GRAPH_URL="http://127.0.0.1:9/graph/")
    assert [field.text for field in settings.facebook_page_fields] == ["id", "name", "picture{url}"]
    assert settings.facebook_graph_url == "http://127.0.0.1:9/graph"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FACEBOOK_APP_SECRET", ""),
        ("FACEBOOK_API_VERSION", "25"),
        ("FACEBOOK_GRAPH_URL", "graph.facebook.com"),
        ("FACEBOOK_GRAPH_URL", "https://graph.facebook.com?x=1"),
        ("FACEBOOK_PAGE_FIELDS", "name,picture{url"),
        ("FACEBOOK_PAGE_FIELDS", "access_token"),
    ],
)
def test_a_malformed_setting_is_named(load: Any, capsys: Any, name: str, value: str) -> None:
    with pytest.raises(SystemExit):
        load(**{name: value})
    assert name in capsys.readouterr().err


def test_the_secret_is_not_shown(load: Any) -> None:
    assert "the-secret" not in repr(load())
