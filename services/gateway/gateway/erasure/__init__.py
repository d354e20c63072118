"""Disconnecting accounts and deleting their data on request."""
