"""Decides how each sync request ends whose records were read: completed, failed or unfinished.

Also computes how long the next attempt waits.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from connector.source import UnreadableRecord
from contracts.events import Record, SyncRequested
from platform_sdk.errors import RetryLaterError

Key = tuple[str, str]
"""A record's resource and id."""


@dataclass
class RequestEndings:
    """The sync requests of one read, grouped by how they end.

    `completed`: all records were read. `failed`: an id cannot be read, and requesting it again does not help.
    `unfinished`: some ids are still to be read.
    """

    completed: list[SyncRequested] = field(default_factory=list)
    failed: list[SyncRequested] = field(default_factory=list)
    unfinished: list[SyncRequested] = field(default_factory=list)


@dataclass
class ReadOutcomes:
    """What has become of the records of a read so far. A key is a record's resource and id.

    `read_keys` has the keys of the records that were read completely, or that do not exist at the platform.
    """

    read_keys: set[Key] = field(default_factory=set)
    unreadable: dict[Key, UnreadableRecord] = field(default_factory=dict)

    def add_record(self, record: Record) -> None:
        """Note that a record was published. A record in several chunks (parts) counts as read with its last chunk."""
        if record.chunk is None or record.chunk.is_last:
            self.read_keys.add((record.resource, record.id))

    def add_unreadable(self, record: UnreadableRecord) -> None:
        """Note that a record could not be read."""
        self.unreadable[(record.resource, record.id)] = record

    def build_retry_error(self) -> RetryLaterError:
        """Return the error for postponing requests when all ids were tried and some may be readable later.

        The error names the first of the records that may be readable later. There must be one.
        """
        first = next(record for record in self.unreadable.values() if record.retryable)
        return RetryLaterError(f"{first.id}: {first.reason}")

    def split_requests(self, requests: tuple[SyncRequested, ...], *, all_ids_tried: bool) -> RequestEndings:
        """Return `requests` by how they end.

        `all_ids_tried` says that the platform was asked for every id, in this attempt or an earlier one. A request with
        an unreadable id fails only after its other ids have been tried.
        """
        endings = RequestEndings()
        for request in requests:
            keys = [(resource, record_id) for resource, ids in request.records.items() for record_id in ids]
            faults = [self.unreadable[key] for key in keys if key in self.unreadable]
            is_tried = all_ids_tried or all(key in self.read_keys or key in self.unreadable for key in keys)
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
"""A function like `random.uniform`, which returns a random number between two bounds."""


def compute_backoff(attempt: int, first: float = FIRST_BACKOFF_SECONDS) -> float:
    """Return the seconds to wait after attempt number `attempt` has failed.

    The wait is `first` after attempt 1 and doubles with each further attempt, up to ten minutes. If `first` is longer
    than ten minutes, every wait is `first`.
    """
    return max(first, min(first * 2.0 ** min(attempt - 1, 16), MAX_BACKOFF_SECONDS))


def compute_delay(error: RetryLaterError, attempt: int, uniform: Uniform) -> float:
    """Return the seconds to wait before the read that `error` has stopped continues.

    `attempt` is the number of the stopped attempt. The delay varies randomly by up to a fifth, so that stopped reads do
    not all continue at the same moment. It is never shorter than the seconds that `error` names.
    """
    if error.seconds is None:
        return compute_backoff(attempt) * uniform(0.8, 1.2)
    seconds = compute_backoff(attempt, error.seconds) if error.escalates else error.seconds
    return seconds * uniform(1.0, 1.2)
