"""Read a shop: `GET /shops/{shop}/{resource}` lists ids, `GET /shops/{shop}/{resource}/{id}` returns one record."""

import time
from collections.abc import AsyncGenerator
from typing import Any

import httpx

from connector.source import (
    Checkpoint,
    FullReadEnd,
    FullReadStep,
    IncrementalReadStep,
    RangeEnd,
    RecordBatch,
    UnreadableRecord,
)
from contracts.events import Record, RecordIds, parse_account
from platform_sdk.errors import PermanentError, RetryLaterError
from platform_sdk.resources import Resource
from platform_sdk.session import SyncContext
from platforms.bookshop.resources import CATALOG


class BookshopSource:
    """Reads the records of shops. Requests are not paced, because Bookshop has no rate limit."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def read_records(
        self, context: SyncContext, ids: RecordIds, cursor: str | None
    ) -> AsyncGenerator[IncrementalReadStep, None]:
        """Yield the requested records, as `connector.source.Source.read_records` defines.

        `cursor` is the number of ids that earlier attempts have read.
        """
        requested = [(resource, record_id) for resource in sorted(ids) for record_id in sorted(ids[resource])]
        for number, (resource, record_id) in enumerate(requested, 1):
            if number <= int(cursor or 0):
                continue
            if resource in CATALOG:
                yield RecordBatch(resource, (await self._read_record(context, CATALOG.get(resource), record_id),))
            else:
                yield UnreadableRecord(resource, record_id, f"there is no resource {resource}")
            if number < len(requested):
                yield Checkpoint(str(number))

    async def read_all(self, context: SyncContext, cursor: str | None) -> AsyncGenerator[FullReadStep, None]:
        """Yield all records, as `connector.source.Source.read_all` defines. Each resource is one id range.

        `cursor` is `resource:attempt` when only this resource's id range is read again.
        """
        started_at = round(time.time() * 1000)
        again, _, attempt = (cursor or "").partition(":")
        resources = [resource for resource in CATALOG if again in ("", resource.name)]
        for resource in resources:
            record_ids = [str(record_id) for record_id in await self._get(context, f"/{resource.name}")]
            for record_id in record_ids:
                record = await self._read_record(context, resource, record_id)
                yield RecordBatch(resource.name, (record,), attempt=int(attempt or 1))
            yield RangeEnd(
                resource=resource.name,
                id_range=0,
                attempt=int(attempt or 1),
                retry_cursor=f"{resource.name}:{int(attempt or 1) + 1}",
                sent_count=len(record_ids),
            )
        if not again:
            yield FullReadEnd(id_ranges=tuple((resource.name, 0) for resource in resources), started_at=started_at)

    def measure_remaining_rate_limits(self) -> dict[str, float]:
        """Return an empty dict: there is no rate limit."""
        return {}

    async def _read_record(self, context: SyncContext, resource: Resource, record_id: str) -> Record:
        read_at = round(time.time() * 1000)
        body = await self._get(context, f"/{resource.name}/{record_id}")
        if body is None:
            return Record(resource=resource.name, id=record_id, read_at=read_at)
        return Record(
            resource=resource.name,
            id=record_id,
            read_at=read_at,
            body={name: value for name, value in body.items() if name not in resource.volatile_fields},
            volatile_fields={name: body[name] for name in resource.volatile_fields if name in body},
            sort_key=int(record_id),
        )

    async def _get(self, context: SyncContext, path: str) -> Any:
        """Return the JSON at `path` of the shop; None when Bookshop answers 404.

        Raises RetryLaterError when Bookshop does not answer, PermanentError when the key may not read this path, and
        ConnectionEndedError when Bookshop does not accept the key any more.
        """
        context.calls += 1
        headers = {"Authorization": f"Bearer {context.token.token}"}
        try:
            response = await self._http.get(f"/shops/{parse_account(context.token.connection)}{path}", headers=headers)
        except httpx.HTTPError as error:
            raise RetryLaterError(f"Bookshop does not answer: {type(error).__name__}") from None
        if response.status_code == 404:
            return None
        if response.status_code == 401:
            # A key cannot be refreshed: the gateway asks the merchant for a new one, which raises ConnectionEndedError.
            context.token = await context.replace_token(context.token)
            raise RetryLaterError(None, seconds=0.0)
        if response.status_code == 403:
            raise PermanentError("Bookshop does not allow this key to read the shop")
        if response.status_code != 200:
            raise RetryLaterError(f"Bookshop answers {response.status_code}")
        return response.json()
