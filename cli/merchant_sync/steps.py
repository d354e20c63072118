"""Run the steps of the demo. Each checks a claim about the product; its result and its duration are printed."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import httpx
from rich.console import Console

from merchant_sync.parts import StackError

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class DemoStep:
    """One step of the demo: a claim about the product, and the function that checks it.

    The function returns a few words about the result. It raises StackError when the claim does not hold, and an
    error of httpx when something does not answer.
    """

    name: str
    run: Callable[[], str]


def run_steps(steps: Sequence[DemoStep], console: Console) -> bool:
    """Run the steps in order. Return False after the first failure, without running later steps; True otherwise."""
    began = time.monotonic()
    for number, step in enumerate(steps, 1):
        started = time.monotonic()
        console.print(f"[dim]{number}/{len(steps)}[/] {step.name}", end=" ")
        try:
            seen = step.run()
        except (StackError, httpx.HTTPError) as error:
            console.print(f"[bold red]no[/]\n    {error}", highlight=False)
            return False
        console.print(f"[green]✓[/] {seen} [dim]{time.monotonic() - started:.1f} s[/]", highlight=False)
    console.print(f"[bold green]All {len(steps)} hold[/] [dim]{time.monotonic() - began:.1f} s[/]", highlight=False)
    return True


def wait_for(ask: Callable[[], Answer | None], *, within: float, what: str) -> Answer:
    """Call `ask` until it returns something other than None, and return that.

    `what` says in words what is awaited. After `within` seconds, a StackError with these words is raised.
    """
    deadline = time.monotonic() + within
    while (answer := ask()) is None:
        if time.monotonic() > deadline:
            raise StackError(f"{what}: not within {within:.0f} s")
        time.sleep(0.1)
    return answer
