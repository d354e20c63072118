"""What is kept of a browser, so that a merchant recognises it."""

from dataclasses import dataclass

MAX_NAME_LENGTH = 200


@dataclass(frozen=True)
class Browser:
    """A browser's IP address, and its `User-Agent`, cut to `MAX_NAME_LENGTH` characters.

    Where the proxies in front of the gateway are not known, the address is that of the nearest one.
    """

    address: str
    name: str
