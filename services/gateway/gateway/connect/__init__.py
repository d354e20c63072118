"""Connecting accounts."""
