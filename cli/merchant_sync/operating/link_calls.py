"""What the commands of links share: how they call the linker, and how they show rows."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from merchant_sync.operating.internal_api import InternalApi
from merchant_sync.operating.terminal import WRONG, exit_on_errors, locate_installation_or_exit
from merchant_sync.parts import StackError

Shop = Annotated[str, typer.Argument(help="The shop's connection, as `merchant-sync connections list` shows it.")]
MAX_LINES = 100
_REFUSALS = range(400, 500)
Answer = TypeVar("Answer")


def call_linker(data: Path, call: Callable[[InternalApi], Answer]) -> Answer:
    """Return what the call of the installation's linker returns. Ends the command with its error."""
    access = locate_installation_or_exit(data)
    with exit_on_errors(), InternalApi(access) as api:
        return _refuse_plainly(lambda: call(api))


def _refuse_plainly(call: Callable[[], Answer]) -> Answer:
    """Return what the call returns. Where the linker refuses it, the exit code says so: something is wrong with it."""
    try:
        return call()
    except StackError as error:
        code = WRONG if error.status in _REFUSALS and error.status not in (401, 403) else error.exit_code
        raise StackError(str(error), exit_code=code, status=error.status) from None


def pick(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> list[list[object]]:
    """Return these columns of rows, with a dash for what is not there."""
    return [["-" if row[column] is None else row[column] for column in columns] for row in rows]
