"""Runs the process of a service: settings, start and stop, health checks, logs and metrics."""
