"""The whole product on one machine: each part a child process. `merchant-sync up` runs it, so do integration tests.

    with Stack(tmp_path / "data", given={"GATEWAY_PORT": "0"}) as stack:
        httpx.get(f"{stack.gateway_url}/health")

Its methods are synchronous and for one thread at a time; from asyncio, call them through `asyncio.to_thread`.
"""

import fcntl
import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import IO, Self

from merchant_sync import dev_secrets, environment, kafka, object_store, parts, postgres, runtime, services
from merchant_sync.children import Child, OnLine
from merchant_sync.environment import Environment
from merchant_sync.parts import Part, StackError
from merchant_sync.ports import Ports, is_free

__all__ = ["Stack", "StackError"]


_CACHE = Path("data/cache")


def _silent(_name: str, _line: str) -> None:
    """Leave the lines to the log files."""


class Stack:
    """A stack in `data_dir`: everything that it writes is below that folder, and it survives there.

    `given` are settings that win over the composed ones (an address in it means that this part is not started);
    `wanted` the parts to run; `cache_dir` where Kafka's jars are kept (else `JGO_CACHE_DIR`, else `data/cache` here);
    `on_line(name, line)` hears every line that a part writes, and the stack's own under the name `stack`.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        given: Mapping[str, str] | None = None,
        wanted: Collection[str] = parts.ALL,
        auto_restart: bool = True,
        cache_dir: Path | None = None,
        on_line: OnLine = _silent,
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.given = environment.clean(given or {})
        self._wanted = [name for name in parts.ALL if name in set(wanted) - environment.elsewhere(self.given)]
        self._auto_restart = auto_restart
        self._cache = Path(cache_dir or os.environ.get("JGO_CACHE_DIR") or _CACHE).absolute()
        self._on_line = on_line
        self._children: dict[str, Child] = {}
        self._spawner = ThreadPoolExecutor(1, thread_name_prefix="spawner")
        self._lock: IO[str] | None = None
        self._environment: Environment | None = None

    # The life of the whole

    def start(self) -> Self:
        """Start every part in the order of health: the infrastructure side by side, then the services.

        On any failure all that was started is stopped, and a StackError says which part and why.
        """
        try:
            self._open()
            self._start_all(name for name in parts.INFRASTRUCTURE if name in self._wanted)
            self._start_all(name for name in parts.SERVICES if name in self._wanted and self._is_configured(name))
            self._note()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop everything, services first; nothing is left running. A second call does nothing."""
        self._stop_children()
        if self._lock:
            runtime.remove(self.data_dir)
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # One part

    def kill(self, name: str) -> None:
        """SIGKILL a part; it stays down until `start_part`."""
        self._child(name).kill()

    def stop_part(self, name: str) -> None:
        """End a part in good order; it stays down until `start_part`."""
        self._child(name).stop()

    def start_part(self, name: str, *, wait: bool = True) -> None:
        """Start a part that is down and wait for its health, unless told not to (for one that cannot be ready)."""
        self._child(name).start(wait=wait)
        self._note()

    def restart(self, name: str) -> None:
        """Stop a part (if it runs) and start it again."""
        self.stop_part(name)
        self.start_part(name)

    def pause(self, name: str) -> None:
        """Freeze a part (SIGSTOP): it accepts connections and answers nobody."""
        self._child(name).pause()

    def resume(self, name: str) -> None:
        """Let a frozen part go on."""
        self._child(name).resume()

    def wait_healthy(self, name: str, timeout: float = 60.0) -> None:
        """Wait until a running part calls itself healthy (a service: ready)."""
        self._child(name).wait_healthy(timeout)

    def scale(self, service: str, count: int) -> list[str]:
        """Run `count` instances of a service; their names are `service`, `service-2`, …"""
        names = [service, *(f"{service}-{number}" for number in range(2, count + 1))]
        extra = [name for name in self._children if name.startswith(f"{service}-") and name not in names]
        self._each(Child.stop, extra)
        for name in extra:
            del self._children[name]
        self._start_all(name for name in names if name not in self._children)
        self._note()
        return names

    @property
    def auto_restart(self) -> bool:
        """Whether a part that ends by itself is started again."""
        return self._auto_restart

    @auto_restart.setter
    def auto_restart(self, value: bool) -> None:
        self._auto_restart = value
        for child in self._children.values():
            child.auto_restart = value

    # What can be asked

    @property
    def environment(self) -> Environment:
        """The settings of all parts; known from `start` on."""
        if self._environment is None:
            raise StackError("The stack has not been started.")
        return self._environment

    @property
    def gateway_url(self) -> str:
        """The address to open in a browser."""
        return self.environment.gateway_url

    @property
    def sandbox_url(self) -> str:
        """The sandbox's address."""
        return self.environment.sandbox_url

    @property
    def names(self) -> list[str]:
        """The parts and instances, running or not."""
        return list(self._children)

    def env_of(self, name: str) -> dict[str, str]:
        """The settings of a service instance or the sandbox (without what is inherited)."""
        if name == parts.SANDBOX:
            return self.environment.sandbox(str(self.data_dir / "sandbox"))
        return self.environment.service(_service_of(name), name)

    def logs_of(self, name: str) -> Path:
        """The file with all that a part wrote."""
        return self.data_dir / "logs" / f"{name}.log"

    def pid_of(self, name: str) -> int | None:
        """The process id of a part, None while it is down."""
        return self._child(name).pid

    def is_running(self, name: str) -> bool:
        """Whether a part's process is there."""
        return self._child(name).is_running

    def admin_database_url(self) -> str:
        """The superuser's connection string, for tests that look at the whole database."""
        secret, port = self.environment.secrets["postgres_password"], self.environment.port_of(parts.POSTGRES)
        return postgres.url(postgres.SUPERUSER, secret, port)

    # How it is done

    def _child(self, name: str) -> Child:
        if name not in self._children:
            raise StackError(f"No part {name!r} in this stack; there are {', '.join(self._children) or 'none'}.")
        return self._children[name]

    def _open(self) -> None:
        """Take the data folder for ourselves, end what a killed runner left, read secrets, choose ports."""
        (self.data_dir / "logs").mkdir(parents=True, exist_ok=True)
        self._lock = self._take(self.data_dir / "lock")
        if left := runtime.sweep(self.data_dir):
            self._say(f"ended what an earlier run left: {', '.join(left)}")
        secrets = dev_secrets.load(self.data_dir / "secrets.json")
        self._environment = Environment(self.given, secrets, Ports(self.data_dir / "ports.json").of)
        self._check_gateway_port()

    def _take(self, path: Path) -> IO[str]:
        file = path.open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            found = runtime.find(self.data_dir)
            where = f" (process {found.pid}, {found.gateway_url})" if found else ""
            raise StackError(f"A stack runs on {self.data_dir} already{where}.") from None
        return file

    def _check_gateway_port(self) -> None:
        port = self.environment.gateway_port
        if parts.GATEWAY in self._wanted and not is_free(port):
            raise StackError(f"Port {port} is taken. Choose another: GATEWAY_PORT={port + 1} make up")

    def _start_all(self, names: Iterable[str]) -> None:
        """Start them side by side; at the first failure the others are not waited for."""
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
            self._part(name), self.logs_of(name), environment.inherited(os.environ), self._spawner, self._on_line
        )
        child.auto_restart = self._auto_restart
        self._children[name] = child
        child.start()
        self._say(f"{name} is up after {time.monotonic() - began:.1f} s")

    def _is_configured(self, name: str) -> bool:
        return name != parts.FACEBOOK_FETCHER or self.environment.has_facebook

    def _part(self, name: str) -> Part:
        makers: dict[str, Callable[[], Part]] = {
            parts.KAFKA: self._kafka,
            parts.POSTGRES: self._postgres,
            parts.SPACES: self._spaces,
            parts.SANDBOX: lambda: services.sandbox(self.environment.sandbox_port, self.env_of(name)),
        }
        return makers.get(name, lambda: self._service(name))()

    def _kafka(self) -> Part:
        port, controller = self.environment.port_of(parts.KAFKA), self.environment.port_of("kafka-controller")
        return kafka.part(self.data_dir / "kafka", self._cache, port, controller, self._say)

    def _postgres(self) -> Part:
        secrets = self.environment.secrets
        passwords = {owner: secrets[f"{owner}_database_password"] for owner in postgres.OWNERS}
        port = self.environment.port_of(parts.POSTGRES)
        return postgres.part(self.data_dir / "postgres", port, secrets["postgres_password"], passwords)

    def _spaces(self) -> Part:
        shared = self.environment.shared()
        keys = shared["SPACES_ACCESS_KEY"], shared["SPACES_SECRET_KEY"]
        port = self.environment.port_of(parts.SPACES)
        return object_store.part(self.data_dir / "spaces", port, shared["SPACES_BUCKET"], *keys)

    def _service(self, name: str) -> Part:
        service = _service_of(name)
        return services.service(service, name, self.environment.service_port(service, name), self.env_of(name))

    def _stop_children(self) -> None:
        names = list(self._children)
        self._each(Child.stop, [name for name in names if name not in parts.INFRASTRUCTURE])
        self._each(Child.stop, [name for name in names if name in parts.INFRASTRUCTURE])

    def _each(self, do: Callable[[Child], None], names: list[str]) -> None:
        with ThreadPoolExecutor(max(len(names), 1)) as pool:
            list(pool.map(lambda name: do(self._children[name]), names))

    def _note(self) -> None:
        pids = {name: child.pid for name, child in self._children.items()}
        running = {name: pid for name, pid in pids.items() if pid is not None}
        runtime.write(self.data_dir, runtime.note(self.gateway_url, self.environment.addresses(), running))

    def _say(self, line: str) -> None:
        self._on_line("stack", line)


def _service_of(instance: str) -> str:
    """The service of an instance name: `scheduler-2` is a scheduler."""
    return next(name for name in parts.SERVICES if instance == name or instance.startswith(f"{name}-"))
