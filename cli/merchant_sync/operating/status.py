"""How an installation does: connections, syncs, lag and freshness, as one document."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from merchant_sync.access import Access
from merchant_sync.operating import lag
from merchant_sync.operating.inside import Inside
from merchant_sync.parts import StackError
from messaging.errors import KafkaUnavailableError


def document(access: Access) -> dict[str, Any]:
    """All of it as JSON. A StackError where scheduler or Kafka do not answer."""
    with Inside(access) as inside:
        ledger = inside.overview()
    try:
        seen = lag.look(access)
    except KafkaUnavailableError as away:
        raise StackError(f"Kafka does not answer: {away}") from away
    return {
        "connections": ledger["current"]["connections"],
        "open": ledger["current"]["open_syncs"],
        "ended_within_a_day": ledger["finished"],
        "failed_lately": ledger["failures"],
        "oldest_unfinished_seconds": max((one["age"] for one in ledger["current"]["open_syncs"]), default=0.0),
        "last_success_age_seconds": ledger["freshness"],
        "dirty_snapshots": ledger["dirty_snapshots"],
        "lag": [asdict(one) for one in seen.lags],
        "dead_letters": dict(seen.dead_letters),
    }


def show(told: dict[str, Any], console: Console) -> None:
    """The document for people."""
    for title, columns, rows in _tables(told):
        if not rows:
            console.print(f"[bold]{title}[/]: none", highlight=False)
            continue
        table = Table(*columns, title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
        for row in rows:
            table.add_row(*map(str, row))
        console.print(table)


Rows = Sequence[tuple[object, ...]]


def _tables(told: dict[str, Any]) -> Iterator[tuple[str, tuple[str, ...], Rows]]:
    yield "Connections", ("platform", "state", "connections"), [tuple(one.values()) for one in told["connections"]]
    yield (
        "Syncs open",
        ("platform", "mode", "state", "syncs", "oldest"),
        [(*list(one.values())[:4], age(one["age"])) for one in told["open"]],
    )
    ended = [tuple(one.values()) for one in told["ended_within_a_day"]]
    yield "Syncs ended within a day", ("platform", "mode", "state", "syncs"), ended
    failed = [(one["connection"], one["mode"], age(one["age"]), one["reason"] or "") for one in told["failed_lately"]]
    yield "Failed lately", ("connection", "mode", "ago", "reason"), failed
    fresh = [
        (one["platform"], one["connections"], age(one["p95"]), age(one["oldest"]), one["never_synced"])
        for one in told["last_success_age_seconds"]
    ]
    yield "Last successful sync", ("platform", "connections", "p95", "longest ago", "not yet"), fresh
    dirty = [(one["platform"], one["snapshots"], age(one["age"])) for one in told["dirty_snapshots"]]
    yield "Snapshots behind", ("platform", "snapshots", "since"), dirty
    yield "Lag", ("group", "topic", "messages"), [(one["group"], one["topic"], one["messages"]) for one in told["lag"]]
    yield "Dead letters kept", ("topic", "messages"), list(told["dead_letters"].items())


def age(seconds: float | None) -> str:
    """A span of time in the largest unit that it fills."""
    if seconds is None:
        return "-"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def show_connection(told: dict[str, Any], console: Console) -> None:
    """One connection with its latest syncs, for people."""
    console.print(f"[bold]{told['connection']}[/] is {told['state']}, epoch {told['epoch']}", highlight=False)
    table = Table("sync", "mode", "cause", "state", "records", "reason", box=None, padding=(0, 2, 0, 0))
    for sync in told["syncs"]:
        fields = (sync["sync_id"], sync["mode"], sync["cause"], sync["state"], sync["records"], sync["reason"] or "")
        table.add_row(*map(str, fields))
    console.print(table)
