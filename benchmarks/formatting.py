"""Turn measurements into text: medians, percentiles, tables, units."""

from collections.abc import Iterable, Sequence
from statistics import median


def compute_percentile(values: Iterable[float], share: float) -> float:
    """Return the value below which `share` (0 to 1) of the values lie; NaN when there are no values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def format_spread(values: Sequence[float], number_format: str = ".2f") -> str:
    """Format the median, followed by the least and the greatest value: `0.52 (0.48 to 0.55)`."""
    return f"{median(values):{number_format}} ({min(values):{number_format}} to {max(values):{number_format}})"


def format_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Align columns: the first one to the left, the others to the right."""
    lines = [tuple(head), *(tuple(str(cell) for cell in row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  " + "  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))])
        for line in lines
    )


def format_milliseconds(seconds: float) -> str:
    """Format seconds as milliseconds."""
    return f"{seconds * 1e3:,.1f} ms"


def format_microseconds(seconds: float) -> str:
    """Format seconds as microseconds."""
    return f"{seconds * 1e6:,.0f} µs"


def format_megabytes(count: float) -> str:
    """Format a number of bytes as MB."""
    return f"{count / 1e6:,.1f} MB"
