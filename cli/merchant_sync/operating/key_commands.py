"""The command `merchant-sync keys`: the keys of a connection for the data API."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

import typer

from merchant_sync.operating.internal_api import InternalApi
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
    print_error,
    print_json,
    print_table,
)
from merchant_sync.parts import StackError

app = typer.Typer(no_args_is_help=True, help="The keys of a connection for the data API.")
Connection = Annotated[str, typer.Option(help="platform:account, as `merchant-sync connections list` shows it.")]
KeyId = Annotated[str, typer.Argument(help="The id of the key, as `merchant-sync keys list` shows it.")]
_REFUSALS = (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY)
COLUMNS = ("id", "name", "prefix", "scopes", "made", "by", "last used", "expires")


@app.command("list", epilog=EXIT_CODES)
def list_keys(connection: Connection, data: DataDir = LOCAL, as_json: AsJson = False) -> None:
    """List the keys of a connection, the oldest first. Expired ones are listed for a week."""
    with _open_api(data) as api:
        keys = api.list_keys(connection)
    if as_json:
        print_json(keys)
    else:
        print_table(f"Keys of {connection}", COLUMNS, [_build_row(key) for key in keys])


@app.command("make", epilog=EXIT_CODES)
def make_key(
    connection: Connection,
    name: Annotated[str, typer.Option(help="What it is for.")],
    scopes: Annotated[list[str], typer.Option("--scope", help="read, refresh or manage; again for each.")],
    days: Annotated[int | None, typer.Option(help="It expires after so many days. Default: it does not.")] = None,
    data: DataDir = LOCAL,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it. It is printed this once, and kept nowhere."""
    with _open_api(data) as api:
        issued = api.make_key(connection, name, scopes, days)
    _print_issued(issued, as_json=as_json)


@app.command("rotate", epilog=EXIT_CODES)
def rotate_key(
    key: KeyId,
    connection: Connection,
    keep_hours: Annotated[int, typer.Option(help="The old key stays good for so many hours, 720 at most.")] = 24,
    data: DataDir = LOCAL,
    as_json: AsJson = False,
) -> None:
    """Make a key in place of another, with its name, scopes and lifetime, and print it, this once."""
    with _open_api(data) as api:
        issued = api.rotate_key(connection, key, keep_hours)
    _print_issued(issued, as_json=as_json)


@app.command("revoke", epilog=EXIT_CODES)
def revoke_keys(
    connection: Connection,
    key: Annotated[str | None, typer.Argument(help="The id of the key.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All keys of the connection.")] = False,
    data: DataDir = LOCAL,
    as_json: AsJson = False,
) -> None:
    """Revoke a key, or all keys of a connection: whoever uses one is refused at once."""
    if (key is None) != everything:
        print_error("Give the id of a key, or --all.")
        raise typer.Exit(UNREACHABLE)
    with _open_api(data) as api:
        revoked = api.revoke_keys(connection, key)
    if as_json:
        print_json({"revoked": revoked})
    else:
        typer.echo(f"{revoked} revoked")


@contextmanager
def _open_api(data: Path) -> Iterator[InternalApi]:
    """Yield the internal API. Exits with code 1 where the gateway refuses what is asked, and with 2 on other errors."""
    access = locate_installation_or_exit(data)
    with exit_on_errors(), InternalApi(access) as api:
        try:
            yield api
        except StackError as error:
            if error.status in _REFUSALS:
                raise StackError(str(error), exit_code=WRONG) from None
            raise


def _print_issued(issued: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(issued)
        return
    # Only the key itself on standard output, so that a script can put it where it belongs.
    typer.echo(issued["key"])
    typer.echo(f"Key {issued['id']} of {issued['connection']}. It is shown this once.", err=True)
    if issued["curl"]:
        typer.echo(f"Try it: {issued['curl']}", err=True)


def _build_row(key: dict[str, Any]) -> tuple[str, ...]:
    expires = format_time(key["expires_at"])
    return (
        key["id"],
        key["name"],
        key["prefix"],
        ",".join(key["scopes"]),
        format_time(key["made_at"]),
        key["made_by"],
        format_time(key["last_used_at"]),
        f"{expires} (expired)" if key["has_expired"] else expires,
    )
