"""The `merchant-sync` command: run the product on this machine, demonstrate, operate or reset it."""

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

from merchant_sync import access, client, demo, deployment, environment, logs, parts, runtime
from merchant_sync.demo.trip import Trip
from merchant_sync.operating import commands
from merchant_sync.parts import StackError
from merchant_sync.stack import Stack
from merchant_sync.steps import run_steps

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False)
DataDir = Annotated[Path, typer.Option("--data", help="Folder with all state.", file_okay=False)]
_DATA = Path("data")


def _load_settings() -> dict[str, str]:
    """Return the settings of this run: environment variables, which override those in `.env`."""
    return environment.merge_shared_settings(dotenv_values(".env"), os.environ)


def _print_error_and_build_exit(console: Console, error: StackError) -> typer.Exit:
    console.print(str(error), style="bold red", highlight=False, markup=False)
    return typer.Exit(1)


def _raise_interrupt_on_first_signal(is_interrupted: threading.Event) -> None:
    """Raise KeyboardInterrupt at the first SIGINT, SIGTERM or SIGHUP, and ignore the later ones.

    `is_interrupted` is set at the first signal. When the caller sets it before any signal, all signals are ignored.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        if is_interrupted.is_set():
            return
        is_interrupted.set()
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"merchant-sync {importlib.metadata.version('merchant-sync')}")
        raise typer.Exit


@app.callback()
def define_global_options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Sync merchants' shops and pages to object storage: run the product here, try it, operate it."""


@app.command()
def up(
    data: DataDir = _DATA,
    only: Annotated[list[str] | None, typer.Option("--only", help="Run this part; again for each.")] = None,
) -> None:
    """Run everything until Ctrl-C: Kafka, Postgres, the object store, the sandbox and every service."""
    console = Console(soft_wrap=True, highlight=False)
    wanted = only or parts.ALL
    if unknown := set(wanted) - set(parts.ALL):
        raise _print_error_and_build_exit(
            console, StackError(f"No part {', '.join(unknown)}; there are {', '.join(parts.ALL)}.")
        )
    try:
        environment.check_settings(given := _load_settings(), dotenv_values(".env"))
    except StackError as error:
        raise _print_error_and_build_exit(console, error) from None
    stack = Stack(data, given=given, wanted=wanted, on_line=lambda name, line: console.print(logs.render(name, line)))
    is_interrupted = threading.Event()
    _raise_interrupt_on_first_signal(is_interrupted)
    try:
        stack.start()
        where = f"{stack.gateway_url}/" if parts.GATEWAY in wanted else ", ".join(stack.names)
        console.print(f"\n  merchant-sync is up: [bold]{where}[/]\n")
        if parts.DATA_API in wanted:
            console.print(f"  its data API, for readers: [bold]{stack.data_api_url}[/]\n")
        while True:
            signal.pause()
    except StackError as error:
        raise _print_error_and_build_exit(console, error) from None
    except KeyboardInterrupt:
        console.print("stopping")
    finally:
        is_interrupted.set()
        stack.stop()


@app.command("demo")
def run_demo(data: DataDir = _DATA) -> None:
    """Check the product's promises on the running stack, step by step; exit 1 at the first that does not hold."""
    console = Console(soft_wrap=True)
    try:
        trip = Trip(client.Visit(access.locate_installation(data)))
    except StackError as error:
        raise _print_error_and_build_exit(console, error) from None
    if not run_steps(demo.build_steps(trip), console):
        raise typer.Exit(1)


commands.add_commands(app)


@app.command()
def reset(
    data: DataDir = _DATA,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Kafka's downloaded jars, too.")] = False,
) -> None:
    """Delete all state of the stack on this machine: messages, database, objects, the sandbox's shops, secrets."""
    console = Console()
    if found := runtime.find_running(data.absolute()):
        raise _print_error_and_build_exit(
            console, StackError(f"A stack runs on {data} (process {found.pid}). Stop it first.")
        )
    if not yes:
        typer.confirm(f"Delete everything in {data.absolute()}?", abort=True)
    for entry in data.iterdir() if data.exists() else ():
        if entry.name != "cache" or everything:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


@app.command()
def secrets(
    to: Annotated[Path, typer.Option("--to", help="Where each part's secrets are written.", file_okay=False)],
    env: Annotated[bool, typer.Option("--env", help="An env file for each part, not a folder with files.")] = False,
    real: Annotated[bool, typer.Option("--real", help="No secrets of platforms and of the bucket.")] = False,
) -> None:
    """Generate the secrets of an installation that runs in containers, part by part. Existing secrets are kept."""
    write = deployment.write_secret_env_files if env else deployment.write_secret_folders
    write(to, with_sandbox=not real)


def main() -> None:
    """Run the command line. Of the libraries' log lines, only warnings and errors are shown."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    app()


if __name__ == "__main__":
    main()
