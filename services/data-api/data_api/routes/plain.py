"""The plain routes: the data of one connection, its status, and a refresh, for one's first minute."""

from collections.abc import Callable
from typing import Any

from contracts.events import ConnectionChanged
from data_api.access import AccessControl, ApiCaller
from data_api.asgi.errors import RequestError
from data_api.asgi.requests import Request
from data_api.asgi.responses import JSON, Response, StreamedResponse
from data_api.key_limits import LimitExceededError
from data_api.plain_answers import build_status
from data_api.representations import encode_json
from data_api.routes.connection_choice import MAX_LISTED, choose_connection
from data_api.routes.fetched_data import NO_STORE, DataReader
from data_api.routes.plain_models import ConnectionQuery, FetchQuery
from data_api.routes.refresh_requests import describe_refresh, request_refresh
from data_api.routes.update_streams import UpdateStreams
from data_api.snapshot_versions import NotReadYetError
from data_api.tables.state import KnownState
from data_api.use_cases.refreshes import Refreshes
from data_api.use_cases.snapshot_cache import SnapshotCache
from messaging.errors import UnavailableError


class PlainRoutes:
    """The handlers of the plain routes. `now` returns the time in ms."""

    def __init__(
        self,
        state: KnownState,
        access: AccessControl,
        cache: SnapshotCache,
        reader: DataReader,
        refreshes: Refreshes,
        streams: UpdateStreams,
        now: Callable[[], int],
    ) -> None:
        self._state = state
        self._access = access
        self._cache = cache
        self._reader = reader
        self._refreshes = refreshes
        self._streams = streams
        self._now = now

    async def fetch_data(self, request: Request) -> Response | StreamedResponse:
        """Answer with what is stored, at once. With `refresh` a sync is asked for too, with `stream` it is followed."""
        query: FetchQuery = request.parameters
        connection = choose_connection(self._access, request.caller, query.connection)
        if query.refresh and "refresh" not in request.caller.scopes:
            raise RequestError(403, "the key lacks the scope refresh")
        snapshot = await self._reader.load_snapshot(connection)
        self._reader.check_cut(connection, snapshot, query.cut)
        refresh = await self._ask_for_refresh(request.caller, connection) if query.refresh else {}
        if query.stream:
            return self._streams.respond(request, connection, snapshot, refresh, query.cut)
        return self._reader.open(connection, snapshot, refresh, query.cut).respond()

    async def refresh(self, request: Request) -> Response:
        """Ask for a full sync, unless one is open."""
        query: ConnectionQuery = request.parameters
        connection = choose_connection(self._access, request.caller, query.connection)
        requested = await request_refresh(self._refreshes, request.caller, connection)
        return Response(202, [JSON, NO_STORE], encode_json(describe_refresh(requested)))

    async def show_status(self, request: Request) -> Response:
        """Show what is known of a connection's data and its next update."""
        query: ConnectionQuery = request.parameters
        connection = choose_connection(self._access, request.caller, query.connection)
        try:
            version = await self._cache.find_version(connection)
        except NotReadYetError:
            version = None
        summary = self._state.syncs.get(connection.connection, connection.epoch)
        names = [state.connection for state in self._access.list_visible(request.caller)[:MAX_LISTED]]
        return Response(200, [JSON, NO_STORE], build_status(version, summary, names, self._now()))

    async def _ask_for_refresh(self, caller: ApiCaller, connection: ConnectionChanged) -> dict[str, Any]:
        """Ask for a sync, and return what the answer with the stored data says of it, also when there is none."""
        try:
            requested = await request_refresh(self._refreshes, caller, connection)
        except RequestError as error:
            return {"refresh": "failed", "refresh_error": error.message}
        except LimitExceededError:
            return {"refresh": "failed", "refresh_error": "too many refreshes with this key"}
        except UnavailableError:
            return {"refresh": "failed", "refresh_error": "syncs cannot be requested now"}
        return {"refresh": requested.status, "sync_id": requested.sync_id}
