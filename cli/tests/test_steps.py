"""The demo stops at the first step that fails."""

from importlib import import_module
from io import StringIO
from typing import cast

import httpx
import pytest
from rich.console import Console

from merchant_sync.client import Visit
from merchant_sync.demo import build_steps
from merchant_sync.demo.trip import Trip
from merchant_sync.parts import StackError
from merchant_sync.steps import DemoStep, run_steps, wait_for
from platforms.registry import PLATFORMS


def test_the_demo_ends_at_the_first_step_that_fails() -> None:
    ran: list[str] = []

    def succeed() -> str:
        ran.append("succeed")
        return "seen"

    def fail() -> str:
        raise StackError("$.a: 1 in the object, 2 expected")

    screen = StringIO()
    steps = [DemoStep("first", succeed), DemoStep("second", fail), DemoStep("third", succeed)]

    assert not run_steps(steps, Console(file=screen, width=200))
    assert ran == ["succeed"]
    assert "$.a: 1 in the object" in screen.getvalue()


def test_what_does_not_answer_is_a_failed_step_and_no_traceback() -> None:
    def ask() -> str:
        raise httpx.ConnectError("Connection refused")

    screen = StringIO()

    assert not run_steps([DemoStep("only", ask)], Console(file=screen, width=200))
    assert "Connection refused" in screen.getvalue()


def test_a_successful_demo_shows_what_its_steps_saw() -> None:
    screen = StringIO()

    assert run_steps([DemoStep("only", lambda: "42 bytes")], Console(file=screen, width=200))
    assert "42 bytes" in screen.getvalue()


def test_waiting_ends_with_the_answer_or_an_error_that_names_it() -> None:
    answers = iter([None, "there"])

    assert wait_for(lambda: next(answers), within=5, what="the object") == "there"
    with pytest.raises(StackError, match="the object: not within 0 s"):
        wait_for(lambda: None, within=0, what="the object")


def test_the_demo_has_the_steps_of_every_platform_with_a_module() -> None:
    names = [step.name for step in build_steps(Trip(cast(Visit, None)))]

    assert names[0] == "The gateway answers and is ready"
    for slug in PLATFORMS:
        module = import_module(f"merchant_sync.demo.{slug}")
        assert {step.name for step in module.build_steps(Trip(cast(Visit, None)))} <= set(names)
