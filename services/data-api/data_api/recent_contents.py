"""The contents of small files that were read recently, in memory."""

from collections import OrderedDict
from pathlib import Path


class RecentContents:
    """At most `max_bytes` of contents, each of at most `max_size` bytes. Those that were used least recently go first.

    A file that has a content keeps it: its name says what is in it.
    """

    def __init__(self, max_bytes: int, max_size: int) -> None:
        self._max_bytes = max_bytes
        self._max_size = max_size
        self._contents: OrderedDict[Path, bytes] = OrderedDict()
        self.bytes = 0
        """The size of all contents together."""

    def get(self, path: Path) -> bytes | None:
        """Return the content of a file if it is known."""
        content = self._contents.get(path)
        if content is not None:
            self._contents.move_to_end(path)
        return content

    def put(self, path: Path, content: bytes) -> None:
        """Keep the content of a file, unless it is too large."""
        if len(content) > self._max_size or path in self._contents:
            return
        self._contents[path] = content
        self.bytes += len(content)
        while self.bytes > self._max_bytes:
            _, evicted = self._contents.popitem(last=False)
            self.bytes -= len(evicted)

    def drop(self, folder: Path) -> None:
        """Forget the contents of all files in a folder."""
        for path in [path for path in self._contents if path.parent == folder]:
            self.bytes -= len(self._contents.pop(path))
