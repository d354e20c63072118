"""The command `merchant-sync link`: link a shop with a database of Odoo, approve what is planned, settle conflicts."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from merchant_sync.operating import link_syncs
from merchant_sync.operating.internal_api import InternalApi
from merchant_sync.operating.link_calls import MAX_LINES, Shop, call_linker, pick
from merchant_sync.operating.terminal import (
    EXIT_CODES,
    LOCAL,
    WRONG,
    AsJson,
    DataDir,
    exit_on_errors,
    format_time,
    locate_installation_or_exit,
    print_json,
    print_table,
)
from merchant_sync.parts import StackError

app = typer.Typer(no_args_is_help=True, help="Links, which keep a shop and a database of Odoo in step.")
app.add_typer(link_syncs.app)


@app.command("create", epilog=EXIT_CODES)
def create_link(
    shop: Shop,
    database: Annotated[str, typer.Argument(help="The connection of the database of Odoo, of the same merchant.")],
    settings: Annotated[
        Path | None, typer.Option(help="A JSON file with the link's settings (docs/links.md).", exists=True)
    ] = None,
    data: DataDir = LOCAL,
    as_json: AsJson = False,
) -> None:
    """Link two connections. Both are read and compared, and nothing is written to either side."""
    link = call_linker(data, lambda api: api.create_link(shop, database, _load_settings(settings)))
    _show_link(link, as_json=as_json)


def _load_settings(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        loaded = json.loads(path.read_text())
    except ValueError as error:
        raise StackError(f"{path}: no JSON: {error}", exit_code=WRONG) from None
    if not isinstance(loaded, dict):
        raise StackError(f"{path}: no JSON object", exit_code=WRONG)
    return loaded


@app.command("list", epilog=EXIT_CODES)
def list_links(data: DataDir = LOCAL, as_json: AsJson = False) -> None:
    """List the links by shop, with their states and what is planned."""
    access = locate_installation_or_exit(data)
    with exit_on_errors(), InternalApi(access) as api:
        links = api.list_links()
    if as_json:
        print_json(links)
        return
    rows = [
        (link["shop"], link["database"], link["state"], link["planned_fields"], link["conflicts"]) for link in links
    ]
    print_table("links", ("shop", "database", "state", "fields to write", "conflicts"), rows)


@app.command("status", epilog=EXIT_CODES)
def show_link(shop: Shop, data: DataDir = LOCAL, as_json: AsJson = False) -> None:
    """Show a link: how far both sides were read, the numbers of pairs, and what could not be matched."""
    link = call_linker(data, lambda api: api.load_link(shop))
    _show_link(link, as_json=as_json)


@app.command("plan", epilog=EXIT_CODES)
def show_plan(
    shop: Shop,
    limit: Annotated[int, typer.Option(min=0, max=1000, help="Entries of each list.")] = MAX_LINES,
    data: DataDir = LOCAL,
    as_json: AsJson = False,
) -> None:
    """Show what would be written, field by field with the values before and after, and what could not be matched."""
    plan = call_linker(data, lambda api: api.load_plan(shop, limit))
    if as_json:
        print_json(plan)
        return
    typer.echo(f"plan {plan['number']} of {format_time(plan['made_at'])}, link is {plan['state']}")
    columns = ("resource", "field", "action", "reason", "target", "lines")
    print_table("by field", columns, pick(plan["counts"], columns))
    shown = ("name", "resource", "field", "action", "target", "before", "after")
    print_table(f"first {len(plan['lines'])} lines", shown, pick(plan["lines"], shown))
    counts = ("resource", "reason", "count")
    print_table("without a counterpart", counts, pick(plan["unlinked_counts"], counts))
    records = ("name", "resource", "reason", "shopify_id", "odoo_id")
    print_table(f"first {len(plan['unlinked'])} of them", records, pick(plan["unlinked"], records))
    print_table("not matched", ("reason", "problems"), list(plan["problem_counts"].items()))
    problems = ("reason", "key", "shopify_products", "odoo_products")
    print_table(f"first {len(plan['problems'])} problems", problems, pick(plan["problems"], problems))


@app.command("approve", epilog=EXIT_CODES)
def approve_plan(
    shop: Shop,
    plan: Annotated[
        int | None, typer.Option(help="The number of the plan that you have seen: a newer one is not approved.")
    ] = None,
    data: DataDir = LOCAL,
    as_json: AsJson = False,
) -> None:
    """Write what a draft lists, and from then on every change as it comes. Each conflict goes to its authority."""
    link = call_linker(data, lambda api: api.approve_plan(shop, plan))
    _show_link(link, as_json=as_json)


@app.command("conflicts", epilog=EXIT_CODES)
def list_conflicts(
    shop: Shop,
    limit: Annotated[int, typer.Option(min=0, max=1000, help="The most conflicts to list.")] = MAX_LINES,
    data: DataDir = LOCAL,
    as_json: AsJson = False,
) -> None:
    """List the fields that both sides have changed and that nobody may decide, with both values."""
    conflicts = call_linker(data, lambda api: api.load_plan(shop, limit, action="conflict"))["lines"]
    if as_json:
        print_json(conflicts)
        return
    columns = ("name", "field", "shopify", "odoo", "reason", "shopify_id", "odoo_id")
    print_table("conflicts", columns, pick(conflicts, columns))


@app.command("settle", epilog=EXIT_CODES)
def settle_conflicts(
    shop: Shop,
    winner: Annotated[str, typer.Option(help="The side whose value stays: shopify or odoo.")],
    record: Annotated[str | None, typer.Option(help="The id of a product or variant of either side; else all.")] = None,
    resource: Annotated[
        str | None, typer.Option(help="products, variants or stock: where several records have the id.")
    ] = None,
    field: Annotated[str | None, typer.Option(help="The name of a field, of stock a location; else all.")] = None,
    data: DataDir = LOCAL,
    as_json: AsJson = False,
) -> None:
    """Decide conflicts: the other side gets the winner's value."""
    settled = call_linker(data, lambda api: api.settle_conflicts(shop, winner, record, resource, field))
    _show_count(settled, "settled", as_json=as_json)


