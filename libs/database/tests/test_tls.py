"""TLS to a real Postgres in libpq's words. The server is Debian's, for the one of `make up` has no TLS."""

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
from database.pool import Database, DatabaseUnavailableError
from merchant_sync import health
from merchant_sync.ports import Ports
from merchant_sync.stack import Stack

pytestmark = pytest.mark.integration

BINARIES = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), default=None)
_HBA = "hostssl all certified 127.0.0.1/32 cert\nhostssl all all 127.0.0.1/32 scram-sha-256\n"


@dataclass(frozen=True)
class Server:
    """A Postgres that lets nobody in without TLS: `certified` comes by a certificate, `postgres` by a password."""

    port: int
    password: str
    authority: Authority
    stranger: Authority

    def url(self, words: str, *, user: str = "", host: str = "127.0.0.1") -> str:
        return f"postgresql://{user or f'postgres:{self.password}'}@{host}:{self.port}/postgres?{words}"


def as_server(command: list[str]) -> "subprocess.Popen[bytes]":
    """Run it as a user that Postgres agrees to run as, which root is not."""
    who = {} if os.geteuid() else {"user": "postgres", "group": "postgres", "extra_groups": list[str]()}
    return subprocess.Popen(command, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **who)  # type: ignore[call-overload]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    if BINARIES is None:
        pytest.skip("no Postgres with TLS on this machine (Debian: apt-get install postgresql)")
    with TemporaryDirectory(prefix="merchant-sync-") as name:
        folder = Path(name)
        port, password = Ports(folder / "ports.json").get("postgres"), uuid4().hex
        made = Server(port, password, Authority(folder, "authority"), Authority(folder, "stranger"))
        options = prepared(folder, made)
        assert as_server([str(BINARIES / "initdb"), "-D", f"{folder}/data", *options]).wait() == 0
        (folder / "data" / "pg_hba.conf").write_text(_HBA)
        key = folder / "authority-server.key"
        files = {"cert": key.with_suffix(".crt"), "key": key, "ca": made.authority.ca}
        tls = [f"-cssl_{kind}_file={path}" for kind, path in files.items()]
        own = ["-cunix_socket_directories=", "-clisten_addresses=127.0.0.1", "-cssl=on", "-cfsync=off", *tls]
        process = as_server([str(BINARIES / "postgres"), "-D", f"{folder}/data", "-p", str(port), *own])
        try:
            assert health.wait_until_healthy(
                lambda: health.is_listening(port), timeout=60, is_alive=lambda: process.poll() is None
            )
            yield made
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def prepared(folder: Path, server: Server) -> list[str]:
    """The server's certificate and first password in a folder of its own; what `initdb` is told."""
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
async def reaching(url: str) -> AsyncIterator[Database]:
    database = Database(url, schema="public", pool=1)
    try:
        yield database
    finally:
        await database.close()


async def encrypted(url: str) -> bool:
    """Whether the server says that it is spoken to by TLS."""
    async with reaching(url) as database, database.transaction() as tx:
        return bool((await tx.execute(text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))).scalar())


async def trouble(url: str) -> str:
    async with reaching(url) as database:
        return await database.check_health() or ""


@pytest.mark.parametrize("words", ["", "sslmode=allow", "sslmode=prefer", "sslmode=require"])
async def test_what_asks_for_no_name_is_encrypted_all_the_same(server: Server, words: str) -> None:
    assert await encrypted(server.url(words))


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
async def test_the_servers_authority_is_trusted_when_it_is_named_and_no_other(server: Server, mode: str) -> None:
    assert await encrypted(server.url(f"sslmode={mode}&sslrootcert={server.authority.ca}"))
    said = await trouble(server.url(f"sslmode={mode}&sslrootcert={server.stranger.ca}"))
    assert "certificate verify failed" in said


async def test_the_name_is_held_against_the_certificate_by_verify_full_alone(server: Server) -> None:
    words = f"&sslrootcert={server.authority.ca}"
    assert await encrypted(server.url("sslmode=verify-ca" + words, host="localhost"))
    assert "not valid for 'localhost'" in await trouble(server.url("sslmode=verify-full" + words, host="localhost"))


async def test_system_is_the_authorities_of_the_system(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    url = server.url("sslmode=verify-full&sslrootcert=system")
    assert "certificate verify failed" in await trouble(url)
    monkeypatch.setenv("SSL_CERT_FILE", str(server.authority.ca))
    assert await encrypted(url)


async def test_who_has_a_certificate_needs_no_password(server: Server) -> None:
    async with reaching(server.url("")) as database, database.transaction() as tx:
        await tx.execute(text("CREATE ROLE certified LOGIN"))
    pair = server.authority.sign("certified")
    words = f"sslmode=verify-full&sslrootcert={server.authority.ca}"
    assert await encrypted(server.url(f"{words}&sslcert={pair.cert}&sslkey={pair.key}", user="certified"))
    assert "certificate" in await trouble(server.url(words, user="certified"))


async def test_without_tls_the_server_lets_nobody_in_and_the_store_is_away(server: Server) -> None:
    assert "no encryption" in await trouble(server.url("sslmode=disable"))


async def test_a_login_that_is_refused_is_waited_for_and_says_no_password(server: Server) -> None:
    url = server.url("sslmode=require").replace(server.password, "another-" + server.password)
    async with reaching(url) as database:
        with pytest.raises(DatabaseUnavailableError, match="password authentication failed") as refused:
            await database.migrate("gateway")
    assert server.password not in repr(refused.value) + repr(database._engine)


async def test_a_server_without_tls_is_refused_by_whoever_asks_for_it(postgres: Stack) -> None:
    url = postgres.build_admin_database_url()
    assert not await encrypted(url)
    assert not await encrypted(url + "?sslmode=prefer")
    assert "rejected SSL" in await trouble(url + "?sslmode=require")
