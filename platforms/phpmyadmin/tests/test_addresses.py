"""Addresses of phpMyAdmins as people copy them from their browser."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_sdk.public_addresses import MalformedAddressError
from platforms.phpmyadmin.addresses import parse_address
from platforms.phpmyadmin.names import build_table_names


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("db.example.com", "https://db.example.com"),
        ("db.example.com/phpmyadmin/", "https://db.example.com/phpmyadmin"),
        (" https://DB.Example.com/phpMyAdmin/index.php?route=/&server=2#x ", "https://db.example.com/phpMyAdmin"),
        ("https://db.example.com/index.php", "https://db.example.com"),
        ("https://db.example.com//a//b/", "https://db.example.com/a/b"),
        ("db.example.com:8443", "https://db.example.com:8443"),
        ("HTTP://localhost:8080/pma/sql.php?db=a", "http://localhost:8080/pma"),
        ("http://[2001:DB8::1]:81/x", "http://[2001:db8::1]:81/x"),
    ],
)
def test_an_address_loses_what_belongs_to_a_page(text: str, address: str) -> None:
    assert parse_address(text) == address
    assert parse_address(address) == address


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "https://",
            "ftp://db.example.com",
            "javascript:alert(1)",
            "file:///etc",
            "https:///a",
            "https://h:99999",
        ),
        *("https://[", "https://[::1", "https://h:a", "https://" + "a" * 500, "http://[x]/"),
    ],
)
def test_another_text_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(MalformedAddressError, match="write the address at which you sign in"):
        parse_address(text)


@pytest.mark.parametrize(
    "text", ["https://me:secret@db.example.com", "me@db.example.com", "https://@h", "https://:x@h/"]
)
def test_a_user_or_a_password_in_an_address_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(MalformedAddressError, match="no user and no password") as raised:
        parse_address(text)
    assert "secret" not in str(raised.value)


@given(st.text(max_size=40) | st.text(alphabet="htps:/[]@.%a1?#\\ ", max_size=30))
def test_any_text_is_an_address_that_names_tables_or_is_refused(text: str) -> None:
    try:
        address = parse_address(text)
    except MalformedAddressError:
        return
    assert parse_address(address) == address
    assert build_table_names(address, "1", "shop", ["orders"])
