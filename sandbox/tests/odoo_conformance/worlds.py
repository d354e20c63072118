"""The Odoos that the claims hold for: the simulated one, and the real one that the environment names."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import httpx

from odoo_client import TRANSPORTS, JsonRpc, Login, Odoo, Transport
from samples import make_prefix

SIMULATED_DATABASE = "conformance"


class World(Protocol):
    """A server with a database, in which tests write."""

    http: httpx.Client
    login: Login
    version: int
    is_simulated: bool

    @property
    def transports(self) -> tuple[str, ...]:
        """The transports that the server answers by."""
        ...

    def create_user(self, *groups: str) -> Login:
        """Create a user that is in groups, which are given by their external ids."""
        ...

    def create_key(self, login: Login, days: int = 1) -> tuple[Login, int]:
        """Create a further key of a user. Returns the login with that key, and the id of the key."""
        ...

    def remove_key(self, owner: Login, number: int) -> None:
        """Remove a key. `owner` is the login that its user was created with."""
        ...

    def forget_failures(self) -> None:
        """Let the server forget how many keys were wrong."""
        ...


def connect(world: World, transport: str, login: Login | None = None) -> Odoo:
    """Return a client of a world."""
    return Odoo(open_transport(world, transport, login or world.login), {})


def open_transport(world: World, transport: str, login: Login) -> Transport:
    """Return a transport of a world, as a user."""
    return TRANSPORTS[transport](world.http, login)


class SimulatedWorld:
    """The sandbox's Odoo, with an empty database of its own. The process is the caller's."""

    is_simulated = True

    def __init__(self, http: httpx.Client, version: int) -> None:
        self.http = http
        self.version = version
        self._path = f"control/odoo/databases/{SIMULATED_DATABASE}"
        self.control("PUT", "", {"products": 0})
        key = http.get("control/odoo").json()["key"]
        self.login = Login(SIMULATED_DATABASE, "admin", key)
        self.login.uid = int(JsonRpc(http, self.login).authenticate())

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Call the control API of the database."""
        answer = self.http.request(method, f"{self._path}{path}", json=body)
        assert answer.status_code < 300, answer.text
        return answer.json()

    @property
    def transports(self) -> tuple[str, ...]:
        """The transports that the server answers by."""
        return list_transports(self.version)

    def create_user(self, *groups: str) -> Login:
        """Create a user with a key."""
        name = make_prefix()
        created = self.control("POST", "/users", {"name": name, "groups": groups})
        return Login(SIMULATED_DATABASE, created["login"], created["key"], created["user"])

    def create_key(self, login: Login, days: int = 1) -> tuple[Login, int]:
        """Create a further key of a user."""
        body = {"user": login.uid, "name": make_prefix(), "expires_in_seconds": days * 86_400}
        created = self.control("POST", "/keys", body)
        return Login(SIMULATED_DATABASE, login.login, created["key"], login.uid), created["id"]

    def remove_key(self, owner: Login, number: int) -> None:
        """Remove a key."""
        self.control("DELETE", f"/keys/{number}")

    def forget_failures(self) -> None:
        """Let the server forget how many keys were wrong."""
        self.http.post("control/odoo/restart")


