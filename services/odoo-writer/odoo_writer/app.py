"""The composition root of the odoo-writer: opens its client and its destination, and runs the service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from destination.app import run_writer
from messaging.tracing import trace_call
from odoo_writer.destination import OdooDestination
from odoo_writer.settings import OdooWriterSettings
from platform_sdk.public_addresses import Resolver
from platform_sdk.session import SyncContext
from platforms.known_settings import list_known_settings
from platforms.odoo.client import KnownTransports
from platforms.odoo.http import OdooHttp, create_http_client
from platforms.odoo.manifest import MANIFEST
from platforms.odoo.rate_limit import RateLimits
from platforms.odoo.session import OdooSession

SERVICE = "odoo-writer"


@asynccontextmanager
async def _open_destination(settings: OdooWriterSettings) -> AsyncIterator[OdooDestination]:
    resolver = Resolver()
    client = create_http_client(settings.odoo_allowed_hosts, resolver.resolve)
    http = OdooHttp(client, trace=trace_call)
    limits, known = RateLimits(settings.odoo_calls_per_second), KnownTransports()

    def open_session(context: SyncContext) -> OdooSession:
        return OdooSession(http, context, limits, known)

    try:
        async with client:
            yield OdooDestination(open_session)
    finally:
        resolver.close()


def main() -> None:
    """Run the service until the process receives SIGINT or SIGTERM."""
    known = list_known_settings()
    run_writer(SERVICE, MANIFEST.slug, OdooWriterSettings, _open_destination, known_settings=known)


if __name__ == "__main__":
    main()
