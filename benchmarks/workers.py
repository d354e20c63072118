"""Run processes in addition to the stack: servers under test, and workers that put load on them.

A worker reads one line of JSON with its settings from standard input and answers `ready`. Each later line is a number
of seconds: the worker works for that time and answers with one line of JSON. All these processes end when the benchmark
ends, even when it is killed.
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
_TERMINATE_SECONDS = 10.0


def build_command(name: str, *arguments: str) -> list[str]:
    """Build the command line that runs the module `benchmarks.<name>`."""
    return [sys.executable, "-m", f"benchmarks.{name}", *arguments]


def _bind_to_this_process(command: Sequence[str]) -> list[str]:
    """Wrap the command so that the kernel kills it when this process dies."""
    wrapper = [sys.executable, "-I", "-S", parent_watch.__file__, str(os.getpid()), str(int(signal.SIGKILL)), "-"]
    return [*wrapper, *command]


def _stop_process(process: subprocess.Popen[Any]) -> None:
    process.terminate()
    try:
        process.wait(_TERMINATE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class ServerProcess:
    """Runs a server process while the context lasts. The context starts when `GET /health` answers.

    The output of the process goes to a file.
    """

    def __init__(self, command: Sequence[str], env: Mapping[str, str], url: str, log_path: Path) -> None:
        self._command = command
        self._env = env
        self._log_path = log_path
        self._url = url
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Self:
        with self._log_path.open("wb") as log:
            self._process = subprocess.Popen(
                _bind_to_this_process(self._command),
                cwd=_ROOT,
                env={**os.environ, **self._env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            self._wait_until_healthy()
        except BaseException:
            _stop_process(self._process)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            _stop_process(self._process)

    def _wait_until_healthy(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not self._is_healthy():
            if time.monotonic() > deadline or (self._process is not None and self._process.poll() is not None):
                output = self._log_path.read_text(errors="replace")[-1000:]
                raise RuntimeError(f"{' '.join(self._command)} does not answer at {self._url}:\n{output}")
            time.sleep(0.05)

    def _is_healthy(self) -> bool:
        try:
            return httpx.get(f"{self._url}/health", timeout=1).status_code == 200
        except httpx.TransportError:
            return False


class WorkerProcess:
    """Runs a worker process while the context lasts. The context starts when the worker is ready."""

    def __init__(self, name: str, settings: Mapping[str, Any]) -> None:
        self._process = subprocess.Popen(
            _bind_to_this_process(build_command(name)),
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._settings = settings

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def __enter__(self) -> Self:
        if self._send_line(json.dumps(self._settings)) != "ready":
            raise RuntimeError("the worker did not get ready")
        return self

    def __exit__(self, *_: object) -> None:
        _stop_process(self._process)

    def run(self, seconds: float) -> dict[str, Any]:
        """Let the worker work for `seconds`; return its measurements."""
        measurements: dict[str, Any] = json.loads(self._send_line(str(seconds)))
        return measurements

    def _send_line(self, line: str) -> str:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        if not answer:
            raise RuntimeError("the worker has ended")
        return answer


def serve_worker(prepare: Callable[[dict[str, Any]], Callable[[float], dict[str, Any]]]) -> None:
    """Run the worker's side of the protocol, in the worker's own process.

    `prepare` takes the settings and returns a function. That function works for a number of seconds and returns the
    measurements.
    """
    run = prepare(json.loads(sys.stdin.readline()))
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(run(float(line))), flush=True)
