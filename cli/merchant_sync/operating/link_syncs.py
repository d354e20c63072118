"""The commands `merchant-sync link sync`, `syncs`, `cancel`, `requeue`: have a link catch up, and see how it went."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from linking.sync_modes import MODES
from merchant_sync.operating.internal_api import InternalApi
from merchant_sync.operating.link_calls import Shop, call_linker, pick
from merchant_sync.operating.terminal import (
    EXIT_CODES,
    LOCAL,
    WRONG,
    AsJson,
    DataDir,
    format_time,
    print_json,
    print_table,
)

app = typer.Typer()
_ENDED = ("success", "failed", "cancelled")
_WAIT_SECONDS = 1.0
MAX_PLANNED = 1000
"""The most fields that a dry run shows."""
SyncId = Annotated[str, typer.Argument(help="The sync's id, as `merchant-sync link syncs` shows it.")]


@app.command("sync", epilog=EXIT_CODES)
def request_sync(
    shop: Shop,
    mode: Annotated[
        str, typer.Argument(help="For example import_then_export_products; docs/links.md lists all modes.")
    ],
    ids: Annotated[
        list[str] | None, typer.Option(help="The id of a product on the side that is read; for each product once.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Start nothing: show what is planned, as `link plan` does.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Until it ends: exit 0 success, 1 failed or cancelled.")] = False,
    data: DataDir = LOCAL,
    as_json: AsJson = False,
) -> None:
    """Have a link catch up: read what the mode says, and write what differs.

    If the same is queued already, that is the sync. A draft waits for `link approve`.
    """
    if dry_run:
        _show_planned(shop, mode, data, as_json=as_json)
        return
    sync = call_linker(data, lambda api: api.request_link_sync(shop, mode, ids or []))
    if wait:
        sync = call_linker(data, lambda api: _wait_for_end(api, shop, sync))
    _show_sync(sync, as_json=as_json)
    if wait and sync["state"] != "success":
        raise typer.Exit(WRONG)


def _wait_for_end(api: InternalApi, shop: str, sync: dict[str, Any]) -> dict[str, Any]:
    while sync["state"] not in _ENDED:
        time.sleep(_WAIT_SECONDS)
        sync = api.load_link_sync(shop, sync["id"])
    return sync


def _show_planned(shop: str, mode: str, data: Path, *, as_json: bool) -> None:
    """Show what of the plan a sync of this mode would write."""
    if mode not in MODES:
        typer.echo(f"There is no mode {mode!r}, but {', '.join(MODES)}.", err=True)
        raise typer.Exit(WRONG)
    plan = call_linker(data, lambda api: api.load_plan(shop, MAX_PLANNED))
    counts, lines = ([row for row in plan[name] if _is_written(row, mode)] for name in ("counts", "lines"))
    if as_json:
        print_json({"mode": mode, "counts": counts, "lines": lines})
        return
    by_field = ("resource", "field", "action", "reason", "target", "lines")
    print_table("would be written, by field", by_field, pick(counts, by_field))
    columns = ("name", "resource", "field", "target", "before", "after")
    print_table(f"first {len(lines)} fields", columns, pick(lines, columns))


def _is_written(row: Mapping[str, Any], mode: str) -> bool:
    return row["target"] in MODES[mode].targets and row["action"] not in ("conflict", "blocked")


@app.command("syncs", epilog=EXIT_CODES)
def list_syncs(
    shop: Shop,
    limit: Annotated[int, typer.Option(min=0, max=1000, help="The most syncs to list.")] = 20,
    data: DataDir = LOCAL,
    as_json: AsJson = False,
) -> None:
    """List the syncs of a link, newest first, with what was written while each ran."""
    listed = call_linker(data, lambda api: api.list_link_syncs(shop, limit))
    if as_json:
        print_json(listed)
        return
    columns = ("id", "mode", "state", "requested", "written", "unchanged", "errors", "held", "calls", "reason")
    rows = [
        (
            *(sync["id"], sync["mode"], sync["state"], format_time(sync["requested_at"])),
            *(sync["figures"].get(name, "-") for name in columns[4:9]),
            sync["message"] or "-",
        )
        for sync in listed
    ]
    print_table("syncs", columns, rows)


@app.command("cancel", epilog=EXIT_CODES)
def cancel_sync(shop: Shop, sync: SyncId, data: DataDir = LOCAL, as_json: AsJson = False) -> None:
    """End a sync. What the link has decided is written all the same: `link pause` stops that."""
    _show_sync(call_linker(data, lambda api: api.change_link_sync(shop, sync, "cancel")), as_json=as_json)


@app.command("requeue", epilog=EXIT_CODES)
def requeue_sync(shop: Shop, sync: SyncId, data: DataDir = LOCAL, as_json: AsJson = False) -> None:
    """Start anew what a sync that has failed, or was cancelled, was to do."""
    _show_sync(call_linker(data, lambda api: api.change_link_sync(shop, sync, "requeue")), as_json=as_json)


def _show_sync(sync: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(sync)
        return
    reason = f" ({sync['message']})" if sync["message"] else ""
    typer.echo(f"{sync['mode']} {sync['id']}: {sync['state']}{reason}")
    if sync["figures"]:
        typer.echo("  " + ", ".join(f"{count} {name}" for name, count in sync["figures"].items()))
