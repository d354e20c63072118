"""Processes beside the stack: servers under test, and workers that load them when told to.

A worker hears one line of JSON with its settings, says `ready`, and from then on answers each line, a number of
seconds, with one line of JSON. All of them end with the benchmark, however that ends.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import httpx

from merchant_sync import parent_watch

_ROOT = Path(__file__).parents[1]
_START_SECONDS = 30.0
_PATIENCE_SECONDS = 10.0


def module(name: str, *arguments: str) -> list[str]:
    """The command that runs a module of the benchmarks."""
    return [sys.executable, "-m", f"benchmarks.{name}", *arguments]


def _guarded(command: Sequence[str]) -> list[str]:
    """The command, ended by the kernel should this process die."""
    guard = [sys.executable, "-I", "-S", parent_watch.__file__, str(os.getpid()), str(int(signal.SIGKILL)), "-"]
    return [*guard, *command]


def _end(process: subprocess.Popen[Any]) -> None:
    process.terminate()
    try:
        process.wait(_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Server:
    """A server process, its output in a file; entered once it answers `GET /health`."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], url: str, log: Path) -> None:
        self._command = command
        self._env = env
        self._log = log
        self._url = url
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                _guarded(self._command),
                cwd=_ROOT,
                env={**os.environ, **self._env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            self._wait()
        except BaseException:
            _end(self._process)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            _end(self._process)

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if time.monotonic() > deadline or (self._process is not None and self._process.poll() is not None):
                said = self._log.read_text(errors="replace")[-1000:]
                raise RuntimeError(f"{' '.join(self._command)} does not answer at {self._url}:\n{said}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self._url}/health", timeout=1).status_code == 200
        except httpx.TransportError:
            return False


class Worker:
    """A worker process; entered once it is ready."""

    def __init__(self, name: str, settings: Mapping[str, Any]) -> None:
        self._process = subprocess.Popen(
            _guarded(module(name)), cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._settings = settings

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def __enter__(self) -> Self:
        if self._ask(json.dumps(self._settings)) != "ready":
            raise RuntimeError("the worker did not get ready")
        return self

    def __exit__(self, *_: object) -> None:
        _end(self._process)

    def run(self, seconds: float) -> dict[str, Any]:
        """Have it work for so long; what it says of that."""
        said: dict[str, Any] = json.loads(self._ask(str(seconds)))
        return said

    def _ask(self, line: str) -> str:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        if not answer:
            raise RuntimeError("the worker has ended")
        return answer


def obey(prepare: Callable[[dict[str, Any]], Callable[[float], dict[str, Any]]]) -> None:
    """A worker's side: `prepare` makes of the settings what is run for each number of seconds."""
    run = prepare(json.loads(sys.stdin.readline()))
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(run(float(line))), flush=True)
