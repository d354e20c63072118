"""What the scheduler shows: how long merchants wait, what has ended, and what is open, against a real PostgreSQL."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.events import DataStored, SyncRequested, Upload
from ledger_stand import SHOP, Ledger, progressed, request, verdict
from messaging.errors import UnavailableError
from scheduler.metrics import KEPT_SECONDS, Looking

pytestmark = pytest.mark.integration
ACCEPTED = 1_800_000_000_000


def accepted(sync_id: UUID, cause: str = "webhook") -> SyncRequested:
    return request(sync_id, cause=cause).model_copy(update={"requested_at": ACCEPTED})


def stored(change: int, *, after: float, outcome: Any = "uploaded") -> DataStored:
    """An upload, so many seconds after `ACCEPTED`."""
    done = Upload(key="k", outcome=outcome, sequence=change, stored_at=ACCEPTED + round(after * 1000))
    return DataStored(connection=SHOP, epoch=1, sequence=change, upload=done)


def shown(ledger: Ledger, name: str, **labels: str) -> float | None:
    return ledger.registry.get_sample_value(f"merchant_sync_{name}", labels)


def waited(ledger: Ledger) -> tuple[float | None, float | None]:
    """How many webhooks were measured, and their seconds together."""
    name = "webhook_to_snapshot_seconds"
    return shown(ledger, f"{name}_count", platform="shopify"), shown(ledger, f"{name}_sum", platform="shopify")


async def test_a_webhook_is_measured_to_the_upload_that_holds_it(ledger: Ledger) -> None:
    sync_id = uuid4()
    await ledger.connected()
    await ledger.requests(SHOP, [accepted(sync_id)])
    await ledger.stored(SHOP, [stored(1, after=1), verdict(sync_id, change=2)])
    assert waited(ledger) == (0, 0)
    await ledger.stored(SHOP, [stored(2, after=3, outcome="failed")])
    assert waited(ledger) == (0, 0)
    await ledger.stored(SHOP, [stored(2, after=7)])
    await ledger.stored(SHOP, [stored(3, after=9)])
    assert waited(ledger) == (1, 7)


async def test_an_upload_that_comes_before_the_verdict_counts_as_well(ledger: Ledger) -> None:
    sync_id = uuid4()
    await ledger.connected()
    await ledger.requests(SHOP, [accepted(sync_id)])
    await ledger.stored(SHOP, [stored(2, after=4), verdict(sync_id, change=2)])
    await ledger.stored(SHOP, [verdict(sync_id, change=2)])
    assert waited(ledger) == (1, 4)


async def test_what_had_nothing_to_bring_or_was_no_webhook_is_not_measured(ledger: Ledger) -> None:
    idle, manual = uuid4(), uuid4()
    await ledger.connected()
    await ledger.stored(SHOP, [stored(2, after=-60)])
    await ledger.requests(SHOP, [accepted(idle), accepted(manual, cause="manual")])
    await ledger.stored(SHOP, [verdict(idle, change=2), verdict(manual, change=3), stored(3, after=5)])
    assert waited(ledger) == (0, 0)


async def test_each_sync_is_counted_once_when_it_ends(ledger: Ledger) -> None:
    walk, good, bad = await ledger.walking(), uuid4(), uuid4()
    await ledger.requests(SHOP, [accepted(good), accepted(bad)])
    for _ in range(2):
        await ledger.stored(SHOP, [verdict(good)])
        await ledger.progress(SHOP, [progressed(bad, "failed", retry=False, reason="never")])
    await ledger.connected(revision=2, epoch=2, state="uninstalled")
    assert (await ledger.sync(walk))["state"] == "cancelled"
    ended = {
        (mode, state): shown(ledger, "syncs_ended_total", platform="shopify", mode=mode, state=state)
        for mode in ("records", "full")
        for state in ("success", "failed", "cancelled")
    }
    assert {labels: count for labels, count in ended.items() if count} == {
        ("records", "success"): 1,
        ("records", "failed"): 1,
        ("full", "cancelled"): 1,
    }
    assert None not in ended.values(), "series are there before their first count"


async def test_the_age_of_the_oldest_unfinished_is_seen_at_a_scrape(ledger: Ledger) -> None:
    await ledger.connected()
    await ledger.requests(SHOP, [request(uuid4(), cause="webhook") for _ in range(2)])
    await ledger.run("UPDATE syncs SET requested_at = now() - interval '1 hour'")
    clock = [0.0]
    looking = Looking(ledger.database.transaction, ledger.metrics.show, elapsed=lambda: clock[0])
    await looking.look()
    oldest = shown(ledger, "oldest_unfinished_seconds", platform="shopify", mode="records")
    assert oldest == pytest.approx(3600, abs=5)
    assert shown(ledger, "oldest_unfinished_seconds", platform="facebook", mode="full") == 0
    assert shown(ledger, "syncs_open", platform="shopify", mode="records", state="queued") == 2
    assert shown(ledger, "connections", platform="shopify", state="connected") == 1
    await ledger.run("DELETE FROM syncs")
    await looking.look()
    assert shown(ledger, "oldest_unfinished_seconds", platform="shopify", mode="records") == oldest, "kept a while"
    clock[0] = KEPT_SECONDS
    await looking.look()
    assert shown(ledger, "oldest_unfinished_seconds", platform="shopify", mode="records") == 0


async def test_a_ledger_that_does_not_answer_shows_nothing_rather_than_what_it_knew(ledger: Ledger) -> None:
    await ledger.connected()
    await Looking(ledger.database.transaction, ledger.metrics.show).look()
    assert shown(ledger, "connections", platform="shopify", state="connected") == 1

    def away() -> Any:
        raise UnavailableError("postgres")

    await Looking(away, ledger.metrics.show).look()
    assert shown(ledger, "connections", platform="shopify", state="connected") is None
    assert shown(ledger, "oldest_unfinished_seconds", platform="shopify", mode="records") is None
