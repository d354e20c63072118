"""The declarations of the plain routes."""

from collections.abc import Mapping

from data_api.asgi.operations import Answer, Operation
from data_api.routes.plain import PlainRoutes
from data_api.routes.plain_models import ConnectionQuery, FetchedData, FetchQuery, RequestedRefresh, StatusAnswer

TAG = "First minute"
_MISSING = "No full sync has succeeded yet. The message says whether it runs, or why it failed."
_COMMON: Mapping[int, str] = {
    400: "The request is malformed, or the key is for several connections and none is named.",
    404: "There is no such connection, or it is somebody else's.",
}


def list_plain_operations(routes: PlainRoutes) -> list[Operation]:
    """Return the declarations of the plain routes."""
    return [
        Operation(
            "GET",
            "/fetch-data",
            "fetchData",
            "The data of a connection, as it is stored",
            routes.fetch_data,
            {200: Answer("What is stored. With `stream`, Server-Sent Events.", FetchedData, is_also_stream=True)},
            TAG,
            description=(
                "Answers from what is stored, and never waits for the platform. With `refresh=true` one sync is asked "
                "for as well. With `stream=true` the answer is a stream of Server-Sent Events: `cached` with this "
                "answer; with `refresh=true` then `progress`, and `updated` with the new answer, `unchanged`, or "
                "`failed` with the reason; then `end`, or `timeout` when the stream has lasted too long. `fields` and "
                "`limit` cut `data`, in each of these answers."
            ),
            errors="plain",
            error_answers={**_COMMON, 400: f"{_COMMON[400]} Or the data cannot be cut so.", 503: _MISSING},
            parameters=FetchQuery,
        ),
        Operation(
            "POST",
            "/refresh",
            "refresh",
            "Ask for a full sync",
            routes.refresh,
            {202: Answer("The sync that was started, or the one that is open: never a second one.", RequestedRefresh)},
            TAG,
            scope="refresh",
            errors="plain",
            error_answers={**_COMMON, 409: "The account must be connected again, at `sign_in_url`."},
            parameters=ConnectionQuery,
        ),
        Operation(
            "GET",
            "/status",
            "getStatus",
            "Whether there is data, how old it is, and when it is updated next",
            routes.show_status,
            {200: Answer("The state of the connection's data.", StatusAnswer)},
            TAG,
            errors="plain",
            error_answers=_COMMON,
            parameters=ConnectionQuery,
        ),
    ]
