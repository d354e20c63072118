"""`merchant-sync dlq`: look at what could not be handled, and say it again."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from merchant_sync.access import Access
from merchant_sync.operating import NotThere, letters
from merchant_sync.operating.letters import Letter
from merchant_sync.operating.terminal import CODES, LOCAL, NOT_ASKED, AsJson, DataDir, asking, complain, reached, tell

app = typer.Typer(no_args_is_help=True, help="Dead letters: what could not be handled, kept for seven days.")
Topic = Annotated[str | None, typer.Option(help="Of this topic alone, with or without .dlq.")]
PROGRESS = 100


@app.command("list", epilog=CODES)
def show_list(
    topic: Topic = None,
    connection: Annotated[str | None, typer.Option(help="Of this connection alone.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="The latest so many.")] = 50,
    data: DataDir = LOCAL,
    as_json: AsJson = False,
) -> None:
    """The latest dead letters, the newest first."""
    there = reached(data)
    with asking():
        found = asyncio.run(letters.latest(there, topic, connection, limit))
    if as_json:
        tell([letter.summary for letter in found])
        return
    table = Table("topic", "partition", "offset", "at", "connection", "group", "error", box=None, padding=(0, 2, 0, 0))
    for one in found:
        at = datetime.fromtimestamp(one.at / 1000, UTC).isoformat(timespec="seconds")
        table.add_row(one.topic, str(one.partition), str(one.offset), at, one.connection, one.group, one.error)
    Console(soft_wrap=True).print(table if found else "No dead letters.")


@app.command("show", epilog=CODES)
def show_one(
    topic: Annotated[str, typer.Argument(help="With or without .dlq.")],
    partition: int,
    offset: int,
    body: Annotated[bool, typer.Option("--body", help="With what is in its records: a merchant's data.")] = False,
    data: DataDir = LOCAL,
) -> None:
    """One dead letter as JSON: headers, error, and the event without what is in its records."""
    there = reached(data)
    with asking():
        letter = asyncio.run(letters.one(there, topic, partition, offset))
    tell(letter.shown(body=body))


@app.command("replay", epilog=CODES)
def replay(
    topic: Annotated[str | None, typer.Argument(help="With or without .dlq; with PARTITION and OFFSET.")] = None,
    partition: Annotated[int | None, typer.Argument()] = None,
    offset: Annotated[int | None, typer.Argument()] = None,
    of_topic: Annotated[str | None, typer.Option("--topic", help="All of this topic.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of every topic.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say which, and send nothing.")] = False,
    data: DataDir = LOCAL,
    as_json: AsJson = False,
) -> None:
    """Say dead letters again on the topic that they came from, with their key and headers, once their cause is mended.

    It passes every check again, so that twice changes nothing. The dead letter has failed its sync, and stays where it
    is: an ended sync is never opened again, while its data comes. What still cannot be handled becomes a dead letter
    anew.
    """
    single = topic is not None and partition is not None and offset is not None
    if [single, of_topic is not None, everything].count(True) != 1 or (topic is not None and not single):
        complain("Say TOPIC PARTITION OFFSET, or --topic TOPIC, or --all.")
        raise typer.Exit(NOT_ASKED)
    there = reached(data)
    place = (topic, partition, offset) if topic is not None and partition is not None and offset is not None else None
    with asking():
        said = asyncio.run(_replayed(there, _chosen(there, place, of_topic), dry_run=dry_run, quiet=as_json))
    if as_json:
        tell({"dry_run": dry_run, "replayed": said})
    else:
        Console(highlight=False).print(f"{len(said)} {'would be said' if dry_run else 'said'} again")


async def _chosen(there: Access, place: tuple[str, int, int] | None, topic: str | None) -> AsyncIterator[Letter]:
    if place is not None:
        letter = await letters.one(there, *place)
        if reason := letters.refused(letter):
            raise NotThere(reason)
        yield letter
        return
    async for letter in letters.once_each(letters.letters(there, topic)):
        yield letter


async def _replayed(
    there: Access, chosen: AsyncIterator[Letter], *, dry_run: bool, quiet: bool
) -> list[dict[str, object]]:
    errors, told = Console(stderr=True, highlight=False, soft_wrap=True), list[dict[str, object]]()

    def said(letter: Letter) -> None:
        told.append(letter.summary)
        if dry_run and not quiet:
            errors.print(f"{letter.place} → {letter.came_from} {letter.connection}", markup=False)
        elif not quiet and len(told) % PROGRESS == 0:
            errors.print(f"{len(told)} said again")

    if dry_run:
        async for letter in chosen:
            said(letter)
    else:
        await letters.say_again(there, chosen, said=said)
    return told
