"""HTTP in: the scheduler's read API, for the gateway alone."""
