"""The operator's commands, for an installation wherever it runs."""
