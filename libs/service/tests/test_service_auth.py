"""INTERNAL_KEYS: which values are refused with which message, and which caller a header identifies."""

import pytest

from service.service_auth import CallerKeys, identify_caller, parse_keys
from service.settings import Settings

GATEWAY, SCHEDULER = "g" * 16, "s" * 20
KEYS = {"gateway": GATEWAY, "scheduler": SCHEDULER}


class ExampleSettings(Settings):
    internal_keys: CallerKeys


def test_keys_are_parsed_by_name() -> None:
    assert parse_keys(f" gateway : {GATEWAY} ,scheduler:{SCHEDULER}") == KEYS
    assert parse_keys(f"gateway:{GATEWAY[1:]}:") == {"gateway": f"{GATEWAY[1:]}:"}


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        ("", "pair 1 is not name:key; write name:key"),
        (GATEWAY, "pair 1 is not name:key"),
        (f":{GATEWAY}", "pair 1 is not name:key"),
        (f"gateway:{GATEWAY},", "pair 2 is not name:key"),
        (f"gateway:{GATEWAY},scheduler: ", "pair 2 is not name:key"),
        (f"gateway:{GATEWAY[1:]}", "the key of gateway is too short; give it at least 16 characters"),
        (f"gateway: {GATEWAY[1:]} ", "the key of gateway is too short"),
        (f"gateway:{GATEWAY},gateway:{SCHEDULER}", "gateway comes twice"),
        (f"gateway:{GATEWAY},scheduler:{GATEWAY}", "the key of scheduler is another caller's too"),
    ],
)
def test_an_incomplete_value_is_refused_with_a_message_that_shows_no_key(value: str, advice: str) -> None:
    with pytest.raises(ValueError, match=advice) as refused:
        parse_keys(value)
    assert GATEWAY[1:] not in str(refused.value)


def test_the_setting_is_read_from_the_environment_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERNAL_KEYS", f"gateway:{GATEWAY},scheduler:{SCHEDULER}")
    settings = ExampleSettings(_env_file=None)
    assert settings.internal_keys == KEYS
    assert GATEWAY not in repr(settings)


def test_a_caller_is_identified_by_its_key() -> None:
    assert identify_caller(KEYS, f"Bearer {GATEWAY}") == "gateway"
    assert identify_caller(KEYS, f"bearer  {SCHEDULER} ") == "scheduler"


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", f"Basic {GATEWAY}", GATEWAY, f"Bearer {GATEWAY}x", "Bearer \udcff", "ü ü"]
)
def test_any_other_header_identifies_nobody(header: str | None) -> None:
    assert identify_caller(KEYS, header) is None
