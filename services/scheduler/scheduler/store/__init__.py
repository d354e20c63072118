"""The scheduler's schema: named SQL and small functions, each on the caller's transaction."""
