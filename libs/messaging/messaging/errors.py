"""The errors that a handler raises to decide what happens to its message: one exception for each consequence."""


class UnavailableError(Exception):
    """Something that this service depends on does not answer: the work is held and retried, and nothing is lost.

    The text of an error of Kafka, of Postgres or of another service begins with its name.
    """

    max_wait: float | None = None
    """Seconds to hold a message before it is dead-lettered after all. None means that it is held without limit."""


class UnknownConnectionError(UnavailableError):
    """A message names a connection whose `connection.changed` event has not arrived yet."""

    max_wait = 120.0


class InvalidMessageError(Exception):
    """This message can never be handled or sent, for example because it is too large: it is dead-lettered."""
