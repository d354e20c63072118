"""Composition root of the spaces-writer: deduplicates, gives verdicts, composes and uploads."""

from contextlib import AsyncExitStack
from typing import Any

from fastapi import FastAPI
from faststream.kafka import KafkaBroker

from contracts.events import FETCHED, ConnectionChanged
from contracts.topics import CONNECTION_CHANGED, DATA_FETCHED, DATA_FETCHED_WALK
from messaging.dead_letters import DeadLetters
from messaging.intake import IntakeLimits, KeyedIntake
from messaging.outbox import Outbox
from messaging.publisher import Publisher
from serving.logs import configure_logs
from serving.process import Check, health_routes, serve
from serving.settings import read_settings
from spaces_writer.client import open_bucket
from spaces_writer.composer import Composer
from spaces_writer.handlers import ConnectionsHandler, PagesHandler
from spaces_writer.settings import WriterSettings
from storing.database import Database

SERVICE = "spaces-writer"
PAGES = IntakeLimits(batch_bytes=2 * 1024 * 1024, keys=8, held_bytes=16 * 1024 * 1024)
"""Pages are large: what waits is bounded by bytes, so that memory does not grow with a shop."""


async def _running(stack: AsyncExitStack) -> list[tuple[object, str, int]]:
    settings = read_settings(WriterSettings)
    configure_logs(SERVICE)
    database = Database(settings.database_url, schema="spaces_writer")
    stack.push_async_callback(database.close)
    await database.migrate("spaces_writer")
    publisher = await stack.enter_async_context(Publisher(settings.kafka_bootstrap_servers, source=SERVICE))
    bucket = await stack.enter_async_context(open_bucket(settings))
    outbox = Outbox(database.transaction, publisher, source=SERVICE)
    composer = Composer(database, bucket, outbox, at_once=settings.composes_at_once)
    broker = KafkaBroker(settings.kafka_bootstrap_servers, logger=None, allow_auto_create_topics=False)

    def stored() -> None:
        outbox.nudge()
        composer.nudge()

    pages = PagesHandler(database.transaction, stored=stored)
    intakes: list[KeyedIntake[Any]] = [
        KeyedIntake(
            broker,
            topic,
            group=f"{SERVICE}.{topic}",
            parse=FETCHED.validate_json,
            handle=pages,
            dead_letters=DeadLetters(publisher),
            limits=PAGES,
        )
        for topic in (DATA_FETCHED, DATA_FETCHED_WALK)
    ]
    changes = KeyedIntake(
        broker,
        CONNECTION_CHANGED,
        group=f"{SERVICE}.{CONNECTION_CHANGED}",
        parse=ConnectionChanged.model_validate_json,
        handle=ConnectionsHandler(database.transaction, changed=composer.nudge),
        dead_letters=DeadLetters(publisher),
    )
    await stack.enter_async_context(outbox.running())
    await stack.enter_async_context(composer.running())
    await broker.start()
    stack.push_async_callback(broker.stop)
    for intake in (*intakes, changes):
        stack.push_async_callback(intake.stop)
    app = FastAPI(openapi_url=None)
    health_routes(app, _checks(database, bucket.check, outbox, [*intakes, changes]))
    return [(app, settings.host, settings.port)]


def _checks(database: Database, bucket: Check, outbox: Outbox, intakes: list[KeyedIntake[Any]]) -> dict[str, Check]:
    async def postgres() -> str | None:
        return await database.trouble()

    async def kafka() -> str | None:
        return next((t for t in (outbox.trouble, *(i.trouble for i in intakes)) if t), None)

    return {"postgres": postgres, "bucket": bucket, "kafka": kafka}


def main() -> None:
    """Run the service until it is asked to end."""
    serve(_running)


if __name__ == "__main__":
    main()
