import pytest

from platform_sdk.public_addresses import MalformedAddressError
from platforms.odoo.addresses import parse_address
from platforms.odoo.manifest import MANIFEST
from platforms.odoo.names import MAX_CHARACTERS, build_database_name, parse_account


@pytest.mark.parametrize(
    ("url", "account"),
    [
        ("https://acme.odoo.com", "acme.odoo.com/shop"),
        ("https://odoo.example.com:443", "odoo.example.com/shop"),
        ("https://odoo.example.com:8069", "odoo.example.com:8069/shop"),
        ("http://odoo.example.com", "odoo.example.com:80/shop"),
        ("http://127.0.0.1:8069", "127.0.0.1:8069/shop"),
        ("https://[2001:db8::1]:81", "2001~3Adb8~3A~3A1:81/shop"),
    ],
)
def test_an_account_has_host_port_and_database(url: str, account: str) -> None:
    name = build_database_name(url, "shop")
    assert name.account == account
    assert parse_account(account) == name


def test_the_snapshot_is_beside_no_other_one() -> None:
    assert MANIFEST.build_object_key("acme.odoo.com/shop") == "odoo/acme.odoo.com/shop/odoo_data.json"


def test_names_of_databases_differ_by_case() -> None:
    assert build_database_name("https://h", "Shop") != build_database_name("https://h", "shop")


def test_a_name_of_the_greatest_length_is_accepted_and_a_longer_one_is_not() -> None:
    longest = build_database_name("https://h", "a" * (MAX_CHARACTERS - 2)).account
    assert parse_account(longest).account == longest
    with pytest.raises(ValueError, match="more than 200"):
        build_database_name("https://h", "a" * (MAX_CHARACTERS - 1))
    for refuse in (parse_account, MANIFEST.build_object_key):
        with pytest.raises(ValueError, match="not the name"):
            refuse(f"{longest}a")


@pytest.mark.parametrize("database", ["", "a b", "a/b", "..", "-a", "ä", "a\n"])
def test_a_database_with_another_name_is_refused(database: str) -> None:
    with pytest.raises(ValueError, match="a database has letters"):
        build_database_name("https://h", database)


@pytest.mark.parametrize(
    "account", ["", "h", "h/", "/shop", "h/a/b", "h:0/a", "h:99999/a", "H/a", "~zz/a", "../a", "h/.."]
)
def test_what_names_no_database_is_refused(account: str) -> None:
    with pytest.raises(ValueError, match="not the name"):
        parse_account(account)
    with pytest.raises(ValueError, match="not the name"):
        parse_account(f"{account}\n")


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("acme.odoo.com", "https://acme.odoo.com"),
        (" https://Acme.odoo.com/odoo/action-123?debug=1#x ", "https://acme.odoo.com"),
        ("http://localhost:8069/web/login", "http://localhost:8069"),
        ("https://[2001:db8::1]:81/", "https://[2001:db8::1]:81"),
    ],
)
def test_an_address_is_taken_from_any_page(written: str, address: str) -> None:
    assert parse_address(written) == address


@pytest.mark.parametrize(
    "written", ["", "ftp://h", "https://", "https://a b", "https://u:p@h", "https://h:x", "h" * 600]
)
def test_what_is_no_address_is_refused(written: str) -> None:
    with pytest.raises(MalformedAddressError):
        parse_address(written)
