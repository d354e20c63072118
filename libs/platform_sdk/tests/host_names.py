"""A resolver whose answers a test sets."""

from collections.abc import Sequence

from platform_sdk.public_addresses import IpAddress, Resolver


class Names:
    """Looks up the names that a test has set, and all others in the system."""

    def __init__(self) -> None:
        self.addresses: dict[str, list[Sequence[IpAddress]]] = {}
        self._resolver = Resolver()

    async def resolve(self, host: str, port: int) -> Sequence[IpAddress]:
        """Return the next addresses that the test has set; the last ones stay."""
        answers = self.addresses.get(host)
        if answers is None:
            return await self._resolver.resolve(host, port)
        return answers.pop(0) if len(answers) > 1 else answers[0]
