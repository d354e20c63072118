"""A circuit breaker that opens after too many failures in a row."""


class CircuitBreaker:
    """Counts failures in a row and opens at `threshold`. Once open it stays open until the process restarts."""

    def __init__(self, threshold: int) -> None:
        self._threshold = threshold
        self._failures = 0

    @property
    def is_open(self) -> bool:
        """Whether the breaker is open: there were `threshold` failures in a row without a success between them."""
        return self._failures >= self._threshold

    def record_success(self) -> None:
        """Start counting from zero again, unless the breaker is open."""
        if not self.is_open:
            self._failures = 0

    def record_failure(self) -> None:
        """Count one more failure."""
        self._failures += 1
