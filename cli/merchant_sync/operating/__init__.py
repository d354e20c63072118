"""The operator's commands, for an installation wherever it runs."""

from merchant_sync.parts import StackError


class NotThere(StackError):
    """It could be asked, and what was named is not there, or not such that this can be done with it."""
