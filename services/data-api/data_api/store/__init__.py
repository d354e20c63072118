"""Reads of what the spaces-writer publishes: records, changes and the heads of change feeds."""
