"""Checks of this repository that no linter brings: how things are named, and where a platform is named."""
