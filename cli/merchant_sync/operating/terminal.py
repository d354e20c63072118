"""Functions that all of the operator's commands share: find the installation, print, exit."""

import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console

from merchant_sync import access
from merchant_sync.access import Access
from merchant_sync.parts import StackError
from messaging.errors import UnavailableError

WRONG, UNREACHABLE = 1, 2
"""The exit codes for something that is wrong, and for an installation that cannot be reached."""
DataDir = Annotated[Path, typer.Option("--data", help="Folder of the local stack, if one runs.", file_okay=False)]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
LOCAL = Path("data")
EXIT_CODES = "Exit codes: 0 all is well, 1 something is wrong, 2 the installation could not be reached."


def locate_installation_or_exit(data_dir: Path) -> Access:
    """Return how to reach the installation. Exits with code 2 when no stack runs and settings name no installation."""
    with exit_on_errors():
        return access.locate_installation(data_dir)


@contextmanager
def exit_on_errors() -> Iterator[None]:
    """When the `with` block raises a StackError or an UnavailableError, print it and exit.

    The exit code is that of the StackError, and 2 for an UnavailableError.
    """
    try:
        yield
    except StackError as error:
        print_error(str(error))
        raise typer.Exit(error.exit_code) from None
    except UnavailableError as error:
        print_error(f"No answer from {error}. Check KAFKA_BOOTSTRAP_SERVERS and its credentials.")
        raise typer.Exit(UNREACHABLE) from None


def print_error(message: str) -> None:
    """Print a message on standard error."""
    Console(stderr=True, soft_wrap=True).print(message, style="bold red", highlight=False, markup=False)


def format_time(ms: int | None) -> str:
    """Format a time in milliseconds since 1970, for example `2026-11-29 20:10 UTC`; `-` for None."""
    return "-" if ms is None else f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"


def format_age(seconds: float | None) -> str:
    """Format a duration in the largest unit that it fills, for example `5.0 min`; `-` for None."""
    if seconds is None:
        return "-"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table as lines of text with aligned columns. No cell is cut, so that each can be copied."""
    typer.secho(f"{title}: none" if not rows else title, bold=True)
    lines = [columns, *([str(cell) for cell in row] for row in rows)] if rows else []
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def print_details(text: str) -> None:
    """Print text indented, wrapped between words at a terminal's width; in a pipe it stays one line."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    wrapped = textwrap.wrap(
        text, width, initial_indent="  ", subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
    typer.echo("\n".join(wrapped))


def print_json(document: Any) -> None:
    """Print one JSON document on standard output."""
    sys.stdout.write(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode())
