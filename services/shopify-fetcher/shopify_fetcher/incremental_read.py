"""Reads the records that an incremental sync requests by their ids, most often because of a webhook."""

from collections.abc import AsyncGenerator, Collection, Iterator, Sequence
from dataclasses import replace
from itertools import takewhile

from connector.source import Checkpoint, IncrementalReadStep, RecordBatch, UnreadableRecord
from contracts.events import RecordIds
from platform_sdk.errors import AccessDeniedError, ConnectionEndedError, PermanentError, RecordError
from platforms.shopify.ids import is_id_of
from platforms.shopify.session import UNKNOWN_FORM_ERRORS, describe_mismatch
from shopify_fetcher.chunked_records import UnfinishedRecord
from shopify_fetcher.continuations import read_next_chunk
from shopify_fetcher.cursors import IncrementalReadCursor
from shopify_fetcher.mappers.mapped_records import MappedRecords, build_left_out_record
from shopify_fetcher.read_session import ReadSession
from shopify_fetcher.record_reader import ReadResult, RecordReader
from shopify_fetcher.scopes import REQUIRED_SCOPES, describe_missing_scope, is_allowed

Key = tuple[str, str]
"""A record's resource and id."""


async def read_records(
    session: ReadSession, ids: RecordIds, cursor: str | None
) -> AsyncGenerator[IncrementalReadStep, None]:
    """Yield the records of `ids`, sorted by resource and id, starting at `cursor` (None: at the first).

    All chunks of a batch's records are read before the next batch. A record that cannot be read is yielded as an
    UnreadableRecord, and the other records are read. After a transient error it is first requested once more, alone.
    """
    progress = IncrementalReadCursor.decode(cursor)
    keys = [(resource, gid) for resource in sorted(ids) for gid in sorted(set(ids[resource]))]
    if any(resource in REQUIRED_SCOPES and not session.can_read(resource) for resource in ids):
        await session.refresh_scopes()
    refused = _find_unreadable_ids(keys, session)
    for record in (*refused.values(), *progress.unreadable):
        yield record
    reader = RecordReader(session)
    while progress.chunked_records or progress.done_count < len(keys):
        if progress.chunked_records:
            resource = progress.chunked_records[0].resource
            result, chunked_records = await _read_chunk_or_mark_unreadable(session, reader, progress.chunked_records)
        elif keys[progress.done_count] in refused:
            progress = replace(progress, done_count=progress.done_count + 1)
            continue
        else:
            resource, batch = _select_batch(keys[progress.done_count :], refused)
            result = await reader.read_as_many_as_fit(resource, batch)
            chunked_records = tuple(result.mapped.chunked_records)
            if result.is_denied and await session.refresh_scopes():
                before, refused = refused, _find_unreadable_ids(keys, session)
                for key in refused.keys() - before.keys():
                    yield refused[key]
                continue
            progress = replace(progress, done_count=progress.done_count + result.count)
        unreadable = tuple(replace(record, retryable=False) for record in result.unreadable)
        for record in unreadable:
            yield record
        yield RecordBatch(resource, tuple(result.mapped.records))
        progress = replace(progress, chunked_records=chunked_records, unreadable=(*progress.unreadable, *unreadable))
        if progress.chunked_records or progress.done_count < len(keys):
            yield Checkpoint(progress.encode())


async def read_chunk(
    session: ReadSession, reader: RecordReader, chunked_records: tuple[UnfinishedRecord, ...]
) -> tuple[ReadResult, tuple[UnfinishedRecord, ...]]:
    """Read the next chunk of the first of `chunked_records`, with the child records in it.

    Return what was read, and all records of which chunks are still to be read. A record whose chunk does not have the
    expected form, or has a lasting error, is left out. Raises AccessDeniedError for a missing scope, RecordError for a
    transient error, and the exceptions of the session.
    """
    first, *others = chunked_records
    try:
        chunk = await read_next_chunk(session, first)
    except (AccessDeniedError, ConnectionEndedError):
        raise
    except (PermanentError, *UNKNOWN_FORM_ERRORS) as error:
        reason = error.reason if isinstance(error, PermanentError) else describe_mismatch(error)
        left_out = build_left_out_record(first.resource, first.id, first.read_at, reason)
        return ReadResult(1, MappedRecords(records=[left_out])), tuple(others)
    result = ReadResult(1, chunk.mapped)
    await reader.complete_inventory(result)
    remaining = (chunk.remaining,) if chunk.remaining else ()
    return result, (*remaining, *result.mapped.chunked_records, *others)


async def _read_chunk_or_mark_unreadable(
    session: ReadSession, reader: RecordReader, chunked_records: tuple[UnfinishedRecord, ...]
) -> tuple[ReadResult, tuple[UnfinishedRecord, ...]]:
    """Read a chunk as `read_chunk` does, but return its record as unreadable instead of raising the record's error.

    A RecordError is retried once; an AccessDeniedError is not. Raises ConnectionEndedError when the connection has no
    valid grant any more, and RetryLaterError when the read must wait.
    """
    try:
        try:
            return await read_chunk(session, reader, chunked_records)
        except RecordError:
            return await read_chunk(session, reader, chunked_records)
    except (RecordError, AccessDeniedError) as error:
        first, *others = chunked_records
        return ReadResult(0, unreadable=[UnreadableRecord(first.resource, first.id, str(error))]), tuple(others)


def _select_batch(keys: Sequence[Key], refused: Collection[Key]) -> tuple[str, list[str]]:
    """Return the resource of the first key, and the ids of that resource before the first key in `refused`.

    A key is a record's (resource, id).
    """
    resource = keys[0][0]
    batch = takewhile(lambda key: key[0] == resource and key not in refused, keys)
    return resource, [gid for _, gid in batch]


def _find_unreadable_ids(keys: Sequence[Key], session: ReadSession) -> dict[Key, UnreadableRecord]:
    """Return the records that cannot be requested at all, each with the reason. The keys are their (resource, id)."""
    return {(record.resource, record.id): record for record in _check_ids(keys, session.context.token.scopes)}


def _check_ids(keys: Sequence[Key], scopes: frozenset[str]) -> Iterator[UnreadableRecord]:
    for resource, gid in keys:
        if resource not in REQUIRED_SCOPES:
            yield UnreadableRecord(resource, gid, f"there is no resource {resource}")
        elif not is_id_of(resource, gid):
            yield UnreadableRecord(resource, gid, f"not an id of {resource}")
        elif not is_allowed(resource, scopes):
            yield UnreadableRecord(resource, gid, describe_missing_scope(resource, scopes))
