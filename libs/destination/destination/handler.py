"""Handles requests for writes: has them written, and publishes what came of each."""

import random
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from functools import partial
from uuid import UUID

import structlog

from connector.client import TokenClient
from connector.outcomes import Uniform, compute_delay
from contracts.events import WriteCompleted, WriteRequested, parse_platform
from contracts.topics import get_written_topic
from destination.destination import POSTPONED, REFUSED, Outcome, WriteResult
from messaging.publisher import EventPublisher, OutboundMessage
from platform_sdk.errors import (
    AccessDeniedError,
    AccountBlockedError,
    ConnectionEndedError,
    PermanentError,
    RetryLaterError,
)
from platform_sdk.session import INCREMENTAL, SyncContext

log = structlog.get_logger()
CLOSED_SECONDS = 900.0
"""How long writes wait to an account that is closed to every call, or to which the merchant must sign in again."""
MAX_MESSAGE_LENGTH = 500
ACCESS_DENIED, THROTTLED = "access_denied", "throttled"
Write = Callable[[SyncContext, Sequence[WriteRequested]], AsyncGenerator[WriteResult, None]]
"""One of the methods of a `destination.destination.Destination`."""


class WriteHandler:
    """Writes what waits for a connection, and publishes each result as soon as it is there.

    The process may be killed at any moment: Kafka then delivers the same requests again, and those that had their
    effect are found to have it. `write` has them written, and `record_result` receives the outcome of each, for the
    metrics.
    """

    def __init__(
        self,
        write: Write,
        tokens: TokenClient,
        publisher: EventPublisher,
        *,
        record_result: Callable[[Outcome], None],
        now: Callable[[], float] = time.time,
        uniform: Uniform = random.uniform,
    ) -> None:
        self._write_requests = write
        self._tokens = tokens
        self._publisher = publisher
        self._record_result = record_result
        self._now = now
        self._uniform = uniform

    async def __call__(self, connection: str, requests: Sequence[WriteRequested]) -> None:
        """Write all of `requests` of one connection. Returns when Kafka has acknowledged all results."""
        # A request that has come again under its id is written once: the last attempt counts.
        waiting = {request.write_id: request for request in requests}
        try:
            token = await self._tokens.get_token(connection, max(request.epoch for request in requests))
            for request in [one for one in waiting.values() if one.epoch != token.epoch]:
                result = WriteResult(request.write_id, REFUSED, message="the account was connected anew since")
                await self._publish(waiting.pop(request.write_id), result)
            if waiting:
                refresh = partial(self._tokens.get_token, connection, token.epoch, fresh=True)
                replace = self._tokens.replace_rejected_token
                context = SyncContext(token, requests[0].write_id, INCREMENTAL, replace, refresh)
                await self._write(context, waiting)
        except (AccountBlockedError, ConnectionEndedError) as error:
            await self._postpone(waiting.values(), str(error), CLOSED_SECONDS, ACCESS_DENIED)
        except RetryLaterError as error:
            attempt = max((request.attempt for request in waiting.values()), default=1)
            seconds = compute_delay(error, attempt, self._uniform)
            await self._postpone(waiting.values(), error.reason, seconds, THROTTLED if error.throttled else None)
        except PermanentError as error:
            code = ACCESS_DENIED if isinstance(error, AccessDeniedError) else f"{parse_platform(connection)}_api"
            for request in waiting.values():
                result = WriteResult(request.write_id, REFUSED, reason_code=code, message=error.reason)
                await self._publish(request, result)

    async def _write(self, context: SyncContext, waiting: dict[UUID, WriteRequested]) -> None:
        calls, points = 0, 0
        async with aclosing(self._write_requests(context, list(waiting.values()))) as results:
            async for result in results:
                request = waiting.pop(result.write_id)
                await self._publish(request, result, calls=context.calls - calls, points=context.points - points)
                calls, points = context.calls, context.points

    async def _postpone(
        self, requests: Iterable[WriteRequested], message: str | None, seconds: float, reason_code: str | None
    ) -> None:
        not_before = round((self._now() + seconds) * 1000)
        for request in requests:
            result = WriteResult(request.write_id, POSTPONED, reason_code=reason_code, message=message)
            await self._publish(request, result, not_before=not_before)

    async def _publish(
        self,
        request: WriteRequested,
        result: WriteResult,
        *,
        not_before: int | None = None,
        calls: int = 0,
        points: int = 0,
    ) -> None:
        event = WriteCompleted(
            write_id=request.write_id,
            link_id=request.link_id,
            connection=request.connection,
            epoch=request.epoch,
            attempt=request.attempt,
            outcome=result.outcome,
            record=result.record or request.record,
            variants=dict(result.variants),
            values=dict(result.values),
            written=dict(result.written),
            version=result.version,
            read_at=result.read_at,
            reason_code=result.reason_code,
            message=result.message[:MAX_MESSAGE_LENGTH] if result.message else None,
            not_before=not_before,
            calls=calls,
            points=points,
        )
        topic = get_written_topic(parse_platform(request.connection))
        event_id = f"{request.write_id}:{request.attempt}"
        await self._publisher.send_all([OutboundMessage(topic, request.connection, event, event_id)])
        self._record_result(result.outcome)
        log.info(
            "write ended",
            write=str(request.write_id),
            connection=request.connection,
            outcome=result.outcome,
            reason=result.reason_code,
            calls=calls,
            points=points,
        )
