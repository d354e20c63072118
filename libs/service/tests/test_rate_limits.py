"""Clients are told apart by addresses that can be believed, and limited one by one or all together."""

from ipaddress import ip_network
from random import Random

import pytest
from structlog.testing import capture_logs

from service.client_addresses import ClientAddresses
from service.rate_limits import ClientRateLimiter, Rate, TokenBuckets

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def forward(*values: str) -> list[tuple[bytes, bytes]]:
    return [(b"host", b"x"), *((b"x-forwarded-for", value.encode()) for value in values)]


@pytest.mark.parametrize(
    ("peer", "values", "client"),
    [
        ("192.0.2.1", (), "192.0.2.1"),
        ("192.0.2.1", ("198.51.100.7",), "192.0.2.1"),
        ("10.0.0.1", ("198.51.100.7",), "198.51.100.7"),
        ("10.0.0.1", ("203.0.113.9, 198.51.100.7",), "198.51.100.7"),
        ("10.0.0.1", ("203.0.113.9", "198.51.100.7,10.2.2.2"), "198.51.100.7"),
        ("fd00::1", ("2001:db8:1:2:3:4:5:6",), "2001:db8:1:2::/64"),
        ("10.0.0.1", ("nonsense",), None),
        ("10.0.0.1", ("198.51.100.7, unknown",), None),
        ("10.0.0.1", (), None),
        ("10.0.0.1", ("10.0.0.2",), None),
        ("::ffff:192.0.2.1", (), "192.0.2.1"),
        ("::ffff:10.0.0.1", ("198.51.100.7",), "198.51.100.7"),
        ("2001:db8::1", (), "2001:db8::/64"),
        ("2001:db8::ffff:1", (), "2001:db8::/64"),
        ("", (), None),
    ],
)
def test_only_what_trusted_proxies_have_added_names_the_client(
    peer: str, values: tuple[str, ...], client: str | None
) -> None:
    assert ClientAddresses(PROXIES).find_client(peer, forward(*values)) == client


def test_without_known_proxies_no_client_is_known_and_without_any_each_is() -> None:
    assert ClientAddresses(None).find_client("192.0.2.1", forward("198.51.100.7")) is None
    assert ClientAddresses(()).find_client("192.0.2.1", forward("198.51.100.7")) == "192.0.2.1"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_gives_its_burst_and_then_its_rate_and_says_how_long_to_wait() -> None:
    clock = Clock()
    buckets = TokenBuckets(Rate(3, 0.5), 10, clock)
    assert [buckets.take("a") for _ in range(5)] == [0, 0, 0, 2, 2]
    assert buckets.take("b") == 0

    clock.now += 1.5
    assert buckets.take("a") == 0.5
    clock.now += 0.5
    assert [buckets.take("a") for _ in range(2)] == [0, 2]
    clock.now += 3600
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 2]


def test_whatever_the_pace_no_more_than_burst_and_rate_get_through() -> None:
    clock, random = Clock(), Random(7)
    buckets = TokenBuckets(Rate(5, 2), 10, clock)
    began, taken = clock.now, 0
    for _ in range(5_000):
        clock.now += random.expovariate(8)
        taken += not buckets.take("a")
        assert taken <= 5 + 2 * (clock.now - began) + 1e-6
    assert taken > 2 * (clock.now - began) - 1


def test_a_fixed_number_of_clients_is_remembered_and_a_busy_one_is_not_forgotten() -> None:
    buckets = TokenBuckets(Rate(1, 0.001), 4, Clock())
    for number in range(1_000):
        buckets.take(number)
        assert bool(buckets.take("busy")) == (number > 0)
    assert len(buckets) == 4


def test_unknown_clients_share_a_limit_of_their_own() -> None:
    limiter = ClientRateLimiter(
        "tests", ClientAddresses(PROXIES), per_client=Rate(1, 0.001), per_process=Rate(2, 0.001), clock=Clock()
    )
    assert [bool(limiter.take("192.0.2.1", ())) for _ in range(2)] == [False, True]
    assert [bool(limiter.take("10.0.0.1", ())) for _ in range(3)] == [False, False, True]
    assert not limiter.take("192.0.2.2", ())


def test_a_limit_that_is_reached_is_logged_once_a_minute_without_an_address() -> None:
    clock = Clock()
    addresses, rate = ClientAddresses(PROXIES), Rate(1, 0.001)
    limiter = ClientRateLimiter("tests", addresses, per_client=rate, per_process=rate, clock=clock)
    with capture_logs() as logged:
        for _ in range(100):
            limiter.take("192.0.2.1", ())
        clock.now += 60
        for _ in range(100):
            limiter.take("10.0.0.1", ())

    assert [(line["event"], line["subject"]) for line in logged] == [("rate limited", "tests")] * 2
    assert "192.0.2.1" not in str(logged) and "TRUSTED_PROXIES" in logged[1]["limit_of"]
