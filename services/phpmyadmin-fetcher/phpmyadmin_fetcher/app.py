"""The composition root of the phpmyadmin-fetcher: opens its client and its source, and runs the service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from connector.app import run_fetcher
from messaging.tracing import trace_call
from phpmyadmin_fetcher.login_sessions import MAX_PAUSE_SECONDS, open_login_sessions
from phpmyadmin_fetcher.range_sizes import MAX_ROWS, RangeSizes
from phpmyadmin_fetcher.settings import PhpMyAdminFetcherSettings
from phpmyadmin_fetcher.source import PhpMyAdminSource
from platform_sdk.public_addresses import Resolver
from platforms.known_settings import list_known_settings
from platforms.phpmyadmin.http import create_http_client
from platforms.phpmyadmin.logins import PhpMyAdminLogin
from platforms.phpmyadmin.manifest import MANIFEST
from platforms.phpmyadmin.session import PhpMyAdminSession


@asynccontextmanager
async def _open_source(settings: PhpMyAdminFetcherSettings) -> AsyncIterator[PhpMyAdminSource]:
    resolver = Resolver()
    http = create_http_client(settings.phpmyadmin_allowed_hosts, resolver.resolve)

    def open_session(login: PhpMyAdminLogin) -> PhpMyAdminSession:
        return PhpMyAdminSession(http, login, trace=trace_call)

    sessions = open_login_sessions(open_session, rows_per_second=settings.phpmyadmin_rows_per_second)
    try:
        async with http, sessions as logins:
            # No range may have more rows than the longest pause after it makes up for.
            sizes = RangeSizes(max_rows=min(MAX_ROWS, int(MAX_PAUSE_SECONDS * settings.phpmyadmin_rows_per_second)))
            yield PhpMyAdminSource(logins, max_bytes=settings.phpmyadmin_max_bytes, sizes=sizes)
    finally:
        resolver.close()


def main() -> None:
    """Run the service until the process receives SIGINT or SIGTERM."""
    known = list_known_settings()
    run_fetcher(MANIFEST.fetcher, MANIFEST.slug, PhpMyAdminFetcherSettings, _open_source, known_settings=known)


if __name__ == "__main__":
    main()