@app.command("unbooked", epilog=EXIT_CODES)
def list_unbooked(
    shop: Shop,
    limit: Annotated[int, typer.Option(min=0, max=1000, help="The most entries to list.")] = MAX_LINES,
    data: DataDir = LOCAL,
    as_json: AsJson = False,
) -> None:
    """List what was sold on one side and is not booked on the one that counts, by variant and location."""
    listed = call_linker(data, lambda api: api.list_unbooked(shop, limit))
    if as_json:
        print_json(listed)
        return
    columns = ("name", "units", "location", "shopify_id", "odoo_id")
    print_table("units", columns, pick(listed, columns))


@app.command("book", epilog=EXIT_CODES)
def book_sales(
    shop: Shop,
    record: Annotated[str | None, typer.Option(help="The id of a variant of either side; else all.")] = None,
    location: Annotated[str | None, typer.Option(help="Shopify's id of a location; else all.")] = None,
    quantity: Annotated[int | None, typer.Option(help="How many units; else all that are unbooked.")] = None,
    data: DataDir = LOCAL,
    as_json: AsJson = False,
) -> None:
    """Say that sales were entered by hand on the side that counts the stock: its fall is not taken from the shop.

    Say it once the other side has been read since; what was taken meanwhile is given back.
    """
    booked = call_linker(data, lambda api: api.book_sales(shop, record, location, quantity))
    if as_json:
        print_json(booked)
    else:
        typer.echo(f"{booked['units']} units booked")


@app.command("failures", epilog=EXIT_CODES)
def list_failures(
    shop: Shop,
    limit: Annotated[int, typer.Option(min=0, max=1000, help="The most writes to list.")] = MAX_LINES,
    data: DataDir = LOCAL,
    as_json: AsJson = False,
) -> None:
    """List the writes that a platform has refused or that have failed, each with the reason."""
    found = call_linker(data, lambda api: api.load_failures(shop, limit))
    if as_json:
        print_json(found)
        return
    outcomes = ("side", "state", "number")
    print_table("writes of the last seven days", outcomes, pick(found["outcomes"], outcomes))
    columns = ("name", "side", "operation", "state", "reason_code", "message", "shopify_id", "odoo_id")
    print_table("failures", columns, pick(found["failures"], columns))


@app.command("retry", epilog=EXIT_CODES)
def retry_writes(
    shop: Shop,
    reason: Annotated[str | None, typer.Option(help="Only those with this reason code; else all.")] = None,
    data: DataDir = LOCAL,
    as_json: AsJson = False,
) -> None:
    """Make failed writes again, with their attempts set to nothing."""
    retried = call_linker(data, lambda api: api.retry_writes(shop, reason))
    _show_count(retried, "to be written again", as_json=as_json)


def _show_count(counted: dict[str, Any], words: str, *, as_json: bool) -> None:
    if as_json:
        print_json(counted)
    else:
        typer.echo(f"{counted['pairs']} pairs {words}")


@app.command("pause", epilog=EXIT_CODES)
def pause_link(shop: Shop, data: DataDir = LOCAL, as_json: AsJson = False) -> None:
    """Stop following both sides and writing to them. What is known of them is kept."""
    _change_link(shop, "pause", data, as_json=as_json)


@app.command("resume", epilog=EXIT_CODES)
def resume_link(shop: Shop, data: DataDir = LOCAL, as_json: AsJson = False) -> None:
    """Read and compare both sides of a paused link again."""
    _change_link(shop, "resume", data, as_json=as_json)


@app.command("end", epilog=EXIT_CODES)
def end_link(shop: Shop, data: DataDir = LOCAL, as_json: AsJson = False) -> None:
    """End a link for good, and delete what it knows of both sides. The shop and the database stay as they are."""
    _change_link(shop, "end", data, as_json=as_json)


def _change_link(shop: str, action: str, data: Path, *, as_json: bool) -> None:
    link = call_linker(data, lambda api: api.change_link(shop, action))
    _show_link(link, as_json=as_json)


def _show_link(link: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(link)
        return
    reason = f" ({link['reason']})" if link["reason"] else ""
    typer.echo(f"{link['shop']} with {link['database']}: {link['state']}{reason}")
    for side, feed in link["sides"].items():
        typer.echo(f"  {side}: {feed['state']} at {feed['sequence']}, currency {feed['currency'] or 'not known'}")
    typer.echo(f"  plan {link['plan_number']}: {link['planned_fields']} fields to write, {link['conflicts']} conflicts")
    if link["settings"]["locations"]:
        typer.echo(f"  stock: {link['unbooked_units']} units sold and not booked")
    for title in ("pairs", "problems"):
        counts = ", ".join(f"{count} {name}" for name, count in sorted(link[title].items()))
        typer.echo(f"  {title}: {counts or 'none'}")
