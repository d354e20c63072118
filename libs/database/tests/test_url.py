"""DATABASE_URL: a malformed one, or one with unreadable files, is refused without showing its password."""

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
def test_a_valid_url_is_returned_unchanged(url: str) -> None:
    assert validate_url(url) == url


@pytest.mark.parametrize(
    ("query", "message"),
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
def test_a_wrong_parameter_is_named(query: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        validate_url(f"{BASE}?{query}")


def test_certificate_files_are_read(tmp_path: Path) -> None:
    authority, text_file = Authority(tmp_path, "server"), tmp_path / "text.pem"
    pair, other = authority.sign("me"), authority.sign("other")
    text_file.write_text("nothing of the kind")
    url = f"{BASE}?sslmode=verify-full&sslrootcert={authority.ca}&sslcert={pair.cert}&sslkey="
    assert validate_url(f"{url}{pair.key}")
    with pytest.raises(ValueError, match=r"sslcert, sslkey: .* are no certificate and its key"):
        validate_url(f"{url}{other.key}")
    with pytest.raises(ValueError, match=r"sslrootcert: .*text\.pem holds no certificate"):
        validate_url(f"{BASE}?sslmode=require&sslrootcert={text_file}")


@pytest.mark.parametrize("password", ["se/cret", "se?cr=et", "se#cret", "12/cret", "12?cr=et", "[cret", "se:cr@et:cr"])
def test_a_password_that_is_not_percent_encoded_is_not_shown(password: str) -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(DatabaseUrl).validate_python(f"postgresql://me:{password}@db:5x32/merchants")
    message = refused.value.errors(include_input=False, include_context=False)[0]["msg"]
    assert "must be postgresql://user:password@host:port/database" in message
    assert "cr" not in message


def test_the_setting_does_not_show_the_password() -> None:
    assert "mine" not in repr(TypeAdapter(DatabaseUrl).validate_python(BASE))
