"""The HTTP routes of the simulated Facebook."""
