"""Checks two rules of this repository that no linter has: how things are named, and where a platform is named."""
