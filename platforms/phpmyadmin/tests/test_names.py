"""Names of tables and ids of rows: no two share one, and each leads back to what it names."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from platforms.phpmyadmin.manifest import MANIFEST
from platforms.phpmyadmin.names import (
    ACCOUNT,
    MAX_CHARACTERS,
    TableName,
    build_table_names,
    escape,
    join_id,
    parse_account,
    split_id,
    unescape,
)
from platforms.phpmyadmin.tests.tables import NAMES

TEXTS = st.text(max_size=12) | NAMES | st.sampled_from(["", ".", "..", "...", "~", "~41", ",", "/", "%2F", ":", "a.b"])
HOSTS = st.sampled_from(["db.example.com", "localhost", "10.0.0.1", "::1", "2001:db8::1", "xn--mnchen-3ya.de"])
TABLE_NAMES = st.builds(
    TableName,
    host=HOSTS,
    port=st.none() | st.integers(1, 65535),
    path=st.lists(TEXTS, max_size=2).map(tuple),
    server=st.integers(1, 99).map(str),
    database=TEXTS,
    table=TEXTS,
)


def name_one(url: str, database: str = "shop", table: str = "orders", server: str = "1") -> str:
    (account,) = build_table_names(url, server, database, [table])
    return account


@given(TEXTS)
def test_every_text_comes_back_from_its_escaped_form(text: str) -> None:
    assert unescape(escape(text)) == text


@given(TEXTS)
def test_an_escaped_text_needs_no_escape_in_a_url_and_is_no_folder(text: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9._~-]+", escape(text))
    assert set(escape(text)) != {"."}


@given(st.text(alphabet="~.,aAfF0149é", max_size=8))
def test_only_what_escape_has_written_is_unescaped(text: str) -> None:
    try:
        plain = unescape(text)
    except ValueError:
        return
    assert escape(plain) == text


@given(TABLE_NAMES, TABLE_NAMES)
def test_two_tables_never_share_an_account(one: TableName, other: TableName) -> None:
    assert (one.account == other.account) == (one == other)


@given(TABLE_NAMES)
def test_an_account_leads_back_to_its_table_and_is_one_of_the_manifests(name: TableName) -> None:
    assume(len(name.account) <= MAX_CHARACTERS)
    assert parse_account(name.account) == name
    assert re.fullmatch(ACCOUNT, name.account)
    assert MANIFEST.build_object_key(name.account) == f"phpmyadmin/{name.account}.json"


@given(HOSTS, st.integers(1, 65535), st.lists(NAMES, max_size=3, unique=True), NAMES)
def test_named_tables_have_accounts_that_the_manifest_accepts(
    host: str, port: int, tables: list[str], database: str
) -> None:
    netloc = f"[{host}]" if ":" in host else host
    named = build_table_names(f"https://{netloc}:{port}/db/phpmyadmin", "1", database, tables)
    assert [name.table for name in named.values()] == tables
    for account, name in named.items():
        if len(account) <= MAX_CHARACTERS:
            assert parse_account(account) == name
            assert MANIFEST.build_object_key(account)


@pytest.mark.parametrize(
    ("url", "account"),
    [
        ("https://db.example.com", "db.example.com/1/shop/orders"),
        ("https://db.example.com:443/", "db.example.com/1/shop/orders"),
        ("https://db.example.com:8443", "db.example.com:8443/1/shop/orders"),
        ("http://db.example.com", "db.example.com:80/1/shop/orders"),
        ("http://db.example.com:443", "db.example.com:443/1/shop/orders"),
        ("https://db.example.com/a/b", "db.example.com/a/b/1/shop/orders"),
        ("https://db.example.com/a%20b", "db.example.com/a~20b/1/shop/orders"),
        ("https://db.example.com/a b", "db.example.com/a~20b/1/shop/orders"),
        ("https://db.example.com/..", "db.example.com/~2E~2E/1/shop/orders"),
        ("https://[2001:db8::1]:81", "2001~3Adb8~3A~3A1:81/1/shop/orders"),
    ],
)
def test_an_account_has_the_parts_of_the_address(url: str, account: str) -> None:
    assert name_one(url) == account
    assert parse_account(account).account == account


def test_a_slash_in_a_name_is_no_part_of_its_own() -> None:
    assert name_one("https://h", "a/b", "c") == "h/1/a~2Fb/c"
    assert name_one("https://h", "a", "b/c") == "h/1/a/b~2Fc"


def test_names_differ_by_case() -> None:
    assert name_one("https://h", table="Orders") != name_one("https://h", table="orders")


def test_a_name_of_the_greatest_length_is_accepted_and_a_longer_one_is_not() -> None:
    longest = name_one("https://h", table="a" * (MAX_CHARACTERS - len("h/1/shop/")))
    assert len(longest) == MAX_CHARACTERS
    assert parse_account(longest).account == longest
    for refuse in (parse_account, MANIFEST.build_object_key):
        with pytest.raises(ValueError, match="not the name"):
            refuse(f"{longest}a")


@pytest.mark.parametrize(
    "account",
    [
        "",
        "h",
        "h/1/shop",
        "h//1/shop/orders",
        "h/1/shop/",
        "/1/shop/orders",
        "h/1/../orders",
        "h/../1/shop/orders",
        "h/1/./orders",
        "h/1/shop/orders\n",
        "h/1/shop/or ders",
        "h/1/shop/~zz",
        "h/1/shop/~4",
        "h/1/shop/~41",
        "h/1/shop/~c3~a4",
        "h/1/shop/~FF",
        "h:/1/shop/orders",
        "h:80:80/1/shop/orders",
        "h:080/1/shop/orders",
        "h:0/1/shop/orders",
        "h:99999/1/shop/orders",
    ],
)
def test_no_other_text_names_a_table(account: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_account(account)


@given(st.text(alphabet="ab./:~12 %?#\\", max_size=30))
def test_the_manifest_accepts_no_path_out_of_its_folder(account: str) -> None:
    try:
        key = MANIFEST.build_object_key(account)
    except ValueError:
        return
    assert {"", ".", ".."}.isdisjoint(key.split("/"))


@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_the_values_of_a_key_come_back_from_the_id_of_its_row(values: list[str]) -> None:
    assert split_id(join_id(values)) == tuple(values)


@given(st.lists(TEXTS, min_size=1, max_size=3), st.lists(TEXTS, min_size=1, max_size=3))
def test_two_keys_never_share_an_id(one: list[str], other: list[str]) -> None:
    assert (join_id(one) == join_id(other)) == (one == other)


@pytest.mark.parametrize("text", ["", "a,", ",", "a b", "~4", "~FF", "~~", "é", "a/b"])
def test_no_other_text_is_the_id_of_a_row(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        split_id(text)
