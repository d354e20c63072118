"""A service's DATABASE_URL: what is no address, or names what is not there, is refused without a word of its secret."""

from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from certificates import Authority
from database.url import DatabaseUrl, validate_url

BASE = "postgresql://me:mine@db:5432/merchants"


@pytest.mark.parametrize(
    "url",
    [
        BASE,
        BASE + "?sslmode=require",
        "postgres://me:m%40%2F%3Fne@db/merchants",
        "postgresql://me:mine@one:5432,two:5433/merchants?target_session_attrs=primary",
        "postgresql://me:mine@[::1]:5432/merchants",
        "postgresql:///merchants?host=/run/postgresql",
        BASE + "?sslmode=verify-full&sslrootcert=system",
    ],
)
def test_what_asyncpg_understands_is_left_as_it_is(url: str) -> None:
    assert validate_url(url) == url


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("sslmode=verify_full", "sslmode=verify_full: must be one of disable, allow, prefer, require, verify-ca"),
        ("sslmodus=require", "has sslmodus in its query, where there may be sslmode"),
        ("ssl=true", "has ssl in its query"),
        ("sslmode", "must be postgresql://"),
        ("sslmode=verify-full", "sslmode=verify-full: needs sslrootcert"),
        ("sslmode=require&sslrootcert=system", "sslrootcert=system: must go with sslmode=verify-full"),
        ("sslmode=require&sslrootcert=/gone.pem", "sslrootcert: /gone.pem cannot be read: No such file"),
        ("sslmode=require&sslcert=/gone.crt", "sslcert and sslkey: must be given together"),
        ("sslmode=require&sslcert=/gone.crt&sslkey=/gone.key", "sslcert, sslkey: /gone.crt cannot be read"),
    ],
)
def test_a_word_that_is_none_is_named(words: str, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("?", r"\?")):
        validate_url(f"{BASE}?{words}")


def test_files_are_what_they_are_to_be(tmp_path: Path) -> None:
    authority, none = Authority(tmp_path, "server"), tmp_path / "none.pem"
    pair, other = authority.sign("me"), authority.sign("other")
    none.write_text("nothing of the kind")
    words = f"{BASE}?sslmode=verify-full&sslrootcert={authority.ca}&sslcert={pair.cert}&sslkey="
    assert validate_url(f"{words}{pair.key}")
    with pytest.raises(ValueError, match=r"sslcert, sslkey: .* are no certificate and its key"):
        validate_url(f"{words}{other.key}")
    with pytest.raises(ValueError, match=r"sslrootcert: .*none\.pem holds no certificate"):
        validate_url(f"{BASE}?sslmode=require&sslrootcert={none}")


@pytest.mark.parametrize("password", ["se/cret", "se?cr=et", "se#cret", "12/cret", "12?cr=et", "[cret", "se:cr@et:cr"])
def test_a_password_that_was_not_written_by_its_codes_is_not_repeated(password: str) -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(DatabaseUrl).validate_python(f"postgresql://me:{password}@db:5x32/merchants")
    said = refused.value.errors(include_input=False, include_context=False)[0]["msg"]
    assert "must be postgresql://user:password@host:port/database" in said
    assert "cr" not in said


def test_the_setting_shows_nothing(tmp_path: Path) -> None:
    assert "mine" not in repr(TypeAdapter(DatabaseUrl).validate_python(BASE))
