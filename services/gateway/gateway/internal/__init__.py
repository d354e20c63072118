"""The gateway's internal API, for the other services and for operators."""
