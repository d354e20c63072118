"""Lets the web pages of the configured origins call the API with a key (CORS)."""

from collections.abc import Iterable, Mapping

from data_api.asgi.responses import Header, Response

_METHODS = b"GET, HEAD, POST, PATCH, DELETE"
_REQUEST_HEADERS = b"authorization, x-api-key, content-type, if-none-match, range, last-event-id"
_RESPONSE_HEADERS = (
    b"etag, retry-after, ratelimit, ratelimit-policy, location, content-range, last-modified, repr-digest"
)
_MAX_AGE = b"600"
_VARY: Header = (b"vary", b"origin")


class Cors:
    """Builds the headers of CORS for `origins`. Cookies are not used, so credentials are not allowed."""

    def __init__(self, origins: Iterable[str]) -> None:
        self._origins = frozenset(origin.encode() for origin in origins)

    def build_headers(self, request_headers: Mapping[bytes, bytes]) -> list[Header]:
        """Return the headers to add to the response: none for an origin that is not allowed."""
        if not self._origins:
            return []
        origin = request_headers.get(b"origin")
        if origin not in self._origins:
            return [_VARY]
        return [
            _VARY,
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", _RESPONSE_HEADERS),
        ]

    def answer_preflight(self, request_headers: Mapping[bytes, bytes]) -> Response:
        """Answer the question of a browser whether a page may send a request: by the headers of `build_headers`."""
        if request_headers.get(b"origin") not in self._origins:
            return Response(204)
        return Response(
            204,
            [
                (b"access-control-allow-methods", _METHODS),
                (b"access-control-allow-headers", _REQUEST_HEADERS),
                (b"access-control-max-age", _MAX_AGE),
            ],
        )
