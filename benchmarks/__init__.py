"""Benchmarks: each prints its figures beside a named baseline of the same run. `python -m benchmarks` runs all."""
