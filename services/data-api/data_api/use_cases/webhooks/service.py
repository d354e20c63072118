"""What merchants' programs do with endpoints: they make, change, try out, move and delete them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import structlog

from contracts.events import ConnectionChanged
from contracts.feed_cursors import FeedCursor
from data_api.access import ApiCaller, is_operator
from data_api.asgi.errors import RequestError
from data_api.client.receivers import ReceiverClient, UrlRefusedError
from data_api.key_limits import KeyLimits
from data_api.store.endpoints import KEPT_DAYS, EndpointStore
from data_api.use_cases.connection_reads import ConnectionReads
from data_api.use_cases.webhooks.messages import build_test_message
from data_api.use_cases.webhooks.secrets import EndpointSecrets
from data_api.use_cases.webhooks.sender import MessageSender
from data_api.webhook_endpoints import Attempt, Delivery, EndpointOptions, WebhookEndpoint
from data_api.webhook_signatures import generate_secret

log = structlog.get_logger()
MAX_ENDPOINTS = 10
"""How many endpoints a connection can have."""
_FIRST = UUID(int=0)


@dataclass(frozen=True)
class EndpointChanges:
    """What somebody changes of an endpoint. What is None stays."""

    choose_options: Callable[[EndpointOptions], EndpointOptions]
    """Returns the new options for the present ones."""
    keep_secret_hours: int | None = None
    """Replace the secret, and sign with the former one too for so many hours."""
    is_active: bool | None = None


@dataclass(frozen=True)
class EndpointWithSecret:
    """An endpoint, and its secret if it was just made, which nobody sees a second time."""

    endpoint: WebhookEndpoint
    secret: str | None = field(default=None, repr=False)


class EndpointService:
    """Changes endpoints for those who may.

    Every method that gets the id of an endpoint raises `RequestError` (404) for one that the caller may not see:
    endpoints that the operator has made are the operator's alone.
    """

    def __init__(
        self,
        reads: ConnectionReads,
        store: EndpointStore,
        receivers: ReceiverClient,
        sender: MessageSender,
        secrets: EndpointSecrets,
        limits: KeyLimits,
        now: Callable[[], datetime],
    ) -> None:
        self._reads = reads
        self._store = store
        self._receivers = receivers
        self._sender = sender
        self._secrets = secrets
        self._limits = limits
        self._now = now

    async def make(
        self, caller: ApiCaller, connection: ConnectionChanged, options: EndpointOptions, start: FeedCursor | None
    ) -> EndpointWithSecret:
        """Make an endpoint that gets what changes after `start`, by default from now on.

        Raises `RequestError` for an address to which nothing may be sent (400), for a connection with `MAX_ENDPOINTS`
        endpoints (409), for a cursor from which its feed cannot go on (400), and before its first full sync (503).
        """
        await self._check_url(caller, options.url)
        head = await self._reads.load_head(connection)
        if start is not None and not head.can_resume(start):
            raise RequestError(400, "since: the feed cannot go on from this cursor")
        endpoint_id, secret, now = uuid4(), generate_secret(), self._now()
        assert connection.merchant is not None
        endpoint = WebhookEndpoint(
            id=endpoint_id,
            connection=connection.connection,
            epoch=connection.epoch,
            merchant=connection.merchant,
            connection_revision=connection.revision,
            owner=caller.owner,
            keys_revision=self._reads.access.get_keys_revision(connection.connection),
            options=options,
            secret=self._secrets.encrypt(endpoint_id, secret),
            former_secret=None,
            former_secret_until=None,
            state="active",
            reason=None,
            position=start or head.cursor,
            failing_since=None,
            made_at=now,
            next_message_at=now,
        )
        if not await self._store.add(endpoint, now, limit=MAX_ENDPOINTS):
            raise RequestError(409, f"this connection has {MAX_ENDPOINTS} endpoints, the most: delete one first")
        log.info("endpoint made", connection=endpoint.connection, endpoint=str(endpoint.id), key=caller.label)
        return EndpointWithSecret(endpoint, secret)

    async def find(self, caller: ApiCaller, endpoint: UUID) -> WebhookEndpoint:
        """Return an endpoint that the caller may see."""
        found = await self._store.load(endpoint)
        if found is None or not self._may_see(caller, found):
            raise RequestError(404, "there is no such endpoint")
        return found

    async def list_page(
        self, caller: ApiCaller, connection: str | None, after: tuple[str, UUID] | None, limit: int
    ) -> list[WebhookEndpoint]:
        """Return the endpoints that the caller may see, of one connection or of all, behind the place `after`."""
        visible = self._reads.access.list_visible(caller)
        names = [state.connection for state in visible if connection in (None, state.connection)]
        found: list[WebhookEndpoint] = []
        place: tuple[str, UUID] | None = after or ("", _FIRST)
        while place is not None and len(found) < limit:
            page = await self._store.list_page(names, place, limit)
            found += [endpoint for endpoint in page if self._may_see(caller, endpoint)]
            place = (page[-1].connection, page[-1].id) if len(page) == limit else None
        return found[:limit]

    async def change(self, caller: ApiCaller, endpoint: UUID, changes: EndpointChanges) -> EndpointWithSecret:
        """Change an endpoint. Whoever changes its address or its secret, or makes it active, owns it from then on.

        So what somebody has diverted with a key ends with it. What a merchant's key has made stays the merchant's.
        """
        found = await self.find(caller, endpoint)
        options = changes.choose_options(found.options)
        is_diverted = options.url != found.options.url or changes.keep_secret_hours is not None
        if options.url != found.options.url:
            await self._check_url(caller, options.url)
        is_taken = (is_diverted or changes.is_active) and is_operator(caller.owner) == is_operator(found.owner)
        keys_revision = self._reads.access.get_keys_revision(found.connection)
        now, secret = self._now(), None
        if changes.keep_secret_hours is not None:
            secret = generate_secret()
        await self._store.update(
            endpoint,
            now,
            options=options,
            secret=self._secrets.encrypt(endpoint, secret) if secret is not None else None,
            former_until=now + timedelta(hours=changes.keep_secret_hours) if changes.keep_secret_hours else None,
            owner=(caller.owner, keys_revision) if is_taken else None,
            is_active=changes.is_active,
        )
        log.info("endpoint changed", connection=found.connection, endpoint=str(endpoint), key=caller.label)
        return EndpointWithSecret(await self.find(caller, endpoint), secret)

    async def delete(self, caller: ApiCaller, endpoint: UUID) -> None:
        """Delete an endpoint and all messages to it."""
        found = await self.find(caller, endpoint)
        await self._store.delete([endpoint])
        log.info("endpoint deleted", connection=found.connection, endpoint=str(endpoint), key=caller.label)

    async def send_test(self, caller: ApiCaller, endpoint: UUID) -> Attempt:
        """Send a test to an endpoint, whatever its state, and return what came of it."""
        found = await self.find(caller, endpoint)
        self._limits.take_test(caller.key_hash)
        message = build_test_message(found.connection, self._now())
        attempt = await self._sender.send(found, message.id, message.body)
        await self._store.add_test(endpoint, message, attempt, self._now())
        return attempt

    async def list_deliveries(
        self, caller: ApiCaller, endpoint: UUID, *, before: int | None, state: str | None, limit: int
    ) -> Sequence[Delivery]:
        """Return messages to an endpoint, newest first, those with lower numbers than `before`."""
        await self.find(caller, endpoint)
        return await self._store.list_deliveries(endpoint, before=before, state=state, limit=limit)

    async def replay(self, caller: ApiCaller, endpoint: UUID, since: FeedCursor | datetime) -> FeedCursor:
        """Let an endpoint go on from a cursor, or from what was not delivered before a time; return the cursor.

        Raises `RequestError` (400) for a cursor from which the feed cannot go on, and for a time of which the
        deliveries are not kept any more.
        """
        found = await self.find(caller, endpoint)
        if isinstance(since, datetime):
            if since < self._now() - timedelta(days=KEPT_DAYS):
                raise RequestError(400, f"since: deliveries are kept for {KEPT_DAYS} days; give a cursor")
            position = await self._store.find_start(found, since)
        else:
            position = since
            if not (await self._reads.load_head(self._reads.find(caller, found.connection))).can_resume(since):
                raise RequestError(400, "since: the feed cannot go on from this cursor")
        await self._store.move(endpoint, position, self._now())
        log.info("endpoint replays", connection=found.connection, endpoint=str(endpoint), key=caller.label)
        return position

    async def _check_url(self, caller: ApiCaller, url: str) -> None:
        self._limits.take_address(caller.key_hash)
        try:
            await self._receivers.check_url(url)
        except UrlRefusedError as error:
            raise RequestError(400, f"url: {error}") from None

    def _may_see(self, caller: ApiCaller, endpoint: WebhookEndpoint) -> bool:
        access = self._reads.access
        if is_operator(endpoint.owner) and not is_operator(caller.owner):
            return False
        return access.get_visible(caller, endpoint.connection) is not None and access.is_bound(
            endpoint.connection, endpoint.epoch, endpoint.merchant
        )
