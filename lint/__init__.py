"""Checks two rules that no linter has: how functions and classes are named, and how few files name a platform."""
