"""Write the OpenAPI document of all operations into the folder that the first argument names, as `data-api.json`."""

import sys
from pathlib import Path
from typing import Any

from data_api.applications import DataApiParts, describe_operations


class _Placeholder:
    """Stands for everything that is needed only when an operation is requested. Here none is."""

    def __getattr__(self, name: str) -> Any:
        return self


def describe() -> str:
    """Return the OpenAPI document as JSON."""
    nothing: Any = _Placeholder()
    parts = DataApiParts(
        state=nothing,
        access=nothing,
        limits=nothing,
        cache=nothing,
        refreshes=nothing,
        reads=nothing,
        record_counts=nothing,
        streams=nothing,
        endpoints=nothing,
        checks={},
        note_use=nothing,
        access_log=nothing,
        count_request=nothing,
        now=nothing,
    )
    return describe_operations(parts)


if __name__ == "__main__":
    Path(sys.argv[1], "data-api.json").write_text(describe())
