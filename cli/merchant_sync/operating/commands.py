"""The operator's commands `doctor`, `status` and `sync`.

`audit`, `changes`, `connections`, `dlq`, `guard`, `keys` and `link` are in modules of their own.

Their exit codes: 0 all is well, 1 something is wrong or is refused, 2 the installation cannot be reached.
"""

from dataclasses import asdict
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, TextColumn

from merchant_sync.operating import (
    audit,
    changes,
    connection_commands,
    dead_letter_commands,
    doctor,
    guard_commands,
    key_commands,
    link_commands,
    status,
    syncing,
)
from merchant_sync.operating.checks import BAD, GOOD, WARNING, Finding
from merchant_sync.operating.checks.connections import SAMPLE
from merchant_sync.operating.internal_api import LISTED, InternalApi
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
from merchant_sync.operating.uploads import describe_wait
from merchant_sync.parts import StackError

_SIGNS = {GOOD: "[green]✓[/]", WARNING: "[yellow]![/]", BAD: "[bold red]✗[/]"}
FULL, INCREMENTAL = "full", "incremental"


def add_commands(app: typer.Typer) -> None:
    """Add the operator's commands to the command line."""
    app.command("doctor", epilog=EXIT_CODES)(examine)
    app.command("status", epilog=EXIT_CODES)(show_status)
    app.command("sync", epilog=EXIT_CODES)(start_sync)
    app.command("audit", epilog=EXIT_CODES)(audit.show_audit_log)
    app.command("changes", epilog=EXIT_CODES)(changes.show_changes)
    app.add_typer(connection_commands.app, name="connections")
    app.add_typer(dead_letter_commands.app, name="dlq")
    app.add_typer(guard_commands.app, name="guard")
    app.add_typer(key_commands.app, name="keys")
    app.add_typer(link_commands.app, name="link")


def examine(
    data: DataDir = LOCAL,
    as_json: AsJson = False,
    sample: Annotated[int, typer.Option(min=0, max=500, help="Live connections checked of each platform.")] = SAMPLE,
) -> None:
    """Check everything that an installation depends on, and print what to do where something is wrong."""
    access = locate_installation_or_exit(data)
    console, errors = Console(soft_wrap=True, highlight=False), Console(stderr=True)
    findings: list[Finding] = []
    with Progress(TextColumn("{task.description}"), console=errors, transient=True) as progress:
        task = progress.add_task("checking")

        def show_progress(done: int, total: int) -> None:
            progress.update(task, description=f"connections {done}/{total}")

        for finding in doctor.examine(access, data, sample=sample, on_progress=show_progress):
            findings.append(finding)
            if not as_json:
                _print(console, finding)
    if as_json:
        counts = {result: sum(one.result == result for one in findings) for result in (GOOD, WARNING, BAD)}
        print_json({**counts, "findings": [asdict(finding) for finding in findings]})
    if any(finding.result == BAD for finding in findings):
        raise typer.Exit(WRONG)


def _print(console: Console, finding: Finding) -> None:
    action = f" → {finding.action}" if finding.action else ""
    console.print(_SIGNS[finding.result], end=" ")
    console.print(f"{finding.subject}: {finding.details}{action}", markup=False)


def show_status(
    data: DataDir = LOCAL,
    connection: Annotated[str, typer.Option(help="This connection with its latest syncs.")] = "",
    show_all: Annotated[bool, typer.Option("--all", help="Lists with all entries instead of 20.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show connections, syncs, consumer lag, dead letters, and how long ago the last successful syncs were."""
    access, limit = locate_installation_or_exit(data), None if show_all else LISTED
    with exit_on_errors():
        document = (
            _load_connection_and_close(InternalApi(access), connection, limit)
            if connection
            else status.load_status(access, limit=limit)
        )
    if as_json:
        print_json(document)
    elif connection:
        status.show_connection(document)
    else:
        status.show_status(document)


def _load_connection_and_close(api: InternalApi, connection: str, limit: int | None) -> dict[str, Any]:
    try:
        with api:
            return api.load_connection(connection, syncs=limit)
    except StackError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        raise StackError(f"No connection {connection}.", exit_code=WRONG) from None


def start_sync(
    connection: Annotated[str, typer.Argument(help="platform:account, as `merchant-sync connections list` shows it")],
    mode: Annotated[str, typer.Option(help="full, or incremental with --resource and --id.")] = FULL,
    resource: Annotated[str, typer.Option(help="Resource of the records, e.g. products, or page.")] = "",
    ids: Annotated[list[str] | None, typer.Option("--id", help="A record; again for each.")] = None,
    cancel: Annotated[str, typer.Option(help="Cancel the full sync with this id instead, if it has not ended.")] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Until it ends: exit 0 success, 1 failed or cancelled.")] = False,
    data: DataDir = LOCAL,
    as_json: AsJson = False,
) -> None:
    """Start a sync of one connection, with cause `manual`. If a full sync runs already, the request joins that one."""
    if cancel:
        _cancel_sync(connection, cancel, data, as_json=as_json)
        return
    records = _parse_records(mode, resource, ids or [])
    access = locate_installation_or_exit(data)
    with exit_on_errors(), InternalApi(access) as api:
        sync_id = syncing.start_sync(api, connection, records)
        if not as_json:
            typer.echo(sync_id)
        document: dict[str, Any] = {"sync_id": sync_id}
        if wait:
            document = syncing.wait_for_sync(
                api, sync_id, on_change=lambda sync: typer.echo(_describe_progress(sync), err=True)
            )
    if as_json:
        print_json(document)
    if wait and document["state"] != "success":
        raise typer.Exit(WRONG)


def _cancel_sync(connection: str, sync_id: str, data: Path, *, as_json: bool) -> None:
    access = locate_installation_or_exit(data)
    with exit_on_errors(), InternalApi(access) as api:
        document = syncing.cancel_sync(api, connection, sync_id)
    if as_json:
        print_json(document)
    else:
        Console(soft_wrap=True, highlight=False).print(f"{sync_id} is cancelled.")


def _parse_records(mode: str, resource: str, ids: list[str]) -> dict[str, list[str]] | None:
    """Return the ids of the requested records by resource; None for a full sync.

    Exits with code 2 when the options contradict each other.
    """
    if mode == FULL and not resource and not ids:
        return None
    if mode == INCREMENTAL and resource and ids:
        return {resource: ids}
    print_error("Give --mode full, or --mode incremental with --resource and at least one --id.")
    raise typer.Exit(UNREACHABLE)


def _describe_progress(sync: dict[str, Any]) -> str:
    counts = f"{sync['records']} records in {sync['pages']} pages, {sync['changed']} changed"
    note = describe_wait(sync["upload_wait"]) if sync["upload_wait"] else status.describe_reason(sync)
    return f"{sync['state']}: {counts}" + (f" ({note})" if note else "")
