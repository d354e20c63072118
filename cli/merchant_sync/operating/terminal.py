"""Functions that all of the operator's commands share: find the installation, print, exit."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
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


def print_json(document: Any) -> None:
    """Print one JSON document on standard output."""
    sys.stdout.write(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode())
