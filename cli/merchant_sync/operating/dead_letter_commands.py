"""The command `merchant-sync dlq`: list, show and replay dead letters (messages that could not be handled)."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from merchant_sync.access import Access
from merchant_sync.operating import dead_letters
from merchant_sync.operating.dead_letters import DeadLetter
from merchant_sync.operating.terminal import (
    EXIT_CODES,
    LOCAL,
    UNREACHABLE,
    WRONG,
    AsJson,
    DataDir,
    exit_on_errors,
    locate_installation_or_exit,
    print_error,
    print_json,
)
from merchant_sync.parts import StackError

app = typer.Typer(no_args_is_help=True, help="Dead letters: messages that could not be handled, kept for seven days.")
Topic = Annotated[str | None, typer.Option(help="Of this topic alone, with or without .dlq.")]
PROGRESS_INTERVAL = 100
"""A replay prints how far it is each time that this many messages have been replayed."""


@app.command("list", epilog=EXIT_CODES)
def list_latest(
    topic: Topic = None,
    connection: Annotated[str | None, typer.Option(help="Of this connection alone.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    data: DataDir = LOCAL,
    as_json: AsJson = False,
) -> None:
    """List the latest dead letters (messages that could not be handled), the newest first."""
    access = locate_installation_or_exit(data)
    with exit_on_errors():
        letters = asyncio.run(dead_letters.load_latest_without_bodies(access, topic, connection, limit))
    if as_json:
        print_json([letter.summary for letter in letters])
        return
    table = Table("topic", "partition", "offset", "at", "connection", "group", "error", box=None, padding=(0, 2, 0, 0))
    for letter in letters:
        at = datetime.fromtimestamp(letter.at / 1000, UTC).isoformat(timespec="seconds")
        position = (letter.topic, str(letter.partition), str(letter.offset))
        table.add_row(*position, at, letter.connection, letter.group, letter.error)
    Console(soft_wrap=True).print(table if letters else "No dead letters.")


@app.command("show", epilog=EXIT_CODES)
def show_one(
    topic: Annotated[str, typer.Argument(help="With or without .dlq.")],
    partition: int,
    offset: int,
    body: Annotated[bool, typer.Option("--body", help="With the data in its records, which is a merchant's.")] = False,
    data: DataDir = LOCAL,
) -> None:
    """Show one dead letter as JSON: headers, error, and the event. Data of its records is shown only with --body."""
    access = locate_installation_or_exit(data)
    with exit_on_errors():
        letter = asyncio.run(dead_letters.load_dead_letter(access, topic, partition, offset))
    print_json(letter.describe(with_body=body))


@app.command("replay", epilog=EXIT_CODES)
def replay(
    topic: Annotated[str | None, typer.Argument(help="With or without .dlq; with PARTITION and OFFSET.")] = None,
    partition: Annotated[int | None, typer.Argument()] = None,
    offset: Annotated[int | None, typer.Argument()] = None,
    of_topic: Annotated[str | None, typer.Option("--topic", help="All of this topic.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of every topic.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List them, and send nothing.")] = False,
    data: DataDir = LOCAL,
    as_json: AsJson = False,
) -> None:
    """Publish dead letters again on the topic that they came from, once the cause of their failure is fixed.

    A replayed message keeps its key and headers and passes every check again, so a second replay changes nothing. Its
    data is stored, but the sync that failed with the dead letter stays failed. The dead letter itself is not deleted. A
    message that fails again becomes another dead letter.
    """
    single = topic is not None and partition is not None and offset is not None
    if [single, of_topic is not None, everything].count(True) != 1 or (topic is not None and not single):
        print_error("Give TOPIC PARTITION OFFSET, or --topic TOPIC, or --all.")
        raise typer.Exit(UNREACHABLE)
    access = locate_installation_or_exit(data)
    position = (
        (topic, partition, offset) if topic is not None and partition is not None and offset is not None else None
    )
    with exit_on_errors():
        letters = _select_dead_letters(access, position, of_topic)
        replayed = asyncio.run(_replay_dead_letters(access, letters, dry_run=dry_run, quiet=as_json))
    if as_json:
        print_json({"dry_run": dry_run, "replayed": replayed})
    else:
        Console(highlight=False).print(f"{len(replayed)} {'would be replayed' if dry_run else 'replayed'}")


async def _select_dead_letters(
    access: Access, position: tuple[str, int, int] | None, topic: str | None
) -> AsyncIterator[DeadLetter]:
    if position is not None:
        letter = await dead_letters.load_dead_letter(access, *position)
        if reason := dead_letters.explain_refusal(letter):
            raise StackError(reason, exit_code=WRONG)
        yield letter
        return
    async for letter in dead_letters.select_distinct_replayable(dead_letters.read_dead_letters(access, topic)):
        yield letter


async def _replay_dead_letters(
    access: Access, letters: AsyncIterator[DeadLetter], *, dry_run: bool, quiet: bool
) -> list[dict[str, object]]:
    errors, summaries = Console(stderr=True, highlight=False, soft_wrap=True), list[dict[str, object]]()

    def report_progress(letter: DeadLetter) -> None:
        summaries.append(letter.summary)
        if dry_run and not quiet:
            errors.print(f"{letter.position} → {letter.came_from} {letter.connection}", markup=False)
        elif not quiet and len(summaries) % PROGRESS_INTERVAL == 0:
            errors.print(f"{len(summaries)} replayed")

    if dry_run:
        async for letter in letters:
            report_progress(letter)
    else:
        await dead_letters.replay(access, letters, on_replayed=report_progress)
    return summaries
