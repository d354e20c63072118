"""Run a part of the stack as a child process: write its log, watch it, restart it."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from pathlib import Path

from merchant_sync import health, parent_watch, processes
from merchant_sync.parts import Part, StackError

OnLine = Callable[[str, str], None]
"""Called with the name of a part and a line that it wrote."""
_BACKOFF = (0.5, 1.0, 2.0, 5.0, 10.0)
_STEADY_SECONDS = 30.0
_LOG_LIMIT = 20 * 1024 * 1024


def compute_backoff(failures: int) -> float:
    """Return the seconds to wait before a part that has failed `failures` times in a row is restarted."""
    return _BACKOFF[min(failures, len(_BACKOFF)) - 1]


def read_tail(path: Path, lines: int = 15) -> str:
    """Return the last `lines` lines of a log file as one text; an empty string when there is no file."""
    if not path.exists():
        return ""
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])


class Child:
    """Starts and stops the process of one part of a stack, such as Kafka or a service.

    Only one thread at a time may call its methods; it watches the process and copies the output in threads of its own.
    `spawner` is the executor that starts the process; it must have a single thread that outlives every child. The
    reason: the kernel's parent-death signal is sent when the *thread* that forked ends, and the thread pool of a caller
    may end at any time.
    """

    def __init__(self, part: Part, log: Path, env: Mapping[str, str], spawner: Executor, on_line: OnLine) -> None:
        self.part = part
        self.log = log
        self._inherited = dict(env)
        self.auto_restart = False
        self._spawner = spawner
        self._on_line = on_line
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = threading.Event()
        self._lock = threading.Lock()

    @property
    def pid(self) -> int | None:
        """The process id; None while the process does not run."""
        process = self._process
        return process.pid if process and process.poll() is None else None

    @property
    def is_running(self) -> bool:
        """Whether the process runs, healthy or not."""
        return self.pid is not None

    @property
    def env(self) -> dict[str, str]:
        """The environment variables of the process."""
        return {**self._inherited, **self.part.env}

    def start(self, *, wait: bool = True) -> None:
        """Start the process. With `wait`, also wait until it is healthy, then call the part's `settle`.

        `settle` does what needs a running part: Kafka's, for example, creates the topics. Raises StackError with the
        end of the log when the process does not become healthy.
        """
        if self.is_running:
            return
        self._stopped = stopped = threading.Event()
        process = self._prepare_and_spawn(stopped)
        if wait:
            self._wait_healthy_and_settle()
        threading.Thread(target=self._watch_and_restart, args=(process, stopped), daemon=True).start()

    def _wait_healthy_and_settle(self) -> None:
        try:
            self.wait_healthy()
            self.part.settle()
        except StackError:
            self.kill()
            raise

    def wait_healthy(self, timeout: float | None = None) -> None:
        """Wait until the process is healthy.

        Raises StackError with the end of the log when the process ends first, or is not healthy after `timeout` seconds
        (default: the part's `start_timeout`).
        """
        seconds = timeout or self.part.start_timeout
        if not health.wait_until_healthy(self.part.is_healthy, timeout=seconds, is_alive=lambda: self.is_running):
            state = f"was not healthy after {seconds:.0f} s" if self.is_running else "ended while it started"
            raise StackError(f"{self.part.name} {state}. The end of {self.log}:\n{read_tail(self.log)}")

    def stop(self, max_wait: float = 10.0) -> None:
        """Send the part's stop signal; when the process still runs after `max_wait` seconds, kill it."""
        self._stopped.set()
        with self._lock:
            process = self._process
        if process is None or process.poll() is not None:
            return
        self._send_signal_and_resume(self.part.stop_signal)
        try:
            process.wait(max_wait)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Send SIGKILL to the process and all its descendants. It is not restarted."""
        self._stopped.set()
        with self._lock:
            process = self._process
        if process and process.poll() is None:
            family = [process.pid, *processes.list_descendants(process.pid)]
            processes.send_signal(family, signal.SIGKILL)
            process.wait()

    def pause(self) -> None:
        """Freeze the process and all its descendants: connections stay open and nothing is answered."""
        if pid := self.pid:
            processes.send_signal([pid, *processes.list_descendants(pid)], signal.SIGSTOP)

    def resume(self) -> None:
        """Let the process and its descendants continue after `pause`."""
        if pid := self.pid:
            processes.send_signal([pid, *processes.list_descendants(pid)], signal.SIGCONT)

    def _send_signal_and_resume(self, signal_number: int) -> None:
        """Send a signal to the child's process group, and let frozen processes run on, so that they receive it."""
        pid = self.pid
        if pid is None:
            return
        try:
            os.killpg(pid, signal_number)
        except ProcessLookupError:
            return
        # A frozen process receives the signal only once it runs again.
        self.resume()

    def _prepare_and_spawn(self, stopped: threading.Event) -> subprocess.Popen[bytes]:
        """Call the part's `prepare`, then start its process and return it.

        Raises StackError when `stopped` is set before the start, because somebody has stopped the part.
        """
        self.part.prepare()
        with self._lock:
            if stopped.is_set():
                raise StackError(f"{self.part.name} was stopped before it started")
            self._process = self._spawner.submit(self._spawn_and_pump).result()
            return self._process

    def _spawn_and_pump(self) -> subprocess.Popen[bytes]:
        guard = [sys.executable, "-I", "-S", parent_watch.__file__, str(os.getpid()), str(int(self.part.death_signal))]
        process = subprocess.Popen(
            [*guard, self.part.user, *self.part.command],
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        threading.Thread(target=self._pump, args=(process,), daemon=True).start()
        return process

    def _pump(self, process: subprocess.Popen[bytes]) -> None:
        """Copy the output of the process to the log file, and call `on_line` with each line."""
        assert process.stdout is not None
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT:
            self.log.replace(self.log.with_suffix(".log.1"))
        with process.stdout, self.log.open("ab", buffering=0) as file:
            for line in process.stdout:
                file.write(line)
                self._on_line(self.part.name, line.decode(errors="replace").rstrip())

    def _watch_and_restart(self, process: subprocess.Popen[bytes], stopped: threading.Event) -> None:
        """Restart the process whenever it ends, until `stopped` is set or `auto_restart` is off.

        The wait before a restart grows with each short run in a row.
        """
        failures = 0
        while True:
            began = time.monotonic()
            code = process.wait()
            if stopped.is_set() or not self.auto_restart:
                return
            failures = 1 if time.monotonic() - began > _STEADY_SECONDS else failures + 1
            pause = compute_backoff(failures)
            self._on_line(self.part.name, f"{_describe_exit(code)}; restarting it in {pause:g} s")
            if stopped.wait(pause):
                return
            try:
                process = self._prepare_and_spawn(stopped)
            except StackError as error:
                self._on_line(self.part.name, str(error))


def _describe_exit(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
