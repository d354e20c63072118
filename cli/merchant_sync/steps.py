"""A trip in steps: each one says what it shows, how long it took, and stops the trip when it does not hold."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from rich.console import Console

Trip = TypeVar("Trip")
Answer = TypeVar("Answer")


class Difference(Exception):
    """What was found is not what should be; the message says where they part."""


@dataclass(frozen=True)
class Step(Generic[Trip]):
    """One claim and the function that shows it; what it returns is a few words on what was seen."""

    name: str
    run: Callable[[Trip], str]


def walk(steps: Sequence[Step[Trip]], trip: Trip, console: Console) -> bool:
    """Run the steps in order; False at the first one that does not hold (those after it do not run)."""
    began = time.monotonic()
    for number, step in enumerate(steps, 1):
        started = time.monotonic()
        console.print(f"[dim]{number}/{len(steps)}[/] {step.name}", end=" ")
        try:
            seen = step.run(trip)
        except Difference as difference:
            console.print(f"[bold red]no[/]\n    {difference}", highlight=False)
            return False
        console.print(f"[green]✓[/] {seen} [dim]{time.monotonic() - started:.1f} s[/]", highlight=False)
    console.print(f"[bold green]All {len(steps)} hold[/] [dim]{time.monotonic() - began:.1f} s[/]", highlight=False)
    return True


def eventually(ask: Callable[[], Answer | None], *, within: float, what: str) -> Answer:
    """Ask until there is an answer; a Difference that names `what` when there is none in time."""
    deadline = time.monotonic() + within
    while (answer := ask()) is None:
        if time.monotonic() > deadline:
            raise Difference(f"{what}: not within {within:.0f} s")
        time.sleep(0.1)
    return answer
