"""The settings of the data API: the operator's own keys, and what is refused by name."""

from base64 import b64encode
from hashlib import sha256
from ipaddress import ip_network
from typing import Any

import pytest
from pydantic import ValidationError

from data_api.operator_keys import OperatorKey
from data_api.settings import DataApiSettings

REQUIRED = {
    "kafka_bootstrap_servers": "localhost:9092",
    "database_url": "postgresql://data_api@localhost/merchant_sync",
    "gateway_internal_url": "http://localhost:5001",
    "gateway_key": "g" * 32,
    "spaces_access_key": "an access key",
    "spaces_secret_key": "a secret key",
    "spaces_bucket": "documents",
    "endpoint_encryption_keys": f"k1:{b64encode(bytes(32)).decode()}",
}
FIRST, SECOND = "first-key-of-an-operator-0001", "second-key-of-an-operator-002"


def make_settings(**more: Any) -> DataApiSettings:
    return DataApiSettings(_env_file=None, **{**REQUIRED, **more})


def test_operator_keys_are_kept_as_hashes_with_the_connections_that_they_name() -> None:
    settings = make_settings(data_api_keys=f"bot:{FIRST}  site:{SECOND}:shop-platform:acme.example,other:1029")

    assert settings.data_api_keys == (
        OperatorKey("bot", sha256(FIRST.encode()).hexdigest(), frozenset()),
        OperatorKey(
            "site", sha256(SECOND.encode()).hexdigest(), frozenset({"shop-platform:acme.example", "other:1029"})
        ),
    )
    assert FIRST not in repr(settings)
    assert make_settings().data_api_keys == ()


@pytest.mark.parametrize(
    "value",
    [
        FIRST,
        f":{FIRST}",
        "bot:",
        "bot:of-23-characters-and-no",
        f"bot:{FIRST}:",
        f"bot:{FIRST}:acme.example",
        f"bot:{FIRST}:shop-platform:acme.example,",
        f"bot:{FIRST} bot:{SECOND}",
        f"bot:{FIRST} site:{FIRST}",
    ],
)
def test_malformed_operator_keys_are_refused_without_showing_them(value: str) -> None:
    with pytest.raises(ValidationError) as raised:
        make_settings(data_api_keys=value)
    assert [error["loc"] for error in raised.value.errors()] == [("data_api_keys",)]
    assert FIRST not in str(raised.value) and "of-23-characters" not in str(raised.value)


def test_the_bucket_is_by_default_at_the_region_of_spaces() -> None:
    assert make_settings(spaces_region="fra1").spaces_endpoint_url == "https://fra1.digitaloceanspaces.com"


def test_production_says_which_proxies_are_in_front_of_the_public_port() -> None:
    with pytest.raises(ValueError, match="production needs the networks of the proxies"):
        make_settings(merchant_sync_env="production")
    assert make_settings(merchant_sync_env="production", trusted_proxies="none").trusted_proxies == ()


def test_private_networks_are_none_unless_they_are_named() -> None:
    assert make_settings().endpoint_private_networks == ()
    named = make_settings(endpoint_private_networks="10.20.0.0/16, fd00::/8")
    assert named.endpoint_private_networks == (ip_network("10.20.0.0/16"), ip_network("fd00::/8"))
    with pytest.raises(ValidationError, match="must be networks such as"):
        make_settings(endpoint_private_networks="10.20.0.1/16")
