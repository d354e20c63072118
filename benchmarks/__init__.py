"""Benchmarks. Each prints its figures and those of a baseline that it measures in the same run.

`python -m benchmarks` runs all of them.
"""
