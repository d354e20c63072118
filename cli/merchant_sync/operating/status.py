"""Collect and print the state of an installation: connections, syncs, consumer lag and freshness.

Freshness is how long ago the connections last had a successful sync.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from merchant_sync.access import Access
from merchant_sync.operating import lag
from merchant_sync.operating.internal_api import InternalApi
from merchant_sync.parts import StackError
from messaging.errors import UnavailableError


def load_status(access: Access) -> dict[str, Any]:
    """Return the installation's state as one JSON document.

    Raises StackError when the scheduler or Kafka does not answer.
    """
    with InternalApi(access) as api:
        overview = api.load_overview()
    try:
        backlog = lag.load_backlog(access)
    except UnavailableError as error:
        raise StackError(f"No answer from {error}") from error
    open_syncs = overview["current"]["open_syncs"]
    return {
        "connections": overview["current"]["connections"],
        "open_syncs": open_syncs,
        "finished_within_a_day": overview["finished"],
        "failures": overview["failures"],
        "blocked": overview["blocked"],
        "oldest_unfinished_seconds": max((entry["age"] for entry in open_syncs), default=0.0),
        "last_success_age_seconds": overview["freshness"],
        "dirty_snapshots": overview["dirty_snapshots"],
        "lag": [asdict(entry) for entry in backlog.lags],
        "dead_letters": dict(backlog.dead_letters),
    }


def show_status(status: dict[str, Any], console: Console) -> None:
    """Print the document of `load_status` as tables."""
    for title, columns, rows in _build_tables(status):
        if not rows:
            console.print(f"[bold]{title}[/]: none", highlight=False)
            continue
        table = Table(*columns, title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
        for row in rows:
            table.add_row(*map(str, row))
        console.print(table)


Rows = Sequence[tuple[object, ...]]


def _build_tables(status: dict[str, Any]) -> Iterator[tuple[str, tuple[str, ...], Rows]]:
    yield "Connections", ("platform", "state", "connections"), [tuple(row.values()) for row in status["connections"]]
    yield (
        "Open syncs",
        ("platform", "mode", "state", "syncs", "oldest"),
        [(*list(row.values())[:4], format_age(row["age"])) for row in status["open_syncs"]],
    )
    finished = [tuple(row.values()) for row in status["finished_within_a_day"]]
    yield "Syncs finished within a day", ("platform", "mode", "state", "syncs"), finished
    failures = [
        (row["connection"], row["mode"], format_age(row["age"]), row["reason"] or "") for row in status["failures"]
    ]
    yield "Failed within a day", ("connection", "mode", "ago", "reason"), failures
    blocked = [(row["connection"], format_age(row["age"]), row["reason"]) for row in status["blocked"]]
    yield "Blocked by their platform", ("connection", "since", "the account is"), blocked
    freshness = [
        (row["platform"], row["connections"], format_age(row["p95"]), format_age(row["oldest"]), row["never_synced"])
        for row in status["last_success_age_seconds"]
    ]
    yield "Last successful sync", ("platform", "connections", "p95", "longest ago", "not yet"), freshness
    dirty = [(row["platform"], row["snapshots"], format_age(row["age"])) for row in status["dirty_snapshots"]]
    yield "Snapshots behind", ("platform", "snapshots", "since"), dirty
    lags = [(row["group"], row["topic"], row["messages"]) for row in status["lag"]]
    yield "Lag", ("group", "topic", "messages"), lags
    yield "Dead letters", ("topic", "messages"), list(status["dead_letters"].items())


def format_age(seconds: float | None) -> str:
    """Format a duration in the largest unit that it fills, for example `5.0 min`; `-` for None."""
    if seconds is None:
        return "-"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def describe_block(block: dict[str, Any]) -> str:
    """Return in words why nothing can be read of a blocked connection, and when its platform is asked again (UTC)."""
    at = block["next_attempt_at"]
    asked = f"asked again at {format_time(at)}" if at else "being asked again now"
    return f"blocked: the account is {block['reason']} at its platform; {asked}"


def format_time(ms: int) -> str:
    """Format a time in milliseconds since 1970 as UTC, for example `2026-11-29 20:15 UTC`."""
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"


def _describe_left_out(left_out: dict[str, str]) -> str:
    return "; ".join(f"left out {record}: {reason}" for record, reason in left_out.items())


def show_connection(connection: dict[str, Any], console: Console) -> None:
    """Print one merchant's connection with its latest syncs."""
    name, state, epoch = connection["connection"], connection["state"], connection["epoch"]
    console.print(f"[bold]{name}[/] is {state}, epoch {epoch}", highlight=False)
    if connection["blocked"]:
        console.print(describe_block(connection["blocked"]), highlight=False, markup=False)
    table = Table("sync", "mode", "cause", "state", "records", "reason", box=None, padding=(0, 2, 0, 0))
    for sync in connection["syncs"]:
        remark = sync["reason"] or _describe_left_out(sync["left_out"])
        fields = (sync["sync_id"], sync["mode"], sync["cause"], sync["state"], sync["records"], remark)
        table.add_row(*map(str, fields))
    console.print(table)
