"""The `merchant-sync` command: bring the product up on this machine, take a trip through it, operate it, start over."""

import importlib.metadata
import logging
import os
import shutil
import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Annotated

import structlog
import typer
from dotenv import dotenv_values
from rich.console import Console

from merchant_sync import access, client, demo, deployment, environment, logs, parts, runtime, steps
from merchant_sync.operating import commands
from merchant_sync.parts import StackError
from merchant_sync.stack import Stack

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False)
DataDir = Annotated[Path, typer.Option("--data", help="Folder with all state.", file_okay=False)]
_DATA = Path("data")


def _given() -> dict[str, str]:
    """The settings of this run: the environment's, else those in `.env`."""
    return environment.clean(dotenv_values(".env"), os.environ)


def _fail(console: Console, error: StackError) -> typer.Exit:
    console.print(str(error), style="bold red", highlight=False, markup=False)
    return typer.Exit(1)


def _end_on_signals(ended: threading.Event) -> None:
    """Turn the first SIGINT or SIGTERM into an orderly end; while starting, into KeyboardInterrupt at once."""

    def end(_number: int, _frame: FrameType | None) -> None:
        if ended.is_set():
            return
        ended.set()
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"merchant-sync {importlib.metadata.version('merchant-sync')}")
        raise typer.Exit


@app.callback()
def prepare(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Sync merchants' shops and pages to object storage: run everything here, try it, operate it."""


@app.command()
def up(
    data: DataDir = _DATA,
    only: Annotated[list[str] | None, typer.Option("--only", help="Run this part; again for each.")] = None,
) -> None:
    """Run everything until Ctrl-C: Kafka, Postgres, the object store, the sandbox and every service."""
    console = Console(soft_wrap=True, highlight=False)
    wanted = only or parts.ALL
    if unknown := set(wanted) - set(parts.ALL):
        raise _fail(console, StackError(f"No part {', '.join(unknown)}; there are {', '.join(parts.ALL)}."))
    stack = Stack(
        data, given=_given(), wanted=wanted, on_line=lambda name, line: console.print(logs.render(name, line))
    )
    ended = threading.Event()
    _end_on_signals(ended)
    try:
        stack.start()
        where = f"{stack.gateway_url}/" if parts.GATEWAY in wanted else ", ".join(stack.names)
        console.print(f"\n  merchant-sync is up: [bold]{where}[/]\n")
        while True:
            signal.pause()
    except StackError as error:
        raise _fail(console, error) from None
    except KeyboardInterrupt:
        console.print("stopping")
    finally:
        ended.set()
        stack.stop()


@app.command("demo")
def run_demo(data: DataDir = _DATA) -> None:
    """Take an unattended trip through the running stack; exit 1 at the first difference."""
    console = Console(soft_wrap=True)
    try:
        trip = demo.Trip(client.Visit(access.read(data)))
    except StackError as error:
        raise _fail(console, error) from None
    if not steps.walk(demo.STEPS, trip, console):
        raise typer.Exit(1)


commands.add_to(app)


@app.command()
def reset(
    data: DataDir = _DATA,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Kafka's downloaded jars, too.")] = False,
) -> None:
    """Delete all state: messages, database, objects, the sandbox's shops, secrets."""
    console = Console()
    if found := runtime.find(data.absolute()):
        raise _fail(console, StackError(f"A stack runs on {data} (process {found.pid}). Stop it first."))
    if not yes:
        typer.confirm(f"Delete everything in {data.absolute()}?", abort=True)
    for entry in data.iterdir() if data.exists() else ():
        if entry.name != "cache" or everything:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


@app.command()
def secrets(
    to: Annotated[Path, typer.Option("--to", help="Where each part's secrets are written.", file_okay=False)],
    env: Annotated[bool, typer.Option("--env", help="An env file for each part, not a folder with files.")] = False,
    real: Annotated[bool, typer.Option("--real", help="Nothing that only the sandbox and its store need.")] = False,
) -> None:
    """Generate the secrets of an installation in containers, for each part its own. What is there stays the same."""
    write = deployment.write_env_files if env else deployment.write_folders
    write(to, sandboxed=not real)


def main() -> None:
    """Run the command line; of its own libraries' words only warnings reach the screen."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    app()


if __name__ == "__main__":
    main()
