"""Builds the end of an id range, with Odoo's counts as evidence."""

from connector.source import RangeEnd
from odoo_fetcher.cursors import ReadCursor


def build_range_end(cursor: ReadCursor) -> RangeEnd:
    """Return the end of the range at which a read of everything has come. Its counts are in records.

    Odoo counts quants, of which several may be one record. So what it counts more than was read is added to the
    records that were sent.
    """
    place = cursor.place
    return RangeEnd(
        resource=cursor.resource,
        id_range=place.number,
        attempt=place.attempt,
        retry_cursor=cursor.begin_next_attempt().encode(),
        sent_count=place.sent,
        count_before=place.sent + place.missing_before,
        count_after=place.sent + place.missing_after,
        after=str(place.low) if place.low else "",
        up_to=None if place.high is None else str(place.high),
    )


def build_changes_end(cursor: ReadCursor) -> RangeEnd:
    """Return the end of the range of a resource of which only the changes were read. It proves nothing by counts."""
    place = cursor.place
    return RangeEnd(
        resource=cursor.resource,
        id_range=place.number,
        attempt=place.attempt,
        retry_cursor=cursor.begin_next_attempt().encode(),
        sent_count=place.sent,
    )
