"""Metrics: webhook latency, finished syncs and the gauges of the ledger, against a real PostgreSQL."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.events import DataStored, SyncRequested, Upload
from ledger_fixture import SHOP, Ledger, build_progress, build_request, build_result
from messaging.errors import UnavailableError
from scheduler.use_cases.refresh_gauges import CACHE_SECONDS, GaugeRefresher

pytestmark = pytest.mark.integration
ACCEPTED = 1_800_000_000_000


def build_accepted_request(sync_id: UUID, cause: str = "webhook") -> SyncRequested:
    return build_request(sync_id, cause=cause).model_copy(update={"requested_at": ACCEPTED})


def build_stored_upload(sequence: int, *, after: float, outcome: Any = "uploaded") -> DataStored:
    """Build an upload that was stored `after` seconds after `ACCEPTED`."""
    upload = Upload(key="k", outcome=outcome, sequence=sequence, stored_at=ACCEPTED + round(after * 1000))
    return DataStored(connection=SHOP, epoch=1, sequence=sequence, upload=upload)


def get_sample(ledger: Ledger, name: str, **labels: str) -> float | None:
    return ledger.registry.get_sample_value(f"merchant_sync_{name}", labels)


def get_latencies(ledger: Ledger) -> tuple[float | None, float | None]:
    """Return the number of measured webhooks and the sum of their seconds."""
    name = "webhook_to_snapshot_seconds"
    return get_sample(ledger, f"{name}_count", platform="shopify"), get_sample(
        ledger, f"{name}_sum", platform="shopify"
    )


async def test_a_webhook_is_measured_to_the_upload_that_holds_it(ledger: Ledger) -> None:
    sync_id = uuid4()
    await ledger.change_connection()
    await ledger.requests(SHOP, [build_accepted_request(sync_id)])
    await ledger.data_stored(SHOP, [build_stored_upload(1, after=1), build_result(sync_id, sequence=2)])
    assert get_latencies(ledger) == (0, 0)
    await ledger.data_stored(SHOP, [build_stored_upload(2, after=3, outcome="failed")])
    assert get_latencies(ledger) == (0, 0)
    await ledger.data_stored(SHOP, [build_stored_upload(2, after=7)])
    await ledger.data_stored(SHOP, [build_stored_upload(3, after=9)])
    assert get_latencies(ledger) == (1, 7)


async def test_an_upload_that_comes_before_the_result_counts_as_well(ledger: Ledger) -> None:
    sync_id = uuid4()
    await ledger.change_connection()
    await ledger.requests(SHOP, [build_accepted_request(sync_id)])
    await ledger.data_stored(SHOP, [build_stored_upload(2, after=4), build_result(sync_id, sequence=2)])
    await ledger.data_stored(SHOP, [build_result(sync_id, sequence=2)])
    assert get_latencies(ledger) == (1, 4)


async def test_a_webhook_without_a_change_and_a_manual_sync_are_not_measured(ledger: Ledger) -> None:
    idle, manual = uuid4(), uuid4()
    await ledger.change_connection()
    await ledger.data_stored(SHOP, [build_stored_upload(2, after=-60)])
    await ledger.requests(SHOP, [build_accepted_request(idle), build_accepted_request(manual, cause="manual")])
    await ledger.data_stored(
        SHOP, [build_result(idle, sequence=2), build_result(manual, sequence=3), build_stored_upload(3, after=5)]
    )
    assert get_latencies(ledger) == (0, 0)


async def test_each_sync_is_counted_once_when_it_ends(ledger: Ledger) -> None:
    bad, good, waiting = await ledger.start_full_sync(cause="manual"), uuid4(), uuid4()
    await ledger.requests(SHOP, [build_accepted_request(good), build_accepted_request(waiting)])
    for _ in range(2):
        await ledger.data_stored(SHOP, [build_result(good), build_stored_upload(1, after=1)])
        await ledger.progress(SHOP, [build_progress(bad, "failed", step=1, retryable=False, reason="never")])
    await ledger.change_connection(revision=2, epoch=2, state="uninstalled")
    assert (await ledger.get_sync(waiting))["state"] == "cancelled"
    finished = {
        (mode, state): get_sample(ledger, "syncs_ended_total", platform="shopify", mode=mode, state=state)
        for mode in ("incremental", "full")
        for state in ("success", "failed", "cancelled")
    }
    assert {labels: count for labels, count in finished.items() if count} == {
        ("incremental", "success"): 1,
        ("incremental", "cancelled"): 1,
        ("full", "failed"): 1,
    }
    assert None not in finished.values(), "series are there before their first count"


async def test_the_age_of_the_oldest_unfinished_is_seen_at_a_scrape(ledger: Ledger) -> None:
    await ledger.change_connection()
    await ledger.requests(SHOP, [build_request(uuid4(), cause="webhook") for _ in range(2)])
    await ledger.execute("UPDATE syncs SET requested_at = now() - interval '1 hour'")
    clock = [0.0]
    refresher = GaugeRefresher(
        ledger.database.transaction, ledger.metrics.set_gauges, get_monotonic_time=lambda: clock[0]
    )
    await refresher.refresh()
    oldest = get_sample(ledger, "oldest_unfinished_seconds", platform="shopify", mode="incremental")
    assert oldest == pytest.approx(3600, abs=5)
    assert get_sample(ledger, "oldest_unfinished_seconds", platform="facebook", mode="full") == 0
    assert get_sample(ledger, "syncs_open", platform="shopify", mode="incremental", state="queued") == 2
    assert get_sample(ledger, "connections", platform="shopify", state="connected") == 1
    await ledger.execute("DELETE FROM syncs")
    await refresher.refresh()
    assert get_sample(ledger, "oldest_unfinished_seconds", platform="shopify", mode="incremental") == oldest, (
        "cached for a while"
    )
    clock[0] = CACHE_SECONDS
    await refresher.refresh()
    assert get_sample(ledger, "oldest_unfinished_seconds", platform="shopify", mode="incremental") == 0


async def test_gauges_show_nothing_rather_than_old_values_while_the_database_is_unavailable(ledger: Ledger) -> None:
    await ledger.change_connection()
    await GaugeRefresher(ledger.database.transaction, ledger.metrics.set_gauges).refresh()
    assert get_sample(ledger, "connections", platform="shopify", state="connected") == 1

    def fail() -> Any:
        raise UnavailableError("postgres")

    await GaugeRefresher(fail, ledger.metrics.set_gauges).refresh()
    assert get_sample(ledger, "connections", platform="shopify", state="connected") is None
    assert get_sample(ledger, "oldest_unfinished_seconds", platform="shopify", mode="incremental") is None
