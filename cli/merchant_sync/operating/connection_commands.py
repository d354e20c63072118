"""The command `merchant-sync connections`: list the connections of an installation, for people and for scripts."""

import sys
from typing import Annotated, Any

import typer

from merchant_sync.operating.internal_api import InternalApi
from merchant_sync.operating.status import describe_block
from merchant_sync.operating.terminal import (
    EXIT_CODES,
    LOCAL,
    AsJson,
    DataDir,
    exit_on_errors,
    format_time,
    locate_installation_or_exit,
    print_json,
)

app = typer.Typer(no_args_is_help=True, help="The merchants' connections.")


@app.command("list", epilog=EXIT_CODES)
def list_connections(
    platform: Annotated[
        str | None, typer.Option(help="Of this platform alone: the part of the names before the colon.")
    ] = None,
    state: Annotated[
        str | None, typer.Option(help="In this state alone: connected, reauthorise, uninstalled or redacted.")
    ] = None,
    names: Annotated[bool, typer.Option("--names", help="Names alone, one a line, for scripts.")] = False,
    data: DataDir = LOCAL,
    as_json: AsJson = False,
) -> None:
    """List connections by name: state, epoch (a number that rises at each disconnect), next poll, and any block."""
    access = locate_installation_or_exit(data)
    with exit_on_errors(), InternalApi(access) as api:
        connections = list(api.iterate_connections(platform=platform, state=state))
    if as_json:
        print_json(connections)
        return
    width = max((len(row["connection"]) for row in connections), default=0)
    for row in connections:
        sys.stdout.write(f"{row['connection'] if names else _format_connection(row, width)}\n")


@app.command("hint", epilog=EXIT_CODES)
def show_hint_address(
    name: Annotated[str, typer.Argument(help="The name of the connection.")], data: DataDir = LOCAL
) -> None:
    """Show the path at which a platform's automation may say what has changed. It has a secret of the connection."""
    access = locate_installation_or_exit(data)
    with exit_on_errors(), InternalApi(access) as api:
        sys.stdout.write(f"{api.load_hint_path(name)}\n")


def _format_connection(row: dict[str, Any], width: int) -> str:
    """Return one connection as a line of text. Its name is padded to `width`, never cut, so that it can be copied."""
    due = row["next_poll_at"]
    poll = "" if due is None else f"  next poll {format_time(due)}"
    blocked = f"  {describe_block(row['blocked'])}" if row["blocked"] else ""
    return f"{row['connection']:<{width}}  {row['state']:<11}  epoch {row['epoch']}{poll}{blocked}"
