"""Collect and print the state of an installation: connections, syncs, consumer lag and freshness.

Freshness is how long ago the connections last had a successful sync.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import typer

from merchant_sync.access import Access
from merchant_sync.manifests import MANIFESTS
from merchant_sync.operating import dead_letters, lag
from merchant_sync.operating.internal_api import LISTED, SEE_ALL, InternalApi, count_hidden
from merchant_sync.operating.terminal import format_age, format_time, print_details, print_table
from merchant_sync.operating.uploads import describe_document_wait, describe_wait
from merchant_sync.parts import StackError
from messaging.errors import UnavailableError


def load_status(access: Access, *, limit: int | None = LISTED) -> dict[str, Any]:
    """Return the installation's state as one JSON document.

    Its lists of syncs and of connections have at most `limit` entries; None means all. `totals` has their numbers.

    Raises StackError when the scheduler or Kafka does not answer.
    """
    with InternalApi(access) as api:
        overview = api.load_overview(limit=limit)
    try:
        lags, letters = lag.load_lags(access), dead_letters.count_dead_letters(access)
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
        "failed_full_syncs": overview["failed_full_syncs"],
        "behind": overview["behind"],
        "documents_behind": overview["documents_behind"],
        "totals": overview["totals"],
        "lag": [asdict(entry) for entry in lags],
        "dead_letters": letters,
    }


def show_status(status: dict[str, Any]) -> None:
    """Print the document of `load_status` as tables."""
    for title, columns, rows, name in _build_tables(status):
        print_table(title, columns, rows)
        _show_hidden_count(status, name)
    _show_failures("Failed within a day", status, "failures")
    _show_failures("Last full sync failed", status, "failed_full_syncs")


def _show_failures(title: str, status: dict[str, Any], name: str) -> None:
    typer.secho(title if status[name] else f"{title}: none", bold=True)
    for row in status[name]:
        typer.echo(f"{row['connection']}  {row['mode']}  {format_age(row['age'])} ago")
        print_details(f"{row['sync_id']}: {row['reason'] or 'no reason is known'}")
    _show_hidden_count(status, name)


def _show_hidden_count(status: dict[str, Any], name: str) -> None:
    """Say how many entries the list `name` has that are not shown. Does nothing for a list that is never cut."""
    if name in status["totals"] and (hidden := count_hidden(status, name)):
        typer.echo(f"and {hidden:,} more; {SEE_ALL}")


Rows = Sequence[tuple[object, ...]]


def _build_tables(status: dict[str, Any]) -> Iterator[tuple[str, tuple[str, ...], Rows, str]]:
    """Yield the title, the columns and the rows of each table, and the name of its list in the status."""
    counts = [tuple(row.values()) for row in status["connections"]]
    yield "Connections", ("platform", "state", "connections"), counts, "connections"
    yield (
        "Open syncs",
        ("platform", "mode", "state", "syncs", "oldest"),
        [(*list(row.values())[:4], format_age(row["age"])) for row in status["open_syncs"]],
        "open_syncs",
    )
    finished = [tuple(row.values()) for row in status["finished_within_a_day"]]
    yield "Syncs finished within a day", ("platform", "mode", "state", "syncs"), finished, "finished_within_a_day"
    blocked = [(row["connection"], format_age(row["age"]), row["reason"]) for row in status["blocked"]]
    yield "Blocked by their platform", ("connection", "since", "the account is"), blocked, "blocked"
    freshness = [
        (row["platform"], row["connections"], format_age(row["p95"]), format_age(row["oldest"]), row["never_synced"])
        for row in status["last_success_age_seconds"]
    ]
    columns = ("platform", "connections", "p95", "longest ago", "not yet")
    yield "Last successful sync", columns, freshness, "last_success_age_seconds"
    behind = [(row["connection"], row["syncs"], describe_wait(row["wait"])) for row in status["behind"]]
    yield "Not in the bucket yet", ("connection", "syncs", "newest data"), behind, "behind"
    documents = [(row["connection"], describe_document_wait(row["wait"])) for row in status["documents_behind"]]
    yield "Not in its merchant's document yet", ("connection", "latest state"), documents, "documents_behind"
    lags = [(row["messages"], _name_consumer(row["group"], row["topic"])) for row in status["lag"]]
    yield "Lag", ("messages", "consumer group"), lags, "lag"
    yield "Dead letters", ("topic", "messages"), list(status["dead_letters"].items()), "dead_letters"


def _name_consumer(group: str, topic: str) -> str:
    """Return the group's name, with the topic where the group's name does not end with it."""
    return group if group.endswith(f".{topic}") else f"{group} on {topic}"


def describe_block(block: dict[str, Any]) -> str:
    """Return in words why nothing can be read of a blocked connection, and when its platform is asked again (UTC)."""
    at = block["next_attempt_at"]
    asked = f"asked again at {format_time(at)}" if at else "being asked again now"
    return f"blocked: the account is {block['reason']} at its platform; {asked}"


def _describe_skipped(skipped: dict[str, str]) -> str:
    return "; ".join(f"skipped {resource}: {reason}" for resource, reason in skipped.items())


def _describe_left_out(left_out: dict[str, str]) -> str:
    return "; ".join(f"left out {record}: {reason}" for record, reason in left_out.items())


def show_connection(connection: dict[str, Any]) -> None:
    """Print one merchant's connection: its latest syncs, a failed last full sync, and what is not in the bucket yet."""
    name, state, epoch = connection["connection"], connection["state"], connection["epoch"]
    typer.echo(f"{name} is {state}, epoch {epoch}")
    if connection["blocked"]:
        print_details(describe_block(connection["blocked"]))
    if connection["upload_wait"]:
        print_details(f"newest data: {describe_wait(connection['upload_wait'])}")
    if connection["document_wait"]:
        print_details(f"its merchant's document: {describe_document_wait(connection['document_wait'])}")
    last = connection["last_full_sync"]
    if last and last["state"] == "failed":
        print_details(f"last full sync {last['sync_id']} failed: {last['reason']}")
    if connection["next_poll_at"]:
        print_details(f"next poll {format_time(connection['next_poll_at'])}")
    for sync in connection["syncs"]:
        typer.echo(f"{sync['sync_id']}  {sync['state']:<9}  {sync['mode']}, {sync['cause']}")
        asked = f"{format_time(sync['requested_at'])}, {sync['records']:,} records"
        print_details("; ".join(filter(None, (asked, describe_reason(sync)))))
    if hidden := connection["sync_count"] - len(connection["syncs"]):
        typer.echo(f"and {hidden:,} earlier syncs; add --all to list them")


def describe_reason(sync: dict[str, Any]) -> str:
    """Return why a sync has failed, what it has left out, or what it waits for and for how long.

    It is empty when there is nothing to say.
    """
    parts = (sync["reason"], _describe_skipped(sync["skipped_resources"]), _describe_left_out(sync["left_out"]))
    reason, wait = "; ".join(part for part in parts if part), sync["wait"]
    if wait is None:
        return reason
    if wait["is_rate_limit"]:
        reason = f"{get_platform_title(sync['connection'])}'s rate limit"
    seconds = wait["until"] / 1000 - time.time()
    return f"{reason}, goes on in {format_age(seconds)}" if seconds >= 1 else f"{reason}, goes on now"


def get_platform_title(connection: str) -> str:
    """Return the name for people of the platform of a merchant's connection."""
    slug = connection.partition(":")[0]
    return next((manifest.title for manifest in MANIFESTS if manifest.slug == slug), slug)
