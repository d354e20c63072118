"""The scheduler's internal HTTP API, which only reads."""
