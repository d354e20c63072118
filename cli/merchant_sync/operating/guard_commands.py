"""The command `merchant-sync guard`: see what the deletion guard has stopped, and allow it where it is right."""

from http import HTTPStatus
from typing import Annotated, Any

import typer
from rich.console import Console

from merchant_sync.operating.internal_api import InternalApi
from merchant_sync.operating.terminal import (
    EXIT_CODES,
    LOCAL,
    WRONG,
    AsJson,
    DataDir,
    exit_on_errors,
    locate_installation_or_exit,
    print_json,
)
from merchant_sync.parts import StackError

app = typer.Typer(
    no_args_is_help=True, help="Deletions that were stopped, because a full sync missed suspiciously many records."
)


@app.command("list", epilog=EXIT_CODES)
def list_guarded(data: DataDir = LOCAL, as_json: AsJson = False) -> None:
    """List the connections whose latest full sync missed so many records that none of them is deleted."""
    access = locate_installation_or_exit(data)
    with exit_on_errors(), InternalApi(access) as api:
        guarded = api.load_overview()["guarded"]
    if as_json:
        print_json(guarded)
        return
    console = Console(soft_wrap=True, highlight=False)
    for one in guarded:
        console.print(f"{one['connection']}: {describe_guarded(one)}, since sync {one['sync_id']}", markup=False)
    if not guarded:
        console.print("No deletions are stopped.")


@app.command("allow", epilog=EXIT_CODES)
def allow_deletions(
    connection: Annotated[str, typer.Option(help="The connection, as `merchant-sync guard list` shows it.")],
    reason: Annotated[str, typer.Option(help="Why the deletions are right; the gateway logs it.")] = "",
    data: DataDir = LOCAL,
    as_json: AsJson = False,
) -> None:
    """Allow the deletions that are stopped, once, and start the full sync that makes them.

    Each record is still read directly before it is deleted. If that sync misses far more records, it is stopped again.
    """
    access = locate_installation_or_exit(data)
    with exit_on_errors(), InternalApi(access) as api:
        guarded = _load_guarded(api, connection)
        sync_id = api.allow_deletions(connection, guarded["sync_id"], reason)
    if as_json:
        print_json({"sync_id": sync_id, "guarded": guarded})
        return
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"{describe_guarded(guarded)}: allowed. Full sync {sync_id} makes these deletions.", markup=False)


def _load_guarded(api: InternalApi, connection: str) -> dict[str, Any]:
    try:
        guarded: dict[str, Any] | None = api.load_connection(connection)["guarded"]
    except StackError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        raise StackError(f"No connection {connection}.", exit_code=WRONG) from None
    if guarded is None:
        raise StackError(f"No deletions of {connection} are stopped.", exit_code=WRONG)
    return guarded


def describe_guarded(guarded: dict[str, Any]) -> str:
    """Say how many records the deletion guard keeps. `guarded` is an entry of the scheduler's overview."""
    return f"{guarded['records']} of {guarded['stored']} records were not listed and would be deleted"
