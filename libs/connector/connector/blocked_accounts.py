"""Remembers which accounts their platform has closed, so that webhooks about these accounts cause no calls."""

from platform_sdk.errors import AccountBlockedError


class BlockedAccounts:
    """The accounts whose latest call was refused because the account is blocked, as this process knows them.

    A process that has just started knows none. Another process may have seen that an account is open again. So what is
    remembered here only saves calls; the scheduler decides whether a connection is blocked.
    """

    def __init__(self) -> None:
        self._blocked: dict[str, tuple[int, AccountBlockedError]] = {}

    def remember(self, connection: str, epoch: int, error: AccountBlockedError) -> None:
        """Note that the platform refuses every call about the connection's account.

        `epoch` is the connection's number that rises when the connection ends.
        """
        self._blocked[connection] = (epoch, error)

    def forget(self, connection: str) -> None:
        """Note that the platform has answered a call about the connection's account."""
        self._blocked.pop(connection, None)

    def find(self, connection: str, epoch: int) -> AccountBlockedError | None:
        """Return the remembered refusal; None when there is none, or when the connection has ended since (`epoch`)."""
        seen_epoch, error = self._blocked.get(connection, (0, None))
        return error if epoch <= seen_epoch else None
