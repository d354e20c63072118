"""HTTP: the scheduler's internal read API."""
