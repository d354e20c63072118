"""Connecting accounts: one way for each connection method, whatever the platform."""
