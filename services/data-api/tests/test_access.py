"""Who a key belongs to, and which connections it shows."""

from typing import Any
from uuid import uuid4

import pytest

from api_builders import (
    ACME,
    KEY,
    NOW_MS,
    OPERATOR_KEY,
    OTHER,
    make_access,
    make_connection,
    make_key,
    make_keys,
    make_operator_key,
    make_state,
)
from data_api.access import AccessControl, ApiCaller


def identify(access: AccessControl, key: str = KEY) -> ApiCaller:
    caller = access.identify(key)
    assert caller is not None
    return caller


def list_names(access: AccessControl, caller: ApiCaller) -> list[str]:
    return [state.connection for state in access.list_visible(caller)]


def test_a_key_shows_its_own_connection_alone() -> None:
    access = make_access(make_state(make_connection(), make_connection(OTHER)))
    caller = identify(access)
    assert (caller.label, caller.scopes) == (KEY[:8], {"read", "refresh"})
    assert list_names(access, caller) == [ACME]
    assert access.get_visible(caller, OTHER) is None
    assert access.get_visible(caller, "shop-platform:nobody.example") is None


@pytest.mark.parametrize(
    "change",
    [{"epoch": 2}, {"merchant": uuid4()}, {"merchant": None}, {"state": "uninstalled"}, {"state": "redacted"}],
)
def test_a_key_shows_nothing_once_its_connection_has_moved_or_ended(change: dict[str, Any]) -> None:
    state = make_state()
    access = make_access(state)
    caller, seen = identify(access), make_connection()
    assert access.is_still_visible(caller, seen)
    state.apply_connection(make_connection(revision=2, **change))
    assert list_names(access, identify(access)) == []
    assert not access.is_still_visible(caller, seen)


def test_a_connection_that_must_be_authorized_again_is_still_shown() -> None:
    access = make_access(make_state(make_connection(state="reauthorise")))
    assert list_names(access, identify(access)) == [ACME]


def test_a_revoked_or_expired_key_is_unknown() -> None:
    state = make_state()
    access = make_access(state)
    caller = identify(access)
    state.apply_keys(make_keys(make_key(expires_at=NOW_MS), revision=2))
    assert access.identify(KEY) is None
    state.apply_keys(make_keys(make_key(expires_at=NOW_MS + 1), revision=3))
    assert access.is_still_visible(caller, make_connection())
    state.apply_keys(make_keys(revision=4))
    assert access.identify(KEY) is None
    assert not access.is_still_visible(caller, make_connection())


def test_an_operators_key_shows_all_live_connections_or_those_that_it_names() -> None:
    gone = make_connection("page-platform:7", state="uninstalled")
    state = make_state(make_connection(), make_connection(OTHER), gone)
    everything = make_access(state, make_operator_key())
    assert list_names(everything, identify(everything, OPERATOR_KEY)) == sorted([ACME, OTHER])
    some = make_access(state, make_operator_key(OPERATOR_KEY, OTHER, gone.connection, "page-platform:none"))
    caller = identify(some, OPERATOR_KEY)
    assert list_names(some, caller) == [OTHER]
    assert some.get_visible(caller, ACME) is None


def test_erased_data_is_told_from_data_that_is_only_shown_no_more() -> None:
    state = make_state()
    access, seen = make_access(state), make_connection()
    state.apply_connection(make_connection(revision=2, epoch=2, state="uninstalled"))
    assert not access.is_erased(seen)
    # The redaction itself was compacted away: only what followed it is left.
    state.apply_connection(make_connection(revision=4, epoch=4, redacted_epoch=3))
    assert access.is_erased(seen)


@pytest.mark.parametrize("key", ["", "msk_unknown", KEY + " ", KEY[:-1], "ключ"])
def test_other_texts_are_no_keys(key: str) -> None:
    assert make_access(make_state()).identify(key) is None
