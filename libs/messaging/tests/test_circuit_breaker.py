"""The circuit breaker opens after failures in a row and stays open."""

from messaging.circuit_breaker import CircuitBreaker


def test_it_opens_at_the_threshold() -> None:
    breaker = CircuitBreaker(2)
    breaker.record_failure()
    assert not breaker.is_open
    breaker.record_failure()
    assert breaker.is_open


def test_a_success_starts_the_count_again() -> None:
    breaker = CircuitBreaker(2)
    breaker.record_failure()
    breaker.record_success()
    breaker.record_failure()
    assert not breaker.is_open


def test_an_open_breaker_stays_open() -> None:
    breaker = CircuitBreaker(1)
    breaker.record_failure()
    breaker.record_success()
    assert breaker.is_open
