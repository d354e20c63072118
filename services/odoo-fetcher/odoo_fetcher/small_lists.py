"""What is remembered of a small resource: a digest by which a change shows, and ids by which a deletion does."""

import hashlib
from collections.abc import Sequence

import orjson

from contracts.events import Record
from odoo_fetcher.read_state import MAX_LISTED, SmallList


def digest_records(records: Sequence[Record]) -> SmallList:
    """Return what is remembered of these records, which are all of their resource."""
    bodies = orjson.dumps([(record.id, record.body) for record in records], option=orjson.OPT_SORT_KEYS)
    ids = tuple(int(record.id) for record in records) if len(records) <= MAX_LISTED else ()
    return SmallList(hashlib.sha256(bodies).hexdigest()[:16], ids)


def build_tombstones(resource: str, before: SmallList, records: Sequence[Record], read_at: int) -> list[Record]:
    """Return a tombstone for each remembered record that is not among `records`."""
    listed = {record.id for record in records}
    gone = (number for number in before.ids if str(number) not in listed)
    return [Record(resource=resource, id=str(number), read_at=read_at, sort_key=number) for number in gone]
