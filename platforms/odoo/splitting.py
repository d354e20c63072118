"""Reads records together, and by halves where Odoo refuses, so that a record that cannot be read ends alone."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from platform_sdk.errors import ConnectionEndedError, PermanentError
from platforms.odoo.errors import MissingRecordError, NotOdooError

MAX_REFUSED = 10
"""With more refused records in a batch, not the records are at fault, and every one of them would cost some calls."""
R = TypeVar("R")


@dataclass
class SplitResult(Generic[R]):
    """What was read, part by part, and the ids that Odoo refuses, each with the reason."""

    found: list[R] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)


async def read_split(ids: Sequence[int], read: Callable[[Sequence[int]], Awaitable[R]]) -> SplitResult[R]:
    """Call `read` with all ids; with each half of them where Odoo refuses, down to single ones.

    Raises the error of Odoo where it refuses more than MAX_REFUSED, or all of several. A record that is deleted
    meanwhile is neither found nor refused.
    """
    result = SplitResult[R]()
    waiting = [list(ids)] if ids else []
    while waiting:
        part = waiting.pop()
        try:
            result.found.append(await read(part))
        except (ConnectionEndedError, NotOdooError):
            raise
        except PermanentError as error:
            if len(part) > 1:
                waiting += [part[len(part) // 2 :], part[: len(part) // 2]]
            elif not isinstance(error, MissingRecordError):
                result.refused[part[0]] = error.reason
                if len(result.refused) > MAX_REFUSED or 1 < len(ids) == len(result.refused):
                    raise
    return result
