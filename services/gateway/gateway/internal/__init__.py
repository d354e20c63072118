"""The API for the other services and for operators."""
