"""Logins and the options of tables come back from a fetcher's token, and a password is shown nowhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.phpmyadmin.logins import PhpMyAdminLogin, TableOptions, decode_login, decode_token, encode_token

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
LOGINS = st.builds(PhpMyAdminLogin, TEXTS, TEXTS, TEXTS, TEXTS, TEXTS)
OPTIONS = st.builds(TableOptions, st.lists(TEXTS, max_size=3).map(tuple), TEXTS)


@given(LOGINS, OPTIONS)
def test_a_token_has_the_login_and_the_options_of_a_table(login: PhpMyAdminLogin, options: TableOptions) -> None:
    assert decode_token(encode_token(login, options)) == (login, options)
    assert decode_login(login.encode()) == login


@given(LOGINS)
def test_a_login_has_one_text(login: PhpMyAdminLogin) -> None:
    assert decode_login(login.encode()).encode() == login.encode()


def test_a_password_is_not_shown() -> None:
    login = PhpMyAdminLogin("https://db.example.com", "reader", "the-password", "1", "shop")
    assert "the-password" not in repr(login) and "the-password" not in f"{login}"


@pytest.mark.parametrize("token", ["", "the-password", '["the-password"]', "{}"])
def test_another_text_is_refused_without_it(token: str) -> None:
    with pytest.raises(ValueError, match="not made of") as raised:
        decode_token(token)
    assert "the-password" not in str(raised.value)
