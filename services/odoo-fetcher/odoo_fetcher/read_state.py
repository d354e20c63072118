"""What a full sync knows of a database, and leaves for the next one."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from contracts.events import MAX_STATE_BYTES
from odoo_fetcher.windows import Window, decode_window

FULL_SECONDS = 24 * 3600 - 60
"""After this time everything is read again, whatever the windows say. A daily poll must not come just before it."""
RARE_SECONDS = 300
"""How often names of tags, categories and the like are looked at, and the small resources are read."""
MAX_LISTED = 100


@dataclass(frozen=True)
class SmallList:
    """A small resource as it was last listed: a digest of its records, and their ids, none where they are many."""

    digest: str
    ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class ReadState:
    """What is known of a database. Times are in seconds since the Unix epoch.

    `digest` is that of its fields, see `DatabaseFields.digest`. `full_at` is when everything was read, `rare_at` when
    rare changes were last looked for. `windows` and `counts` (of the records before a window) are by model, `lists`
    by small resource. `skipped` are the resources that could not be read, each with the reason.
    """

    digest: str
    full_at: float
    rare_at: float
    windows: Mapping[str, Window] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    lists: Mapping[str, SmallList] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)

    def is_due_for_full_read(self, digest: str, now: float) -> bool:
        """Return whether everything must be read: after a day, or because records look otherwise."""
        return self.digest != digest or not 0 <= now - self.full_at < FULL_SECONDS

    def is_due_for_rare_look(self, now: float) -> bool:
        """Return whether rare changes must be looked for."""
        return not 0 <= now - self.rare_at < RARE_SECONDS

    def encode(self) -> str:
        """Return the state as text. One that is too long forgets the ids of recent records: they are a help only."""
        text = self._encode()
        if len(text) <= MAX_STATE_BYTES:
            return text
        windows = {model: replace(window, recent=()) for model, window in self.windows.items()}
        return replace(self, windows=windows)._encode()

    def _encode(self) -> str:
        values = {
            "digest": self.digest,
            "full_at": self.full_at,
            "rare_at": self.rare_at,
            "windows": {model: window.encode() for model, window in self.windows.items()},
            "counts": dict(self.counts),
            "lists": {resource: [one.digest, one.ids] for resource, one in self.lists.items()},
            "skipped": dict(self.skipped),
        }
        return orjson.dumps(values).decode()


def decode_state(text: str) -> ReadState | None:
    """Return the state that `ReadState.encode` has encoded; None for a text of another version of this service."""
    try:
        values: dict[str, Any] = orjson.loads(text)
        windows, lists = values.pop("windows"), values.pop("lists")
        return ReadState(
            **values,
            windows={model: decode_window(window) for model, window in windows.items()},
            lists={resource: SmallList(digest, tuple(ids)) for resource, (digest, ids) in lists.items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
