"""What Shopify does some time after it has answered, such as processing media and ordering them.

It is kept in memory. Of what a sandbox has not done yet when it stops, only the processing of media goes on later.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox.shopify.change_set import ChangeSet
from sandbox.shopify.shops import Shop

Work = Callable[[Shop, ChangeSet], None]
"""An edit of a shop, to be made later."""


@dataclass(slots=True)
class BackgroundWork:
    """The edits of one shop that are due later, each with the time of the monotonic clock from which on it is."""

    pending: list[tuple[float, Work]] = field(default_factory=list)

    def schedule(self, seconds: float, work: Work) -> None:
        """Let `work` be due in so many seconds. Work with the same due time is done in the order of these calls."""
        self.pending.append((time.monotonic() + seconds, work))
        self.pending.sort(key=lambda item: item[0])

    def is_due(self) -> bool:
        """Return whether there is work to be done now."""
        return bool(self.pending) and self.pending[0][0] <= time.monotonic()

    def take_due(self) -> list[Work]:
        """Remove the work that is due from what is pending, and return it in order."""
        now = time.monotonic()
        due = [work for at, work in self.pending if at <= now]
        self.pending = [item for item in self.pending if item[0] > now]
        return due
