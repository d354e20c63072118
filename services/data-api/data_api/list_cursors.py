"""The cursors of lists of records: where the next page begins, and for which list that is."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

import orjson

from contracts.feed_cursors import MAX_SEQUENCE, FeedCursor

BINDING_CHARACTERS = 16
LIST_CURSOR_PATTERN = r"^[A-Za-z0-9_-]+$"
"""A regular expression for the characters of cursors: base64 for addresses, without padding."""
MAX_CURSOR_CHARACTERS = 2000


@dataclass(frozen=True)
class ListCursor:
    """The place in a list after the record whose id or sequence number is `after`.

    All pages of a list show at least the changes up to `reached`, where the change feed was when the list began. So the
    changes after a head that a reader took before it lists are all that the list may lack.
    """

    reached: FeedCursor
    after: str | int

    def encode(self, binding: str) -> str:
        """Return the cursor as opaque text, which `decode` accepts with the same `binding` only.

        Nothing is signed: a cursor gives nobody rights, and whoever makes one up gets another place of the same list.
        """
        content = orjson.dumps([binding, self.reached.encode(), self.after])
        return urlsafe_b64encode(content).rstrip(b"=").decode()

    @classmethod
    def decode(cls, text: str, binding: str) -> "ListCursor":
        """Return the cursor that `encode` wrote for `binding`. Raises `ValueError` for any other text."""
        if len(text) > MAX_CURSOR_CHARACTERS:
            raise ValueError("not a cursor")
        try:
            content = orjson.loads(urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4)))
            bound, reached, after = content
            position = FeedCursor.decode(reached)
        except (ValueError, TypeError):
            raise ValueError("not a cursor") from None
        if bound != binding:
            raise ValueError("a cursor of another list: it goes with the parameters of the request that returned it")
        is_number = isinstance(after, int) and not isinstance(after, bool)
        # No id has the character NUL, which PostgreSQL cannot hold.
        is_id = isinstance(after, str) and "\0" not in after
        if not is_id and not (is_number and 0 <= after <= MAX_SEQUENCE):
            raise ValueError("not a cursor")
        return cls(position, after)


def build_binding(connection: str, resource: str, parameters: Mapping[str, object]) -> str:
    """Return what binds a cursor to one list: a digest of the connection, the resource and the query's parameters."""
    content = orjson.dumps([connection, resource, parameters], option=orjson.OPT_SORT_KEYS)
    return sha256(content).hexdigest()[:BINDING_CHARACTERS]
