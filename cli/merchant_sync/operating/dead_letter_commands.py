"""The command `merchant-sync dlq`: list, show, replay and discard dead letters (messages that could not be handled)."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated

import typer

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
    format_time,
    locate_installation_or_exit,
    print_details,
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
    for letter in letters:
        # The first line begins with the arguments of `dlq show`.
        typer.echo(f"{letter.position}  {format_time(letter.at)}")
        print_details(f"{letter.connection}, {letter.group}")
        print_details(letter.error)
    if not letters:
        typer.echo("No dead letters.")


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
        note = asyncio.run(dead_letters.load_discards(access, letter.topic)).get(letter.position)
    print_json({**letter.describe(with_body=body), "discarded": asdict(note) if note else None})


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
    position = _parse_selection(topic, partition, offset, of_topic, everything=everything)
    access = locate_installation_or_exit(data)
    with exit_on_errors():
        letters = _select_replayable(access, position, of_topic)
        replayed = asyncio.run(_replay_dead_letters(access, letters, dry_run=dry_run, quiet=as_json))
    if as_json:
        print_json({"dry_run": dry_run, "replayed": replayed})
    else:
        typer.echo(f"{len(replayed)} {'would be replayed' if dry_run else 'replayed'}")


@app.command("discard", epilog=EXIT_CODES)
def discard(
    reason: Annotated[str, typer.Option("--reason", help="Why they are not needed; kept and logged with each.")],
    topic: Annotated[str | None, typer.Argument(help="With or without .dlq; with PARTITION and OFFSET.")] = None,
    partition: Annotated[int | None, typer.Argument()] = None,
    offset: Annotated[int | None, typer.Argument()] = None,
    of_topic: Annotated[str | None, typer.Option("--topic", help="All of this topic.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of every topic.")] = False,
    data: DataDir = LOCAL,
    as_json: AsJson = False,
) -> None:
    """Discard dead letters that need no replay, with a reason: they are not listed, counted or replayed any more.

    The message stays on its topic for the rest of its seven days, and `dlq show` shows it with the reason.
    """
    position = _parse_selection(topic, partition, offset, of_topic, everything=everything)
    if not reason.strip():
        print_error("Give a --reason: why these messages are not needed.")
        raise typer.Exit(UNREACHABLE)
    access, summaries = locate_installation_or_exit(data), list[dict[str, object]]()

    def add_summary(letter: DeadLetter) -> None:
        summaries.append(letter.summary)

    with exit_on_errors():
        letters = _select(access, position, of_topic)
        asyncio.run(dead_letters.discard(access, letters, reason, on_discarded=add_summary))
    if as_json:
        print_json({"discarded": summaries})
    else:
        typer.echo(f"{len(summaries)} discarded")


Position = tuple[str, int, int]


def _parse_selection(
    topic: str | None, partition: int | None, offset: int | None, of_topic: str | None, *, everything: bool
) -> Position | None:
    """Return the position of the one dead letter that is selected; None when all of a topic or all are.

    Exits with code 2 when the arguments select nothing, or contradict each other.
    """
    position = (
        (topic, partition, offset) if topic is not None and partition is not None and offset is not None else None
    )
    if [position is not None, of_topic is not None, everything].count(True) != 1 or (topic is None) != (
        position is None
    ):
        print_error("Give TOPIC PARTITION OFFSET, or --topic TOPIC, or --all.")
        raise typer.Exit(UNREACHABLE)
    return position


async def _select(access: Access, position: Position | None, topic: str | None) -> AsyncIterator[DeadLetter]:
    """Yield the one dead letter at `position`, or else all of `topic` (None: of every topic) that are not discarded."""
    if position is None:
        async for letter in dead_letters.read_dead_letters(access, topic):
            yield letter
        return
    letter = await dead_letters.load_dead_letter(access, *position)
    if note := (await dead_letters.load_discards(access, letter.topic)).get(letter.position):
        raise StackError(f"{letter.position} was discarded: {note.reason}", exit_code=WRONG)
    yield letter


async def _select_replayable(access: Access, position: Position | None, topic: str | None) -> AsyncIterator[DeadLetter]:
    selected = _select(access, position, topic)
    if position is not None:
        letter = await anext(selected)
        if reason := dead_letters.explain_refusal(letter):
            raise StackError(reason, exit_code=WRONG)
        yield letter
        return
    async for letter in dead_letters.select_distinct_replayable(selected):
        yield letter


async def _replay_dead_letters(
    access: Access, letters: AsyncIterator[DeadLetter], *, dry_run: bool, quiet: bool
) -> list[dict[str, object]]:
    summaries = list[dict[str, object]]()

    def report_progress(letter: DeadLetter) -> None:
        summaries.append(letter.summary)
        if dry_run and not quiet:
            typer.echo(f"{letter.position} → {letter.came_from} {letter.connection}", err=True)
        elif not quiet and len(summaries) % PROGRESS_INTERVAL == 0:
            typer.echo(f"{len(summaries)} replayed", err=True)

    if dry_run:
        async for letter in letters:
            report_progress(letter)
    else:
        await dead_letters.replay(access, letters, on_replayed=report_progress)
    return summaries