class RealWorld:
    """A real Odoo: ODOO_TEST_URL, ODOO_TEST_DATABASE, ODOO_TEST_LOGIN and ODOO_TEST_KEY, a key of an administrator."""

    is_simulated = False

    def __init__(self, http: httpx.Client) -> None:
        environment = os.environ
        self.http = http
        self.login = Login(
            environment["ODOO_TEST_DATABASE"], environment["ODOO_TEST_LOGIN"], environment["ODOO_TEST_KEY"]
        )
        self.version = read_version(http)
        self.login.uid = int(JsonRpc(http, self.login).authenticate())

    @property
    def transports(self) -> tuple[str, ...]:
        """The transports that the server answers by."""
        return list_transports(self.version)

    def create_user(self, *groups: str) -> Login:
        """Create a user with a password, which does where a key does."""
        odoo = connect(self, "jsonrpc")
        name, password = make_prefix(), f"{make_prefix()}{make_prefix()}"
        field = "groups_id" if self.version < 19 else "group_ids"
        members = [odoo.find_id(*group.split(".")) for group in groups]
        uid = odoo.create("res.users", name=name, login=name, password=password, **{field: [(6, 0, members)]})
        return Login(self.login.database, name, password, uid)

    def create_key(self, login: Login, days: int = 1) -> tuple[Login, int]:
        """Create a key as a person does: on the page of the user, which asks for the password once more."""
        with self._open_browser(login) as browser:
            name = make_prefix()
            description = _call(
                browser, "res.users.apikeys.description", "create", {"name": name, "duration": str(days)}
            )
            shown = _call_checked(browser, login, "res.users.apikeys.description", "make_key", [description])
            key = Login(login.database, login.login, shown["context"]["default_key"], login.uid)
            (row,) = _call(browser, "res.users.apikeys", "search_read", [("name", "=", name)], ["name"])
        return key, row["id"]

    def remove_key(self, owner: Login, number: int) -> None:
        """Remove a key as a person does: on the page of the user, which asks for the password once more."""
        with self._open_browser(owner) as browser:
            _call_checked(browser, owner, "res.users.apikeys", "remove", [number])

    def forget_failures(self) -> None:
        """Wait until the address is no longer denied."""
        time.sleep(60)

    @contextmanager
    def _open_browser(self, login: Login) -> Iterator[httpx.Client]:
        with httpx.Client(base_url=self.http.base_url, timeout=60) as browser:
            session = {"db": login.database, "login": login.login, "password": login.key}
            _post(browser, "web/session/authenticate", session)
            yield browser


def list_transports(version: int) -> tuple[str, ...]:
    """Return the transports that a version answers by, the newest last."""
    return ("xmlrpc", "jsonrpc") if version < 19 else ("xmlrpc", "jsonrpc", "json2")


@contextmanager
def run_sandbox(folder: Path, version: int) -> Iterator[httpx.Client]:
    """Run the sandbox as a process, with its state in a folder. Yields a client of it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {"SANDBOX_PORT": str(port), "SANDBOX_STATE": str(folder), "SANDBOX_ODOO_VERSION": str(version)}
    environment = {**os.environ, **settings, "SHOPIFY_API_KEY": "key", "SHOPIFY_API_SECRET": "secret"}
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-m", "sandbox.app"], env=environment, stdout=output, stderr=output)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
            _wait_until_it_serves(http, process, log)
            yield http
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_it_serves(http: httpx.Client, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()[-3000:]
        try:
            http.get("/health")
        except httpx.HTTPError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the sandbox does not serve")


def _call_checked(browser: httpx.Client, login: Login, model: str, method: str, *args: Any) -> Any:
    """Call a method that asks for the password first."""
    check = _call(browser, model, method, *args)
    _call(browser, "res.users.identitycheck", "write", [check["res_id"]], {"password": login.key})
    return _call(browser, "res.users.identitycheck", "run_check", [check["res_id"]])


def _call(browser: httpx.Client, model: str, method: str, *args: Any) -> Any:
    params = {"model": model, "method": method, "args": args, "kwargs": {}}
    return _post(browser, f"web/dataset/call_kw/{model}/{method}", params)


def _post(browser: httpx.Client, path: str, params: dict[str, Any]) -> Any:
    answer = browser.post(path, json={"jsonrpc": "2.0", "method": "call", "params": params, "id": 1}).json()
    assert "error" not in answer, answer
    return answer["result"]


def read_version(http: httpx.Client) -> int:
    """Return the major version of a server."""
    answer = http.post("web/webclient/version_info", json={"jsonrpc": "2.0", "method": "call", "params": {}})
    return int(answer.json()["result"]["server_version_info"][0])
