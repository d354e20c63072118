"""Builds the JSON in which the internal API shows links and their plans. Times are milliseconds since 1970 (UTC)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from linker.feed_positions import FeedPosition
from linking.settings import LinkSettings

if TYPE_CHECKING:
    from linker.store.link_syncs import LinkSync
    from linker.store.links import Link
    from linker.store.pairs import ReasonCount
    from linker.store.plans import LineCounts
    from linker.store.sides import LinkSide
    from linker.use_cases.approvals import MissingGrant


def build_link_view(
    link: "Link",
    sides: Sequence["LinkSide"],
    *,
    missing_grant: "MissingGrant | None",
    pair_counts: Mapping[str, int],
    problem_counts: Sequence["ReasonCount"],
    line_counts: "LineCounts",
    unbooked: int,
) -> dict[str, Any]:
    """Build the JSON of a link: its sides, its state, and numbers of pairs of products, problems, lines and units.

    `missing_scopes` are those that the shop must grant before a draft is approved, and `grant_query` is the query of
    the gateway's sign-in that asks for them.
    """
    shop, database = sides
    return {
        "id": str(link.id),
        "shop": shop.connection,
        "database": database.connection,
        "merchant": str(link.merchant),
        "state": link.state,
        "reason": link.reason,
        "created_at": _to_ms(link.created_at),
        "missing_scopes": list(missing_grant.scopes) if missing_grant else [],
        "grant_query": missing_grant.query if missing_grant else "",
        "settings": LinkSettings.model_validate(link.settings).model_dump(mode="json"),
        "sides": {side.side: {**_build_feed_view(side.position), "currency": side.currency} for side in sides},
        "plan_number": link.plan_number,
        "pairs": dict(pair_counts),
        "problems": {count.reason: count.count for count in problem_counts},
        "planned_fields": line_counts.writes,
        "conflicts": line_counts.conflicts,
        "unbooked_units": unbooked,
    }


def _build_feed_view(position: FeedPosition) -> dict[str, Any]:
    unfinished = "waiting" if position.read_id is None else "reading"
    return {"state": "followed" if position.is_whole else unfinished, "sequence": position.sequence}


def build_plan_view(
    link: "Link",
    *,
    plan: Mapping[str, Any] | None,
    counts: Sequence[Mapping[str, Any]],
    lines: Sequence[Mapping[str, Any]],
    unlinked_counts: Sequence["ReasonCount"],
    unlinked: Sequence[Mapping[str, Any]],
    problem_counts: Sequence["ReasonCount"],
    problems: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Build the JSON of what a link sync would write: all numbers, and the first entries of each list.

    `before` of a line is the present value of the side that would be written, and `after` what it would get; without a
    `target` nobody has decided which side that is.
    """
    return {
        "link": str(link.id),
        "state": link.state,
        "number": link.plan_number,
        "made_at": _to_ms(plan["made_at"]) if plan else None,
        "counts": list(counts),
        "lines": [_build_line_view(line) for line in lines],
        "unlinked_counts": [asdict(count) for count in unlinked_counts],
        "unlinked": list(unlinked),
        "problem_counts": {count.reason: count.count for count in problem_counts},
        "problems": list(problems),
    }


def build_sync_view(sync: "LinkSync", *, figures: Mapping[str, int], mark: datetime | None) -> dict[str, Any]:
    """Build the JSON of a link sync. `figures` are those of `link_syncs.count_figures`.

    `mark` is when the last sync of the same mode that was a success has begun.
    """
    return {
        "id": str(sync.id),
        "mode": sync.mode.name,
        "targets": list(sync.mode.targets),
        "scope": sync.mode.scope,
        "ids": list(sync.ids),
        "cause": sync.cause,
        "state": sync.state,
        "reason_code": sync.reason_code,
        "message": sync.message,
        "requested_at": _to_ms(sync.requested_at),
        "started_at": _to_ms(sync.started_at) if sync.started_at else None,
        "finished_at": _to_ms(sync.finished_at) if sync.finished_at else None,
        "mark": _to_ms(mark) if mark else None,
        "figures": dict(figures),
    }


def build_failures_view(failures: Sequence[Mapping[str, Any]], outcomes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Build the JSON of writes that were refused or have failed, and of the numbers of all writes of seven days."""
    listed = [{**one, "id": str(one["id"]), "ended_at": _to_ms(one["ended_at"])} for one in failures]
    return {"failures": listed, "outcomes": [dict(one) for one in outcomes]}


def _build_line_view(line: Mapping[str, Any]) -> dict[str, Any]:
    target = line["target"]
    other = "odoo" if target == "shopify" else "shopify"
    after = line[other] if line["after"] is None else line["after"]
    return {**line, "before": line[target] if target else None, "after": after if target else None}


def _to_ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
