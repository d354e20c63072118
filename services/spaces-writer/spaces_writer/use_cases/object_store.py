"""What the use cases need of the bucket."""

from collections.abc import Mapping
from typing import IO, Protocol


class ObjectStore(Protocol):
    """Objects by key. Every method raises `UnavailableError` when the bucket does not answer or refuses."""

    async def put(self, key: str, body: IO[bytes] | bytes, metadata: Mapping[str, str]) -> None:
        """Store the object."""
        ...

    async def load_metadata(self, key: str) -> Mapping[str, str] | None:
        """Return the object's own metadata, or None when there is no such object."""
        ...

    async def delete(self, key: str) -> None:
        """Delete the object; it is no error if there is none."""
        ...
