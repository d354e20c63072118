"""The tables in memory: what is newer wins, and whoever waits is woken."""

import asyncio
from uuid import uuid4

import pytest

from api_builders import ACME, KEY, OTHER, make_connection, make_key, make_keys, make_sync, make_syncs
from contracts.events import DataStored, Upload
from contracts.feed_cursors import FeedCursor
from data_api.tables.connections import ConnectionTable
from data_api.tables.feed_heads import FeedHeadTable
from data_api.tables.keys import KeyTable
from data_api.tables.signals import wait_for_signals
from data_api.tables.state import KnownState
from data_api.tables.syncs import SyncTable
from data_api.tables.uploads import UploadTable
from messaging.errors import ForeignMessageError


def test_the_highest_revision_of_a_connection_wins_in_any_order() -> None:
    table = ConnectionTable()
    newer, older = make_connection(revision=2, state="uninstalled", epoch=2), make_connection(revision=1)
    assert [table.apply(event) for event in (newer, older, newer)] == [True, False, False]
    assert table.get(ACME) == newer
    assert table.get_live(ACME) is None


def test_a_later_revision_with_a_lower_epoch_is_refused() -> None:
    table = ConnectionTable()
    table.apply(make_connection(revision=1, epoch=2))
    with pytest.raises(ForeignMessageError):
        table.apply(make_connection(revision=2, epoch=1))


def test_a_key_that_is_listed_no_more_is_unknown() -> None:
    table, key, other = KeyTable(), make_key(), make_key("msk_another")
    assert table.apply(make_keys(key, other))
    assert table.apply(make_keys(other, revision=2))
    assert not table.apply(make_keys(key, revision=1))
    assert table.find(key.sha256) is None
    found = table.find(other.sha256)
    assert found is not None and (found.connection, found.key) == (ACME, other)


def test_syncs_are_found_by_their_id_only_within_the_given_connections() -> None:
    table, sync = SyncTable(), make_sync()
    event = make_syncs(make_sync(state="success"), sync)
    assert table.apply(event, event.model_dump_json().encode())
    found = table.find(sync.sync_id, [(OTHER, 1), (ACME, 1)])
    assert found is not None and found.sync == sync
    assert table.find(sync.sync_id, [(OTHER, 1)]) is None
    assert table.find(sync.sync_id, [(ACME, 2)]) is None
    assert table.find(uuid4(), [(ACME, 1)]) is None


def test_the_summary_names_the_newest_full_sync_that_is_open() -> None:
    table = SyncTable()
    newest = make_sync(state="queued")
    ended, incremental = make_sync(state="failed"), make_sync(mode="incremental")
    event = make_syncs(incremental, ended, newest, make_sync(), revision=3)
    table.apply(event, event.model_dump_json().encode())
    assert not table.apply(make_syncs(revision=2), b"")
    summary = table.get(ACME, 1)
    assert summary is not None and summary.open_full_sync == newest.sync_id
    assert table.get(ACME, 2) is None


def test_a_feed_reaches_the_highest_position_until_the_epoch_or_the_feed_changes() -> None:
    table, feed, renewed = FeedHeadTable(), uuid4(), uuid4()
    heads = [(feed, 1, 5), (feed, 1, 4), (feed, 1, 5), (feed, 2, 3), (feed, 1, 9), (renewed, 1, 1)]
    applied = [table.apply(ACME, FeedCursor(*head)) for head in heads]
    assert applied == [True, False, False, True, False, True]
    assert table.get(ACME) == FeedCursor(renewed, 1, 1)


def make_stored(sequence: int, epoch: int = 1, **fields: object) -> DataStored:
    upload = Upload.model_validate({"key": "k", "outcome": "uploaded", "sequence": sequence, "sha256": "a", **fields})
    return DataStored(connection=ACME, epoch=epoch, sequence=sequence, upload=upload)


def test_the_latest_upload_that_succeeded_is_kept() -> None:
    table = UploadTable()
    assert table.apply(make_stored(5))
    assert not table.apply(make_stored(4))
    assert not table.apply(make_stored(6, outcome="failed", sha256=""))
    assert not table.apply(DataStored(connection=ACME, epoch=1, sequence=7))
    upload = table.get(ACME, 1)
    assert upload is not None and upload.sequence == 5
    assert table.apply(make_stored(1, epoch=2))
    assert table.get(ACME, 1) is None


async def test_all_who_wait_for_a_connection_are_woken_and_nobody_else() -> None:
    state = KnownState()
    waiting = [asyncio.create_task(wait_for_signals(state.watch(ACME), seconds=30)) for _ in range(1000)]
    other = asyncio.create_task(wait_for_signals(state.watch(OTHER), seconds=30))
    await asyncio.wait([*waiting, other], timeout=0)
    state.apply_connection(make_connection())
    assert await asyncio.gather(*waiting) == [True] * 1000
    assert not other.done()
    other.cancel()


async def test_one_who_gives_up_does_not_end_the_wait_of_others() -> None:
    state = KnownState()
    first, second = (asyncio.create_task(wait_for_signals(state.watch(ACME), seconds=30)) for _ in range(2))
    await asyncio.wait({first, second}, timeout=0)
    first.cancel()
    await asyncio.wait({first})
    state.apply_keys(make_keys(make_key(KEY)))
    assert await second


async def test_a_change_between_the_look_and_the_wait_is_not_missed() -> None:
    state = KnownState()
    signal = state.watch(ACME)
    state.apply_connection(make_connection())
    assert await wait_for_signals(signal, seconds=30)
    assert not await wait_for_signals(state.watch(ACME), seconds=0)


async def test_a_sync_that_makes_progress_does_not_wake_those_who_wait_for_records() -> None:
    state, syncs = KnownState(), make_syncs(make_sync())
    signal, feed_signal = state.watch(ACME), state.watch_feed(ACME)
    state.apply_syncs(syncs, syncs.model_dump_json().encode())
    assert (signal.done(), feed_signal.done()) == (True, False)
    state.apply_feed_head(ACME, FeedCursor(uuid4(), 1, 1))
    assert feed_signal.done()
