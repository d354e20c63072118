"""What has become of a group's ids so far, and how its requests end by it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from connector.source import UnreadableRecord
from contracts.events import Record, SyncRequested
from platform_sdk.errors import RetryLaterError

Key = tuple[str, str]


@dataclass
class ReadOutcomes:
    """Filled while a fetch goes on: whole records and tombstones, and ids that could not be read."""

    read_keys: set[Key] = field(default_factory=set)
    unread: dict[Key, UnreadableRecord] = field(default_factory=dict)

    def note(self, record: Record) -> None:
        """A record was said: read once it is whole, that is not in parts, or the last of them."""
        if record.chunk is None or record.chunk.is_last:
            self.read_keys.add((record.resource, record.id))

    def fail(self, unread: UnreadableRecord) -> None:
        """An id could not be read."""
        self.unread[(unread.resource, unread.id)] = unread

    @property
    def wait(self) -> RetryLaterError:
        """Why requests are not finished though all ids are through: the first that may be read later."""
        later = next(unread for unread in self.unread.values() if unread.retryable)
        return RetryLaterError(f"{later.id}: {later.reason}")

    def ends(self, requests: tuple[SyncRequested, ...], *, complete: bool) -> "RequestEndings":
        """How `requests` end. `complete`: the platform has gone through all ids, in this try and earlier ones.

        One with an id that cannot be read fails only when its other ids are through.
        """
        ends = RequestEndings()
        for request in requests:
            keys = [(resource, i) for resource, ids in request.records.items() for i in ids]
            faults = [self.unread[key] for key in keys if key in self.unread]
            through = complete or all(key in self.read_keys or key in self.unread for key in keys)
            if through and any(not fault.retryable for fault in faults):
                ends.failed.append(request)
            elif faults or not through:
                ends.unfinished.append(request)
            else:
                ends.settled.append(request)
        return ends


@dataclass
class RequestEndings:
    """Requests by how they end: wholly read, failed for an id that cannot be read, or not finished yet."""

    settled: list[SyncRequested] = field(default_factory=list)
    failed: list[SyncRequested] = field(default_factory=list)
    unfinished: list[SyncRequested] = field(default_factory=list)


BACKOFF_SECONDS = 2.0
LONGEST_SECONDS = 600.0


Uniform = Callable[[float, float], float]
"""Chance between two bounds, as `random.uniform`."""


def compute_backoff(attempt: int, first: float = BACKOFF_SECONDS) -> float:
    """Seconds to wait after the failure of this attempt: `first`, then twice as long each time, and above ten minutes
    only where `first` is."""
    return max(first, min(first * 2.0 ** min(attempt - 1, 16), LONGEST_SECONDS))


def compute_delay(wait: RetryLaterError, attempt: int, uniform: Uniform) -> float:
    """Seconds until what `wait` stopped in this attempt goes on: spread by a fifth, never less than asked for."""
    if wait.seconds is None:
        return compute_backoff(attempt) * uniform(0.8, 1.2)
    seconds = compute_backoff(attempt, wait.seconds) if wait.escalates else wait.seconds
    return seconds * uniform(1.0, 1.2)
