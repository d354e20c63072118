from messaging.offsets import PartitionOffsets


def test_nothing_may_be_committed_before_anything_is_finished() -> None:
    mark = PartitionOffsets()
    mark.begin(7)
    assert (mark.position, mark.open) == (None, 1)


def test_an_offset_finished_early_waits_for_those_before_it() -> None:
    mark = PartitionOffsets()
    for offset in (7, 8, 9):
        mark.begin(offset)
    mark.finish(9)
    mark.finish(8)
    assert mark.position is None
    mark.finish(7)
    assert (mark.position, mark.open) == (10, 0)


def test_gaps_in_the_offsets_of_a_compacted_topic_hold_nothing_up() -> None:
    mark = PartitionOffsets()
    for offset in (3, 10):
        mark.begin(offset)
    mark.finish(3)
    assert mark.position == 4
    mark.finish(10)
    assert mark.position == 11


def test_an_offset_that_was_taken_is_not_taken_again() -> None:
    mark = PartitionOffsets()
    assert [mark.begin(offset) for offset in (7, 8, 7, 8, 9)] == [True, True, False, False, True]
    assert mark.open == 3
