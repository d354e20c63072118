"""TLS to a real Postgres with libpq's parameters. The server is Debian's, because that of `make up` has no TLS."""

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest
from sqlalchemy import text

from certificates import Authority
from database.pool import Database
from merchant_sync import health
from merchant_sync.ports import Ports
from merchant_sync.stack import Stack
from messaging.errors import UnavailableError

pytestmark = pytest.mark.integration

BINARIES = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), default=None)
_HBA = "hostssl all certified 127.0.0.1/32 cert\nhostssl all all 127.0.0.1/32 scram-sha-256\n"


@dataclass(frozen=True)
class Server:
    """A Postgres that requires TLS. Its user `certified` logs in by a certificate, `postgres` by a password."""

    port: int
    password: str
    authority: Authority
    stranger: Authority

    def build_url(self, query: str, *, user: str = "", host: str = "127.0.0.1") -> str:
        return f"postgresql://{user or f'postgres:{self.password}'}@{host}:{self.port}/postgres?{query}"


def start_as_postgres(command: list[str]) -> "subprocess.Popen[bytes]":
    """Start a command as the user `postgres` when this process is root's, because Postgres refuses to run as root."""
    user = {} if os.geteuid() else {"user": "postgres", "group": "postgres", "extra_groups": list[str]()}
    return subprocess.Popen(command, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **user)  # type: ignore[call-overload]


def accepts_connections(port: int) -> bool:
    """Return whether Postgres accepts connections. It listens earlier, but refuses connections until it has started."""
    assert BINARIES is not None
    command = [str(BINARIES / "pg_isready"), "--host=127.0.0.1", f"--port={port}"]
    return subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode == 0


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    if BINARIES is None:
        pytest.skip("no Postgres with TLS on this machine (Debian: apt-get install postgresql)")
    with TemporaryDirectory(prefix="merchant-sync-") as name:
        folder = Path(name)
        port, password = Ports(folder / "ports.json").get_or_choose_port("postgres"), uuid4().hex
        server = Server(port, password, Authority(folder, "authority"), Authority(folder, "stranger"))
        options = prepare_folder(folder, server)
        assert start_as_postgres([str(BINARIES / "initdb"), "-D", f"{folder}/data", *options]).wait() == 0
        (folder / "data" / "pg_hba.conf").write_text(_HBA)
        key = folder / "authority-server.key"
        files = {"cert": key.with_suffix(".crt"), "key": key, "ca": server.authority.ca}
        tls = [f"-cssl_{kind}_file={path}" for kind, path in files.items()]
        own = ["-cunix_socket_directories=", "-clisten_addresses=127.0.0.1", "-cssl=on", "-cfsync=off", *tls]
        process = start_as_postgres([str(BINARIES / "postgres"), "-D", f"{folder}/data", "-p", str(port), *own])
        try:
            assert health.wait_until_healthy(
                lambda: accepts_connections(port), timeout=60, is_alive=lambda: process.poll() is None
            )
            yield server
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def prepare_folder(folder: Path, server: Server) -> list[str]:
    """Write the server's certificate and password into its folder and return the options of `initdb`."""
    pair, secret = server.authority.sign("server"), folder / "password"
    secret.write_text(server.password)
    for path in (pair.key, secret):
        path.chmod(0o600)
    if not os.geteuid():
        owner = pwd.getpwnam("postgres")
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, owner.pw_uid, owner.pw_gid)
    return ["--username=postgres", f"--pwfile={secret}", "--auth=scram-sha-256", "--no-sync"]


@asynccontextmanager
async def open_database(url: str) -> AsyncIterator[Database]:
    database = Database(url, schema="public", pool_size=1)
    try:
        yield database
    finally:
        await database.close()


async def is_encrypted(url: str) -> bool:
    """Return whether the server sees its connection as encrypted."""
    async with open_database(url) as database, database.transaction() as tx:
        return bool((await tx.execute(text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))).scalar())


async def get_error(url: str) -> str:
    async with open_database(url) as database:
        return await database.check_health() or ""


@pytest.mark.parametrize("query", ["", "sslmode=allow", "sslmode=prefer", "sslmode=require"])
async def test_connections_are_encrypted_in_every_mode_that_verifies_nothing(server: Server, query: str) -> None:
    assert await is_encrypted(server.build_url(query))


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
async def test_only_the_authority_that_is_named_is_trusted(server: Server, mode: str) -> None:
    assert await is_encrypted(server.build_url(f"sslmode={mode}&sslrootcert={server.authority.ca}"))
    error = await get_error(server.build_url(f"sslmode={mode}&sslrootcert={server.stranger.ca}"))
    assert "certificate verify failed" in error


async def test_only_verify_full_compares_the_host_with_the_certificate(server: Server) -> None:
    query = f"&sslrootcert={server.authority.ca}"
    assert await is_encrypted(server.build_url("sslmode=verify-ca" + query, host="localhost"))
    error = await get_error(server.build_url("sslmode=verify-full" + query, host="localhost"))
    assert "not valid for 'localhost'" in error


async def test_system_means_the_authorities_of_the_system(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    url = server.build_url("sslmode=verify-full&sslrootcert=system")
    assert "certificate verify failed" in await get_error(url)
    monkeypatch.setenv("SSL_CERT_FILE", str(server.authority.ca))
    assert await is_encrypted(url)


async def test_a_user_with_a_certificate_needs_no_password(server: Server) -> None:
    async with open_database(server.build_url("")) as database, database.transaction() as tx:
        await tx.execute(text("CREATE ROLE certified LOGIN"))
    pair = server.authority.sign("certified")
    query = f"sslmode=verify-full&sslrootcert={server.authority.ca}"
    assert await is_encrypted(server.build_url(f"{query}&sslcert={pair.cert}&sslkey={pair.key}", user="certified"))
    assert "certificate" in await get_error(server.build_url(query, user="certified"))


async def test_a_server_that_requires_tls_refuses_a_connection_without_it(server: Server) -> None:
    assert "no encryption" in await get_error(server.build_url("sslmode=disable"))


async def test_a_refused_login_means_unavailable_and_does_not_show_the_password(server: Server) -> None:
    url = server.build_url("sslmode=require").replace(server.password, "another-" + server.password)
    async with open_database(url) as database:
        with pytest.raises(UnavailableError, match="password authentication failed") as refused:
            await database.migrate("gateway")
    assert server.password not in repr(refused.value) + repr(database._engine)


async def test_a_server_without_tls_is_refused_by_a_client_that_requires_it(postgres: Stack) -> None:
    url = postgres.build_admin_database_url()
    assert not await is_encrypted(url)
    assert not await is_encrypted(url + "?sslmode=prefer")
    assert "rejected SSL" in await get_error(url + "?sslmode=require")
