"""INTERNAL_KEY_HASHES: which values are refused with which message, and which caller a header identifies."""

from hashlib import sha256

import pytest

from service.service_auth import CallersByHash, identify_caller, parse_key_hashes
from service.settings import Settings

GATEWAY, SCHEDULER, NEXT = "g" * 32, "s" * 40, "n" * 32


def hash_key(key: str) -> str:
    return sha256(key.encode()).hexdigest()


VALUE = f"gateway:{hash_key(GATEWAY)},scheduler:{hash_key(SCHEDULER)}"
CALLERS = {hash_key(GATEWAY): "gateway", hash_key(SCHEDULER): "scheduler"}


class ExampleSettings(Settings):
    internal_key_hashes: CallersByHash


def test_callers_are_parsed_by_hash() -> None:
    assert parse_key_hashes(VALUE.replace(",", " , ").replace(":", " : ")) == CALLERS


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        ("", "pair 1 is not caller:hash; write caller:hash"),
        (GATEWAY, "pair 1 is not caller:hash"),
        (f":{hash_key(GATEWAY)}", "pair 1 is not caller:hash"),
        (f"{VALUE},", "pair 3 is not caller:hash"),
        (f"gateway:{hash_key(GATEWAY)},scheduler: ", "pair 2 is not caller:hash"),
        (f"gateway:{GATEWAY}", "what is given for gateway is not a hash"),
        (f"gateway:{hash_key(GATEWAY).upper()}", "is not a hash; give the SHA-256 of its key in lower-case hex"),
        (f"{VALUE},operator:{hash_key(GATEWAY)}", "the key of operator comes twice"),
        (f"{VALUE},gateway:{hash_key(GATEWAY)}", "the key of gateway comes twice"),
    ],
)
def test_an_incomplete_value_is_refused_with_a_message_that_shows_no_key(value: str, advice: str) -> None:
    with pytest.raises(ValueError, match=advice) as refused:
        parse_key_hashes(value)
    assert GATEWAY not in str(refused.value) and hash_key(GATEWAY) not in str(refused.value)


def test_the_setting_is_read_from_the_environment_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERNAL_KEY_HASHES", VALUE)
    settings = ExampleSettings(_env_file=None)
    assert settings.internal_key_hashes == CALLERS
    assert hash_key(GATEWAY) not in repr(settings)


def test_a_caller_is_identified_by_its_key() -> None:
    assert identify_caller(CALLERS, f"Bearer {GATEWAY}") == "gateway"
    assert identify_caller(CALLERS, f"bearer  {SCHEDULER} ") == "scheduler"


def test_what_a_service_knows_of_a_key_identifies_nobody() -> None:
    for known in (*CALLERS, VALUE, *VALUE.split(",")):
        assert identify_caller(CALLERS, f"Bearer {known}") is None


def test_two_keys_of_a_caller_are_valid_at_a_time_while_one_replaces_the_other() -> None:
    during = parse_key_hashes(f"{VALUE},gateway:{hash_key(NEXT)}")
    afterwards = parse_key_hashes(f"scheduler:{hash_key(SCHEDULER)},gateway:{hash_key(NEXT)}")
    assert [identify_caller(during, f"Bearer {key}") for key in (GATEWAY, NEXT)] == ["gateway", "gateway"]
    assert [identify_caller(afterwards, f"Bearer {key}") for key in (GATEWAY, NEXT)] == [None, "gateway"]


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", f"Basic {GATEWAY}", GATEWAY, f"Bearer {GATEWAY}x", "Bearer \udcff", "ü ü"]
)
def test_any_other_header_identifies_nobody(header: str | None) -> None:
    assert identify_caller(CALLERS, header) is None
