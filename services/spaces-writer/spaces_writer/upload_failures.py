"""Says in words why a document could not be built or uploaded."""

from messaging.errors import UnavailableError


def describe_failure(error: Exception) -> str:
    """Return why a document is not in the bucket, as operators read it.

    An unknown error is named without its text, which may contain data of the merchant.
    """
    if isinstance(error, UnavailableError):
        return str(error)
    if isinstance(error, OSError):
        return f"the spaces-writer's disk: {error.strerror or type(error).__name__}"
    return f"the document could not be built: {type(error).__name__}; the spaces-writer's log has the details"
