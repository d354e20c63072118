"""What all of the operator's commands share: how they find the installation, complain, answer and end."""

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
from merchant_sync.operating import NotThere
from merchant_sync.parts import StackError
from messaging.errors import KafkaUnavailableError

WRONG, NOT_ASKED = 1, 2
DataDir = Annotated[Path, typer.Option("--data", help="Folder of the local stack, if one runs.", file_okay=False)]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
LOCAL = Path("data")
CODES = "Exit codes: 0 all is well, 1 something is wrong, 2 it could not be asked."


def reached(data: Path) -> Access:
    """The installation that is meant; ends the command with code 2 where none is named."""
    with asking():
        return access.read(data)


@contextmanager
def asking() -> Iterator[None]:
    """End the command with a sentence: with code 1 where it is refused, with 2 where what it asks does not answer."""
    try:
        yield
    except StackError as error:
        complain(str(error))
        raise typer.Exit(WRONG if isinstance(error, NotThere) else NOT_ASKED) from None
    except KafkaUnavailableError as away:
        complain(f"Kafka does not answer: {away}. Look at KAFKA_BOOTSTRAP_SERVERS and its credentials.")
        raise typer.Exit(NOT_ASKED) from None


def complain(message: str) -> None:
    """Say what is wrong on standard error."""
    Console(stderr=True, soft_wrap=True).print(message, style="bold red", highlight=False, markup=False)


def tell(document: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode())
