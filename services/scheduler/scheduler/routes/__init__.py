"""The scheduler's internal HTTP API: it reads the ledger, and cancels full syncs."""
