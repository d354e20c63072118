"""Run the whole product on one machine, each part as a child process.

`merchant-sync up` and the integration tests use it:

    with Stack(tmp_path / "data", given={"GATEWAY_PORT": "0"}) as stack:
        httpx.get(f"{stack.gateway_url}/health")

The methods of `Stack` block, and only one thread at a time may call them. In asyncio, use `asyncio.to_thread`.
"""

import fcntl
import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import IO, Self

from merchant_sync import dev_secrets, environment, kafka, object_store, parts, postgres, runtime, services
from merchant_sync.child_process import Child, OnLine
from merchant_sync.environment import Environment
from merchant_sync.parts import Part, StackError
from merchant_sync.ports import Ports, is_free

__all__ = ["Stack", "StackError"]


_CACHE = Path("data/cache")


def _ignore_line(_name: str, _line: str) -> None:
    """Show no log lines; they are in the log files."""


class Stack:
    """Runs a stack: the whole product on one machine, each part as a child process.

    All its files are in `data_dir` and stay there when the stack stops.

    `given` are settings that override the computed ones; a part whose address is given is not started. `wanted` are the
    parts to run. `cache_dir` is the folder of Kafka's jars; the default is `JGO_CACHE_DIR`, else `data/cache` in the
    current folder. `on_line(name, line)` is called with every line that a part writes, and with the stack's own lines
    under the name `stack`.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        given: Mapping[str, str] | None = None,
        wanted: Collection[str] = parts.ALL,
        auto_restart: bool = True,
        cache_dir: Path | None = None,
        on_line: OnLine = _ignore_line,
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.given = environment.merge_shared_settings(given or {})
        self._wanted = [name for name in parts.ALL if name in set(wanted) - environment.find_external_parts(self.given)]
        self._auto_restart = auto_restart
        self._cache = Path(cache_dir or os.environ.get("JGO_CACHE_DIR") or _CACHE).absolute()
        self._on_line = on_line
        self._children: dict[str, Child] = {}
        self._spawner = ThreadPoolExecutor(1, thread_name_prefix="spawner")
        self._lock: IO[str] | None = None
        self._environment: Environment | None = None

    # The whole stack

    def start(self) -> Self:
        """Start the infrastructure in parallel and, once it is healthy, the services in parallel. Return this stack.

        The infrastructure is Kafka, Postgres, the object store and the sandbox. When a part does not start, stop the
        parts that run already, and raise a StackError with the part's name and the reason.
        """
        try:
            self._open()
            self._start_all(name for name in parts.INFRASTRUCTURE if name in self._wanted)
            self._start_all(
                name for name in parts.SERVICES if name in self._wanted and self.environment.has_service(name)
            )
            self._write_runtime()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop all parts, first the services, then the infrastructure. A second call does nothing."""
        self._stop_children()
        if self._lock:
            runtime.remove_runtime_file(self.data_dir)
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # One part

    def kill(self, name: str) -> None:
        """Kill a part with SIGKILL. It stays down until `start_part`."""
        self._get_child(name).kill()

    def stop_part(self, name: str) -> None:
        """Stop a part with its stop signal, so that it can finish its work. It stays down until `start_part`."""
        self._get_child(name).stop()

    def start_part(self, name: str, *, wait: bool = True) -> None:
        """Start a part that is down, with the settings that `given` has now. With `wait`, wait until it is healthy."""
        child = self._get_child(name)
        if not child.is_running:
            child.part = self._build_part(name)
        child.start(wait=wait)
        self._write_runtime()

    def restart(self, name: str) -> None:
        """Stop a part (if it runs) and start it again."""
        self.stop_part(name)
        self.start_part(name)

    def pause(self, name: str) -> None:
        """Freeze a part (SIGSTOP): it accepts connections and answers nothing."""
        self._get_child(name).pause()

    def resume(self, name: str) -> None:
        """Let a frozen part continue."""
        self._get_child(name).resume()

    def wait_healthy(self, name: str, timeout: float = 60.0) -> None:
        """Wait until a running part is healthy. A service is healthy once its `/ready` answers 2xx."""
        self._get_child(name).wait_healthy(timeout)

    def scale(self, service: str, count: int) -> list[str]:
        """Start or stop instances of a service until `count` exist; return their names: `service`, `service-2`, …"""
        names = [service, *(f"{service}-{number}" for number in range(2, count + 1))]
        extra = [name for name in self._children if name.startswith(f"{service}-") and name not in names]
        self._run_on_each(Child.stop, extra)
        for name in extra:
            del self._children[name]
        self._start_all(name for name in names if name not in self._children)
        self._write_runtime()
        return names

    @property
    def auto_restart(self) -> bool:
        """Whether parts are restarted when their processes end unexpectedly."""
        return self._auto_restart

    @auto_restart.setter
    def auto_restart(self, value: bool) -> None:
        self._auto_restart = value
        for child in self._children.values():
            child.auto_restart = value

    # Its state

    @property
    def environment(self) -> Environment:
        """The object that computes the settings of all parts. Raises StackError before `start`."""
        if self._environment is None:
            raise StackError("The stack has not been started.")
        return self._environment

    @property
    def gateway_url(self) -> str:
        """The URL of the gateway for browsers."""
        return self.environment.gateway_url

    @property
    def data_api_url(self) -> str:
        """The URL of the data API for readers."""
        return self.environment.data_api_url

    @property
    def sandbox_url(self) -> str:
        """The URL of the sandbox."""
        return self.environment.sandbox_url

    @property
    def names(self) -> list[str]:
        """The names of all parts and service instances, running or not."""
        return list(self._children)

    def build_settings(self, name: str) -> dict[str, str]:
        """Return the settings of a service instance or the sandbox, without inherited environment variables."""
        if name == parts.SANDBOX:
            return self.environment.build_sandbox_settings(str(self.data_dir / "sandbox"))
        return self.environment.build_service_settings(_parse_service(name), name)

    def get_log_path(self, name: str) -> Path:
        """Return the path of a part's log file."""
        return self.data_dir / "logs" / f"{name}.log"

    def get_pid(self, name: str) -> int | None:
        """Return the process id of a part; None while the part is down."""
        return self._get_child(name).pid

    def is_running(self, name: str) -> bool:
        """Return whether a part's process runs."""
        return self._get_child(name).is_running

    def build_admin_database_url(self) -> str:
        """Return the database URL of the superuser, for tests that read the schemas of all services."""
        secret, port = self.environment.secrets["postgres_password"], self.environment.get_port(parts.POSTGRES)
        return postgres.build_url(postgres.SUPERUSER, secret, port)

    # Internals

    def _get_child(self, name: str) -> Child:
        if name not in self._children:
            raise StackError(f"No part {name!r} in this stack; there are {', '.join(self._children) or 'none'}.")
        return self._children[name]

    def _open(self) -> None:
        """Lock the data folder, terminate parts that a killed stack left running, load secrets and ports.

        Raises StackError when another stack uses the folder, or when a public port is taken. Where none is given for
        the data API and the usual one is taken, it gets any free one, so that a second stack runs beside this one.
        """
        (self.data_dir / "logs").mkdir(parents=True, exist_ok=True)
        self._lock = self._acquire_lock(self.data_dir / "lock")
        if leftovers := runtime.terminate_leftovers(self.data_dir):
            self._report(f"terminated what an earlier run left running: {', '.join(leftovers)}")
        if not is_free(environment.DEFAULT_DATA_API_PORT):
            self.given.setdefault("DATA_API_PORT", "0")
        secrets = dev_secrets.load_or_generate_secrets(self.data_dir / "secrets.json")
        self._environment = Environment(self.given, secrets, Ports(self.data_dir / "ports.json").get_or_choose_port)
        self._check_public_ports()

    def _acquire_lock(self, path: Path) -> IO[str]:
        file = path.open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            found = runtime.find_running(self.data_dir)
            where = f" (process {found.pid}, {found.gateway_url})" if found else ""
            raise StackError(f"A stack runs on {self.data_dir} already{where}.") from None
        return file

    def _check_public_ports(self) -> None:
        public = {
            parts.GATEWAY: ("GATEWAY_PORT", self.environment.gateway_port),
            parts.DATA_API: ("DATA_API_PORT", self.environment.data_api_port),
        }
        for name, (setting, port) in public.items():
            if name in self._wanted and not is_free(port):
                raise StackError(f"Port {port} is taken. Choose another: {setting}={port + 1} make up")

    def _start_all(self, names: Iterable[str]) -> None:
        """Start the parts `names` in parallel. At the first error, stop all parts of the stack and raise the error."""
        chosen = list(names)
        with ThreadPoolExecutor(max(len(chosen), 1)) as pool:
            try:
                for done in as_completed([pool.submit(self._start_one, name) for name in chosen]):
                    done.result()
            except BaseException:
                self._stop_children()
                raise

    def _start_one(self, name: str) -> None:
        began = time.monotonic()
        child = Child(
            self._build_part(name),
            self.get_log_path(name),
            environment.filter_inherited(os.environ),
            self._spawner,
            self._on_line,
        )
        child.auto_restart = self._auto_restart
        self._children[name] = child
        child.start()
        self._report(f"{name} is up after {time.monotonic() - began:.1f} s")

    def _build_part(self, name: str) -> Part:
        builders: dict[str, Callable[[], Part]] = {
            parts.KAFKA: self._build_kafka,
            parts.POSTGRES: self._build_postgres,
            parts.SPACES: self._build_spaces,
            parts.SANDBOX: lambda: services.build_sandbox(self.environment.sandbox_port, self.build_settings(name)),
        }
        return builders.get(name, lambda: self._build_service(name))()

    def _build_kafka(self) -> Part:
        port, controller = self.environment.get_port(parts.KAFKA), self.environment.get_port("kafka-controller")
        return kafka.build_part(self.data_dir / "kafka", self._cache, port, controller, self._report)

    def _build_postgres(self) -> Part:
        secrets = self.environment.secrets
        passwords = {owner: secrets[f"{owner}_database_password"] for owner in postgres.OWNERS}
        port = self.environment.get_port(parts.POSTGRES)
        return postgres.build_part(self.data_dir / "postgres", port, secrets["postgres_password"], passwords)

    def _build_spaces(self) -> Part:
        shared = self.environment.build_unfiltered_settings()
        keys = shared["SPACES_ACCESS_KEY"], shared["SPACES_SECRET_KEY"]
        port = self.environment.get_port(parts.SPACES)
        return object_store.build_part(self.data_dir / "spaces", port, shared["SPACES_BUCKET"], *keys)

    def _build_service(self, name: str) -> Part:
        service = _parse_service(name)
        port = self.environment.get_service_port(service, name)
        return services.build_service(service, name, port, self.build_settings(name))

    def _stop_children(self) -> None:
        names = list(self._children)
        self._run_on_each(Child.stop, [name for name in names if name not in parts.INFRASTRUCTURE])
        self._run_on_each(Child.stop, [name for name in names if name in parts.INFRASTRUCTURE])

    def _run_on_each(self, do: Callable[[Child], None], names: list[str]) -> None:
        with ThreadPoolExecutor(max(len(names), 1)) as pool:
            list(pool.map(lambda name: do(self._children[name]), names))

    def _write_runtime(self) -> None:
        pids = {name: child.pid for name, child in self._children.items()}
        running = {name: pid for name, pid in pids.items() if pid is not None}
        addresses, external = self.environment.build_addresses(), environment.find_external_parts(self.given)
        described = runtime.build_runtime(self.gateway_url, addresses, running, external)
        runtime.write(self.data_dir, described)

    def _report(self, line: str) -> None:
        self._on_line("stack", line)


def _parse_service(instance: str) -> str:
    """Return the name of the service to which an instance belongs: `scheduler` for `scheduler-2`."""
    return next(name for name in parts.SERVICES if instance == name or instance.startswith(f"{name}-"))
