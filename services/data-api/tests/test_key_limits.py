"""The limits of each key: refreshes that start nothing are not counted, and streams are counted while they are open."""

import pytest

from data_api.key_limits import REFRESHES_PER_MINUTE, STREAMS, KeyLimits, LimitExceededError


def test_a_refresh_that_started_nothing_is_not_counted() -> None:
    limits = KeyLimits(600, clock=lambda: 0.0)
    for _ in range(REFRESHES_PER_MINUTE):
        limits.take_refresh("a")
    with pytest.raises(LimitExceededError) as raised:
        limits.take_refresh("a")
    assert raised.value.headers["RateLimit-Policy"] == '"refreshes";q=6;w=60'
    limits.return_refresh("a")
    limits.take_refresh("a")
    limits.take_refresh("b")


def test_a_key_has_so_many_streams_at_a_time() -> None:
    limits = KeyLimits(600)
    streams = [limits.hold_stream("a") for _ in range(STREAMS)]
    for stream in streams:
        stream.__enter__()
    with pytest.raises(LimitExceededError), limits.hold_stream("a"):
        pass
    with limits.hold_stream("b"):
        pass
    streams[0].__exit__(None, None, None)
    with limits.hold_stream("a"):
        pass
