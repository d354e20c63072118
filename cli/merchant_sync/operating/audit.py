"""The command `merchant-sync audit`: who did what to which connection, for people and for scripts."""

import sys
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from merchant_sync.operating.internal_api import InternalApi
from merchant_sync.operating.terminal import (
    LOCAL,
    AsJson,
    DataDir,
    exit_on_errors,
    locate_installation_or_exit,
    print_json,
)


def show_audit_log(
    connection: Annotated[str | None, typer.Option(help="What was done to this connection alone.")] = None,
    data: DataDir = LOCAL,
    as_json: AsJson = False,
) -> None:
    """Print what merchants, operators and platforms did to connections, from the oldest entry on."""
    access = locate_installation_or_exit(data)
    with exit_on_errors(), InternalApi(access) as api:
        entries = list(api.iterate_audit_log(connection=connection))
    if as_json:
        print_json(entries)
        return
    for entry in entries:
        sys.stdout.write(f"{_format_entry(entry)}\n")


def _format_entry(entry: dict[str, Any]) -> str:
    at = datetime.fromtimestamp(entry["at"] / 1000, UTC)
    details = "".join(f"  {name}={value}" for name, value in entry["details"].items())
    origin = f"  from {entry['address']}" if entry["address"] else ""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC  {entry['connection']}  {entry['action']}  by {entry['actor']}{origin}{details}"
