from messaging.offsets import PartitionOffsets


def test_no_offset_may_be_committed_before_a_message_is_finished() -> None:
    offsets = PartitionOffsets()
    offsets.track(7)
    assert (offsets.position, offsets.pending_count) == (None, 1)


def test_an_offset_that_is_finished_early_waits_for_those_before_it() -> None:
    offsets = PartitionOffsets()
    for offset in (7, 8, 9):
        offsets.track(offset)
    offsets.mark_finished(9)
    offsets.mark_finished(8)
    assert offsets.position is None
    offsets.mark_finished(7)
    assert (offsets.position, offsets.pending_count) == (10, 0)


def test_gaps_in_the_offsets_of_a_compacted_topic_delay_nothing() -> None:
    offsets = PartitionOffsets()
    for offset in (3, 10):
        offsets.track(offset)
    offsets.mark_finished(3)
    assert offsets.position == 4
    offsets.mark_finished(10)
    assert offsets.position == 11


def test_an_offset_that_has_begun_does_not_begin_again() -> None:
    offsets = PartitionOffsets()
    assert [offsets.track(offset) for offset in (7, 8, 7, 8, 9)] == [True, True, False, False, True]
    assert offsets.pending_count == 3


def test_what_is_not_finished_and_what_is_not_fetched_yet_is_counted() -> None:
    offsets = PartitionOffsets()
    assert offsets.count_unfinished(20) == 0, "not known: the group may have finished all of them before"
    for offset in (7, 8):
        offsets.track(offset)
    assert offsets.count_unfinished(20) == 13
    offsets.mark_finished(7)
    assert offsets.count_unfinished(20) == 12
    offsets.mark_finished(8)
    assert offsets.count_unfinished(9) == 0
    assert offsets.count_unfinished(0) == 0, "before the first fetch"
