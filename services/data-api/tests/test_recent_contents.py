"""Contents in memory: never more than allowed, and none of what was dropped."""

from pathlib import Path

from data_api.recent_contents import RecentContents


def test_the_least_used_contents_go_first_and_large_ones_are_not_kept() -> None:
    contents = RecentContents(max_bytes=10, max_size=6)
    a, b, c = Path("x/a"), Path("x/b"), Path("y/c")
    contents.put(a, b"1234")
    contents.put(b, b"5678")
    contents.put(Path("x/large"), b"1234567")
    assert contents.get(a) == b"1234"
    contents.put(c, b"90ab")
    assert [contents.get(path) for path in (a, b, c)] == [b"1234", None, b"90ab"]
    assert (contents.get(Path("x/large")), contents.bytes) == (None, 8)
    contents.drop(Path("x"))
    assert (contents.get(a), contents.get(c), contents.bytes) == (None, b"90ab", 4)
