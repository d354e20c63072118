"""Which hosts may be called, and which never."""

from ipaddress import ip_address, ip_network

import pytest
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from platform_sdk.public_addresses import (
    AddressRefusedError,
    AddressRules,
    AllowedHost,
    is_public,
    parse_allowed_host,
)
from platform_sdk.settings import AllowedHosts

PUBLIC = ip_address("203.0.114.7")
PRIVATE = ip_address("10.0.0.5")


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254"),
        *("100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1"),
        *("64:ff9b::a9fe:a9fe", "fe80::1", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1"),
        *("2002:7f00:1::", "2001:0:7f00:1::", "64:ff9b:1::1", "100::1", "4000::1"),
    ],
)
def test_an_address_that_is_not_of_the_internet_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "203.0.114.7", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(ip_address(address))


def test_one_private_address_of_several_is_enough_to_refuse_a_host() -> None:
    with pytest.raises(AddressRefusedError, match=r"^half\.example has no public address$"):
        AddressRules().check("half.example", 443, [PUBLIC, PRIVATE], is_encrypted=True)


def test_a_public_host_is_called_with_https_only() -> None:
    AddressRules().check("shop.example", 443, [PUBLIC], is_encrypted=True)
    with pytest.raises(AddressRefusedError, match=r"^shop\.example must be called with https$"):
        AddressRules().check("shop.example", 80, [PUBLIC], is_encrypted=False)


def test_what_is_in_a_private_network_of_the_operator_is_called_without_encryption_too() -> None:
    rules = AddressRules([ip_network("10.0.0.0/24")])
    rules.check("db.example", 80, [PRIVATE], is_encrypted=False)
    with pytest.raises(AddressRefusedError):
        rules.check("db.example", 80, [ip_address("10.0.1.5")], is_encrypted=False)


@pytest.mark.parametrize("address", [PUBLIC, PRIVATE, ip_address("::1")])
def test_an_allowed_host_is_called_wherever_it_is_and_without_encryption_too(address: object) -> None:
    rules = AddressRules(allowed_hosts=[AllowedHost("db.internal")])
    for port in (80, 8080):
        rules.check("DB.Internal.", port, [ip_address(str(address))], is_encrypted=False)


@pytest.mark.parametrize(
    ("host", "port"), [("db.internal", 8081), ("sub.db.internal", 8080), ("10.0.0.5", 8080), ("db.internal.evil", 8080)]
)
def test_an_allowed_host_allows_no_other_port_and_no_other_name(host: str, port: int) -> None:
    rules = AddressRules(allowed_hosts=[AllowedHost("db.internal", 8080)])
    rules.check("db.internal", 8080, [PRIVATE], is_encrypted=False)
    with pytest.raises(AddressRefusedError):
        rules.check(host, port, [PRIVATE], is_encrypted=True)


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("127.0.0.1:8080", AllowedHost("127.0.0.1", 8080)),
        ("db.internal", AllowedHost("db.internal")),
        ("DB.Internal.", AllowedHost("db.internal")),
        ("[::1]:8080", AllowedHost("::1", 8080)),
        ("[::1]", AllowedHost("::1")),
        ("http://sandbox:8090", AllowedHost("sandbox", 8090)),
        ("https://db.internal/", AllowedHost("db.internal")),
    ],
)
def test_an_allowed_host_is_a_host_with_or_without_a_port(text: str, parsed: AllowedHost) -> None:
    assert parse_allowed_host(text) == parsed


def test_a_setting_lists_allowed_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    class HostSettings(BaseSettings):
        some_allowed_hosts: AllowedHosts = ()

    assert HostSettings().some_allowed_hosts == ()
    monkeypatch.setenv("SOME_ALLOWED_HOSTS", "127.0.0.1:8080, db.internal")
    assert HostSettings().some_allowed_hosts == (AllowedHost("127.0.0.1", 8080), AllowedHost("db.internal"))
    monkeypatch.setenv("SOME_ALLOWED_HOSTS", "db.internal,10.0.0.0/8")
    with pytest.raises(ValidationError, match=r"'10\.0\.0\.0/8' must be a host or host:port"):
        HostSettings()


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            ":80",
            "host:",
            "host:port",
            "host:99999",
            "ftp://host",
            "http://",
            "host/path",
            "http://host/path",
            "user@host",
            "a b",
            "host?x",
        ),
        *("::1", "[::1", "*", "*.internal", "10.0.0.0/8"),
    ],
)
def test_anything_else_is_no_allowed_host(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be a host or host:port"):
        parse_allowed_host(text)
