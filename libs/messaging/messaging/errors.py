"""The errors that a handler of messages raises. Their class decides: held and retried, or dead-lettered."""


class UnavailableError(Exception):
    """Raised when Kafka, Postgres, the bucket or another service does not answer.

    A message that was being handled is held and handled again later. The text of the error begins with the name of
    what does not answer, for example "Kafka: ".
    """

    max_wait: float | None = None
    """The seconds after which a held message is dead-lettered. None means that it is held without a time limit."""


class UnknownConnectionError(UnavailableError):
    """Raised when a message names a merchant's connection whose `connection.changed` event has not arrived yet.

    The message is held and handled again for up to `max_wait` seconds, and then dead-lettered.
    """

    max_wait = 120.0


class InvalidMessageError(Exception):
    """Raised when a message can never be handled or sent, for example because it is too large.

    The message that was being handled is not held but dead-lettered.
    """


class ForeignMessageError(InvalidMessageError):
    """Raised when a message speaks of what its key, its topic or its connection has no authority over.

    Examples are another platform's connection and another connection's sync. The message is dead-lettered and, unlike
    other messages that fail, not counted by the circuit breaker: it says nothing about the service that received it.
    """
