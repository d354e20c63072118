"""Hints: unsigned requests of a platform's automation that say which records may have changed. They may be lost."""
