"""The operator's commands on the command line: `doctor`, `status`, `sync`; `dlq` is beside it.

Exit codes of all: 0 all is well, 1 something is wrong or was refused, 2 it could not be asked.
"""

from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, TextColumn

from merchant_sync.operating import NotThere, doctor, letter_commands, status, syncing
from merchant_sync.operating.checks import BAD, GOOD, WARNING, Finding
from merchant_sync.operating.checks.connections import SAMPLE
from merchant_sync.operating.inside import Inside, Refused
from merchant_sync.operating.terminal import (
    CODES,
    LOCAL,
    NOT_ASKED,
    WRONG,
    AsJson,
    DataDir,
    asking,
    complain,
    reached,
    tell,
)

_SIGNS = {GOOD: "[green]✓[/]", WARNING: "[yellow]![/]", BAD: "[bold red]✗[/]"}


def add_to(app: typer.Typer) -> None:
    """Add the operator's commands to the command line."""
    app.command("doctor", epilog=CODES)(examine)
    app.command("status", epilog=CODES)(show_status)
    app.command("sync", epilog=CODES)(start_sync)
    app.add_typer(letter_commands.app, name="dlq")


def examine(
    data: DataDir = LOCAL,
    as_json: AsJson = False,
    sample: Annotated[int, typer.Option(min=0, max=500, help="Live connections looked at, of each platform.")] = SAMPLE,
) -> None:
    """Look at everything that an installation stands on, and say what to do where it is not good."""
    there = reached(data)
    console, errors = Console(soft_wrap=True, highlight=False), Console(stderr=True)
    findings: list[Finding] = []
    with Progress(TextColumn("{task.description}"), console=errors, transient=True) as shown:
        task = shown.add_task("looking")

        def progress(done: int, of: int) -> None:
            shown.update(task, description=f"connections {done}/{of}")

        for finding in doctor.examine(there, sample=sample, progress=progress):
            findings.append(finding)
            if not as_json:
                _print(console, finding)
    if as_json:
        counts = {verdict: sum(one.verdict == verdict for one in findings) for verdict in (GOOD, WARNING, BAD)}
        tell({**counts, "findings": [asdict(one) for one in findings]})
    if any(one.verdict == BAD for one in findings):
        raise typer.Exit(WRONG)


def _print(console: Console, finding: Finding) -> None:
    console.print(_SIGNS[finding.verdict], end=" ")
    console.print(f"{finding.what}: {finding.seen}" + (f" → {finding.do}" if finding.do else ""), markup=False)


def show_status(
    data: DataDir = LOCAL,
    connection: Annotated[str, typer.Option(help="This connection with its latest syncs.")] = "",
    as_json: AsJson = False,
) -> None:
    """Connections, syncs, consumer lag, freshness, dead letters."""
    there, console = reached(data), Console(soft_wrap=True)
    if connection:
        with asking(), Inside(there) as inside:
            told = _known(inside, connection)
    else:
        with asking():
            told = status.document(there)
    if as_json:
        tell(told)
    elif connection:
        status.show_connection(told, console)
    else:
        status.show(told, console)


def _known(inside: Inside, connection: str) -> dict[str, Any]:
    try:
        return inside.connection(connection)
    except Refused as refused:
        if refused.status != 404:
            raise
        raise NotThere(f"No connection {connection}.") from None


def start_sync(
    connection: Annotated[str, typer.Argument(help="platform:account, e.g. shopify:acme.myshopify.com")],
    mode: Annotated[str, typer.Option(help="full, or incremental with --resource and --id.")] = "full",
    resource: Annotated[str, typer.Option(help="Kind of the records, e.g. products, or page.")] = "",
    ids: Annotated[list[str] | None, typer.Option("--id", help="A record; again for each.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Until it ends: exit 0 success, 1 failed or cancelled.")] = False,
    data: DataDir = LOCAL,
    as_json: AsJson = False,
) -> None:
    """Start a sync of one connection, with cause `manual`. While a full sync runs already, that one covers it."""
    records = _wanted(mode, resource, ids or [])
    there, errors = reached(data), Console(stderr=True, soft_wrap=True, highlight=False)
    with asking(), Inside(there) as inside:
        sync_id = syncing.start(inside, connection, records)
        if not as_json:
            Console(soft_wrap=True, highlight=False).print(sync_id)
        if not wait:
            told: dict[str, Any] = {"sync_id": sync_id}
        else:
            told = syncing.followed(inside, sync_id, said=lambda shown: errors.print(_going(shown)))
    if as_json:
        tell(told)
    if wait and told["state"] != "success":
        raise typer.Exit(WRONG)


def _wanted(mode: str, resource: str, ids: list[str]) -> dict[str, list[str]] | None:
    """The records that are asked for, None for all; ends with code 2 where the options do not fit together."""
    if mode == "full" and not resource and not ids:
        return None
    if mode == "incremental" and resource and ids:
        return {resource: ids}
    complain("Say --mode full, or --mode incremental with --resource and at least one --id.")
    raise typer.Exit(NOT_ASKED)


def _going(shown: dict[str, Any]) -> str:
    counts = f"{shown['records']} records in {shown['pages']} pages, {shown['changed']} changed"
    return f"{shown['state']}: {counts}" + (f" ({shown['reason']})" if shown["reason"] else "")
