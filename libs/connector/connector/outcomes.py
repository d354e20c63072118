"""How far the ids of a group have been read, how its requests end, and how long the next attempt waits."""

from collections.abc import Callable
from dataclasses import dataclass, field

from connector.source import UnreadableRecord
from contracts.events import Record, SyncRequested
from platform_sdk.errors import RetryLaterError

Key = tuple[str, str]
"""A record's resource and id."""


@dataclass
class RequestEndings:
    """Requests by how they end: all records read, failed for an id that cannot be read, or not finished yet."""

    completed: list[SyncRequested] = field(default_factory=list)
    failed: list[SyncRequested] = field(default_factory=list)
    unfinished: list[SyncRequested] = field(default_factory=list)


@dataclass
class ReadOutcomes:
    """Filled while a group is read: complete records and tombstones, and ids that could not be read."""

    read_keys: set[Key] = field(default_factory=set)
    unreadable: dict[Key, UnreadableRecord] = field(default_factory=dict)

    def add_record(self, record: Record) -> None:
        """Add a published record. A chunked record counts as read with its last chunk."""
        if record.chunk is None or record.chunk.is_last:
            self.read_keys.add((record.resource, record.id))

    def add_unreadable(self, record: UnreadableRecord) -> None:
        """Add an id that could not be read."""
        self.unreadable[(record.resource, record.id)] = record

    def build_wait(self) -> RetryLaterError:
        """Return why requests are unfinished though all ids were tried: the first that may be read later."""
        first = next(record for record in self.unreadable.values() if record.retryable)
        return RetryLaterError(f"{first.id}: {first.reason}")

    def sort_requests(self, requests: tuple[SyncRequested, ...], *, complete: bool) -> RequestEndings:
        """Return how `requests` end. `complete`: all ids were tried, in this attempt and earlier ones.

        A request with an unreadable id fails only once its other ids have been tried.
        """
        endings = RequestEndings()
        for request in requests:
            keys = [(resource, record_id) for resource, ids in request.records.items() for record_id in ids]
            faults = [self.unreadable[key] for key in keys if key in self.unreadable]
            is_tried = complete or all(key in self.read_keys or key in self.unreadable for key in keys)
            if is_tried and any(not fault.retryable for fault in faults):
                endings.failed.append(request)
            elif faults or not is_tried:
                endings.unfinished.append(request)
            else:
                endings.completed.append(request)
        return endings


FIRST_BACKOFF_SECONDS = 2.0
MAX_BACKOFF_SECONDS = 600.0


Uniform = Callable[[float, float], float]
"""A random number between two bounds, as `random.uniform`."""


def compute_backoff(attempt: int, first: float = FIRST_BACKOFF_SECONDS) -> float:
    """Return the seconds to wait after the failure of this attempt: `first`, then twice as long each time.

    It exceeds ten minutes only where `first` does.
    """
    return max(first, min(first * 2.0 ** min(attempt - 1, 16), MAX_BACKOFF_SECONDS))


def compute_delay(wait: RetryLaterError, attempt: int, uniform: Uniform) -> float:
    """Return the seconds until work that `wait` stopped in this attempt continues.

    Delays are spread by a fifth, and never shorter than the wait asks for.
    """
    if wait.seconds is None:
        return compute_backoff(attempt) * uniform(0.8, 1.2)
    seconds = compute_backoff(attempt, wait.seconds) if wait.escalates else wait.seconds
    return seconds * uniform(1.0, 1.2)
