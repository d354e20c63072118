"""One exception type per consequence."""


class UnavailableError(Exception):
    """Something that this service cannot work without does not answer: hold everything, try again, lose nothing."""

    max_wait: float | None = None
    """Seconds after which it is the message's own fault, and it is dead-lettered; None: never."""


class UnknownConnectionError(UnavailableError):
    """Something was said of a connection before the gateway's word on it has come: hold it for a while."""

    max_wait = 120.0


class KafkaUnavailableError(UnavailableError):
    """Kafka did not acknowledge."""


class MessageTooLargeError(Exception):
    """The message is over the topics' limit of 16 MiB; what it carries can never be said whole."""


class InvalidMessageError(Exception):
    """This message can never be handled: dead-letter it and go on."""
