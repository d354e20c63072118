"""What docs/data-api.md and docs/deploy-paas.md tell their readers: every example that can run here is run."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import orjson
import pytest
import yaml
from pydantic_settings import BaseSettings
from typer.testing import CliRunner

from data_api.settings import DataApiSettings
from facebook_fetcher.settings import FacebookFetcherSettings
from gateway.settings import GatewaySettings
from linker.settings import LinkerSettings
from merchant_sync.app import app
from odoo_fetcher.settings import OdooFetcherSettings
from odoo_writer.settings import OdooWriterSettings
from phpmyadmin_fetcher.settings import PhpMyAdminFetcherSettings
from scheduler.settings import SchedulerSettings
from shopify_fetcher.settings import ShopifyFetcherSettings
from shopify_writer.settings import ShopifyWriterSettings
from spaces_writer.settings import WriterSettings
from world import World, wait_until

ROOT = Path(__file__).parents[2]
DATA_API, PAAS = ROOT / "docs" / "data-api.md", ROOT / "docs" / "deploy-paas.md"
PREAMBLES = "Before the examples"
SCOPES = ("--scope", "read", "--scope", "refresh", "--scope", "manage")
STREAM, COPY, RECEIVE = "A stream of changes", "To hold a copy", "Receive"
OUTPUTS = {
    "Fetch the data": r"success\D+[1-9]",
    "Fetch it and ask for newer data": r'refresh"?: ?"?(started|in_progress)\b',
    "Watch the update": r"event: cached[\s\S]*event: (updated|unchanged)[\s\S]*event: end",
    "Only ask for an update": r"[0-9a-f]{8}-[0-9a-f]{4}-",
    "Look at the status": r"online",
    "Connections": r"shopify:\S+[\s\S]*connected[\s\S]*products",
    "The snapshot": r"304",
    "A list of records": r"title|\d+ \d+ \S+",
    "Find records": r'SKU-\d+ is a variant of \S|"data":\{"title":"[^"]+"\}\}\],"next_cursor":null',
    "One record": r"20\d\d-[\s\S]*\S",
    "Changes": r"next_cursor|0 changes; go on from \S+",
    "Refresh and wait for it": r"success|storing",
    "Make an endpoint": r"delivered\"?'?: ?(true|True)",
}
"""What each example prints that ends by itself, by the heading that it stands below."""
SETTINGS: dict[str, type[BaseSettings]] = {
    "data-api": DataApiSettings,
    "gateway": GatewaySettings,
    "scheduler": SchedulerSettings,
    "linker": LinkerSettings,
    "spaces-writer": WriterSettings,
    "shopify-fetcher": ShopifyFetcherSettings,
    "facebook-fetcher": FacebookFetcherSettings,
    "phpmyadmin-fetcher": PhpMyAdminFetcherSettings,
    "odoo-fetcher": OdooFetcherSettings,
    "shopify-writer": ShopifyWriterSettings,
    "odoo-writer": OdooWriterSettings,
}


@dataclass(frozen=True)
class Example:
    """A fenced block of a document, and the heading that it stands below."""

    heading: str
    language: str
    code: str


def list_examples(document: Path) -> list[Example]:
    """List the fenced blocks of a document."""
    heading, examples = "", []
    for found in re.finditer(r"^#+ ([^\n]+)$|^```(\w+)\n(.*?)^```$", document.read_text(), re.MULTILINE | re.DOTALL):
        title, language, code = found.groups()
        if language is None:
            heading = title
        else:
            examples.append(Example(heading, language, code))
    return examples


NODE = pytest.mark.skipif(shutil.which("node") is None, reason="node is not on the PATH: the Node examples do not run")


def list_cases(headings: set[str]) -> list[Any]:
    """List the examples below these headings that can run here as parameters of a test."""
    return [
        pytest.param(
            example, id=f"{example.heading}-{example.language}", marks=[NODE] if example.language == "mjs" else []
        )
        for example in list_examples(DATA_API)
        if example.language in ("sh", "python", "mjs") and example.heading in headings
    ]


def list_documented_routes() -> set[tuple[str, str]]:
    rows = re.findall(r"^\| (`(?:GET|POST|PATCH|DELETE) /.*?) \|", DATA_API.read_text(), re.MULTILINE)
    return {(method.lower(), path) for row in rows for method, path in re.findall(r"`(\w+) (/\S*)`", row)}


def load_openapi() -> Any:
    return json.loads((ROOT / "docs" / "api" / "data-api.json").read_text())


def test_the_documented_routes_are_those_of_the_openapi_document() -> None:
    paths = load_openapi()["paths"]
    assert list_documented_routes() == {(method, path) for path, methods in paths.items() for method in methods}


def find_addresses(code: str) -> list[str]:
    """Find the addresses in an example. Whatever it fills in is `X`."""
    whole = re.sub(r"\$?\{base\}|\$base\b", "/v1/connections/X", code)
    filled = re.sub(r"\$?\{[^{}]*\}|\$\w+", "X", whole)
    return re.findall(r"/(?:v1|fetch-data|refresh|status)\b[^\s\"'`),]*", filled)


def test_each_address_in_an_example_is_a_route_with_parameters_of_its_own() -> None:
    """Also in the examples that are not run."""
    parameters = {
        re.compile(re.sub(r"\{\w+\}", "[^/]+", path)): {
            one["name"] for operation in methods.values() for one in operation.get("parameters", ())
        }
        for path, methods in load_openapi()["paths"].items()
    }
    examples = [example for example in list_examples(DATA_API) if example.language != "yaml"]
    assert {"js", "jsx", "kotlin"} <= {example.language for example in examples if find_addresses(example.code)}
    for example in examples:
        for address in find_addresses(example.code):
            path, _, query = address.partition("?")
            names = [names for route, names in parameters.items() if route.fullmatch(path)]
            assert names, f"{example.heading}: {address} is no route"
            assert set(re.findall(r"(?:^|&)(\w+)=", query)) <= set.union(*names), f"{example.heading}: {address}"


def test_every_runnable_example_is_run() -> None:
    runnable = {one.heading for one in list_examples(DATA_API) if one.language in ("sh", "python", "mjs")}
    assert runnable == {*OUTPUTS, STREAM, COPY, RECEIVE, PREAMBLES}


@dataclass(frozen=True)
class Reader:
    """Someone with a shop's keys, one for each language: each key may start six refreshes a minute."""

    world: World
    shop: str
    keys: dict[str, str]
    folder: Path
    hook: str
    """The address of a receiver that takes every webhook."""

    def build_environment(self, language: str) -> dict[str, str]:
        """Return the environment of an example. There, `curl` fails at an HTTP error, and shows no progress."""
        (self.folder / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\n")
        return {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "CURL_HOME": str(self.folder),
            "API": self.world.stack.data_api_url,
            "KEY": self.keys[language],
            "CONNECTION": f"shopify:{self.shop}",
            "HOOK": self.hook,
        }

    @contextmanager
    def start(self, example: Example, **environment: str) -> Iterator["Run"]:
        """Run an example behind what its language's examples have in common, until the context ends."""
        preamble = "".join(
            one.code for one in list_examples(DATA_API) if (one.heading, one.language) == (PREAMBLES, example.language)
        )
        path = self.folder / f"example.{example.language}"
        path.write_text(preamble + example.code)
        shell = ["bash", "-eu", "-o", "pipefail"]
        command = [*{"sh": shell, "python": [sys.executable], "mjs": ["node"]}[example.language], str(path)]
        with run_command(command, self.build_environment(example.language) | environment, self.folder) as run:
            yield run

    def edit(self, title: str) -> None:
        """Edit a product at the platform."""
        self.world.edit_product(self.shop, self.world.list_products(self.shop)[0]["number"], title=title)


@dataclass(frozen=True)
class Run:
    """A process that was started, and the file with what it prints."""

    process: subprocess.Popen[bytes]
    log: Path

    def read(self) -> str:
        """Return what it has printed so far."""
        return self.log.read_text()

    def wait(self) -> str:
        """Wait for its end, which must be a good one, and return what it has printed."""
        code = self.process.wait(90)
        assert code == 0, self.read()
        return self.read()

    def wait_for(self, pattern: str) -> None:
        """Wait until it has printed this."""

        def is_printed() -> bool | None:
            found = re.search(pattern, self.read()) is not None
            assert found or self.process.poll() is None, self.read()
            return found or None

        wait_until(is_printed, within=60)


@contextmanager
def run_command(command: list[str], environment: dict[str, str], folder: Path) -> Iterator[Run]:
    """Run a command until the context ends; then it is killed with all that it has started."""
    log = folder / "output.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment, cwd=folder, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield Run(process, log)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


@pytest.fixture(scope="module")
def connected_shop() -> dict[str, Any]:
    """Hold the shop of all tests of this module, and its keys, once one has connected it."""
    return {}


@pytest.fixture
def reader(world: World, connected_shop: dict[str, Any], tmp_path: Path) -> Iterator[Reader]:
    """Connect a shop, and make keys for it."""
    if not connected_shop:
        shop = world.make_shop(products=5)
        world.connect_and_sync(shop)
        keys = {language: make_key(world, f"shopify:{shop}", language) for language in ("sh", "python", "mjs")}
        connected_shop.update(shop=shop, keys=keys)
    with serve_hook() as hook:
        reader = Reader(world, connected_shop["shop"], connected_shop["keys"], tmp_path, hook)
        for key in reader.keys.values():
            wait_until(lambda key=key: fetch(reader, key, "/fetch-data").status_code == 200 or None)
        yield reader


class _TakeAll(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def serve_hook() -> Iterator[str]:
    """Serve a receiver that takes every webhook; yield its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _TakeAll)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook"
    server.shutdown()
    thread.join()
    server.server_close()


def make_key(world: World, connection: str, name: str) -> str:
    words = ("keys", "make", "--connection", connection, "--name", name, *SCOPES)
    result = CliRunner().invoke(app, [*words, "--data", str(world.stack.data_dir)])
    assert result.exit_code == 0, result.output + result.stderr
    return result.stdout.strip()


def fetch(reader: Reader, key: str, path: str) -> httpx.Response:
    return httpx.get(reader.world.stack.data_api_url + path, headers={"X-API-Key": key}, timeout=30)


@pytest.mark.integration
@pytest.mark.parametrize("example", list_cases(set(OUTPUTS)))
def test_an_example_prints_what_it_is_for(reader: Reader, example: Example) -> None:
    with reader.start(example) as run:
        printed = run.wait()
    assert re.search(OUTPUTS[example.heading], printed), printed


@pytest.mark.integration
@pytest.mark.parametrize("example", list_cases({STREAM}))
def test_an_example_follows_the_stream_of_changes(reader: Reader, example: Example) -> None:
    with reader.start(example) as run:
        run.wait_for(r"listening|: keep-alive")
        reader.edit(f"Followed from {example.language}")
        run.wait_for(r"change\b[\s\S]*\bproducts\b")


@pytest.mark.integration
@pytest.mark.parametrize("example", list_cases({COPY}))
def test_the_documented_copy_equals_what_is_stored(reader: Reader, example: Example, tmp_path: Path) -> None:
    """Through a kill, with an edit and a deletion while it is down, and others while it runs."""
    world, shop = reader.world, reader.shop
    path = tmp_path / "copy.sqlite3"

    def wait_until_copied() -> None:
        wait_until(lambda: load_copy(path) == world.load_records(shop) or None, within=60)

    with reader.start(example) as run:
        run.wait_for("copied up to")
        reader.edit("Copied while it runs")
        world.wait_until_equal(shop)
        wait_until_copied()
    before = load_copy(path)
    reader.edit("Copied after a kill")
    world.control_sandbox("DELETE", f"/{shop}/products/{world.list_products(shop)[-1]['number']}")
    world.wait_until_equal(shop)
    assert load_copy(path) == before != world.load_records(shop)
    with reader.start(example):
        wait_until_copied()


@pytest.mark.integration
@pytest.mark.parametrize("example", list_cases({RECEIVE}))
def test_a_documented_receiver_takes_what_is_signed_and_nothing_else(reader: Reader, example: Example) -> None:
    port = choose_port()
    hook, headers = f"http://127.0.0.1:{port}/", {"X-API-Key": reader.keys[example.language]}
    endpoints = f"{reader.world.stack.data_api_url}/v1/endpoints"
    made = httpx.post(endpoints, json={"url": hook}, headers=headers, timeout=30).raise_for_status().json()
    with reader.start(example, SECRET=made["secret"], PORT=str(port)) as run:
        wait_until(lambda: send_unsigned(hook) == 401 or None)
        reader.edit(f"Told to {example.language}")
        run.wait_for(r"records.changed \{ ?'?products'?: 1")
    httpx.delete(f"{endpoints}/{made['id']}", headers=headers, timeout=30).raise_for_status()


def send_unsigned(hook: str) -> int | None:
    """Send a message with a wrong signature; return the status, None while nobody answers."""
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(int(time.time())), "webhook-signature": "v1,bm8="}
    try:
        return httpx.post(hook, json={"type": "records.changed"}, headers=headers).status_code
    except httpx.TransportError:
        return None


def load_copy(path: Path) -> dict[tuple[str, str], Any]:
    if not path.exists():
        return {}
    db = sqlite3.connect(path)
    try:
        rows = db.execute("SELECT resource, id, data FROM records WHERE data != 'null'").fetchall()
    except sqlite3.OperationalError:
        return {}
    finally:
        db.close()
    return {(resource, record_id): orjson.loads(data) for resource, record_id, data in rows}


@pytest.mark.integration
def test_the_documented_cron_jobs_ask_for_a_refresh(reader: Reader, tmp_path: Path) -> None:
    environment = reader.build_environment("sh")
    (manifest,) = [yaml.safe_load(one.code) for one in list_examples(DATA_API) if one.language == "yaml"]
    (container,) = manifest["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert {one["name"] for one in container["env"]} == {"API", "KEY"}
    words = [
        re.sub(r"\$\((\w+)\)", lambda m: environment[m[1]], word) for word in container["command"] + container["args"]
    ]
    (script,) = [one.code for one in list_examples(PAAS) if one.language == "sh"]
    for command in (words, ["sh", "-c", script]):
        with run_command(command, environment, tmp_path) as run:
            assert re.search(r'"status":"(started|in_progress)"', run.wait())


def find_command(part: str) -> str:
    """Find the command of a part in the table of docs/deploy-paas.md."""
    (row,) = re.findall(rf"^\| {part} \|[^|]*\| `([^`]*)`", PAAS.read_text(), re.MULTILINE)
    return str(row)


def choose_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def start_on_paas(world: World, part: str, folder: Path, **given: str) -> Iterator[tuple[str, Run]]:
    """Run a part's documented command with the stack's settings and `PORT`. Yield the address of this port."""
    port = choose_port()
    settings = {**world.stack.build_settings(part), **given, "PORT": str(port)}
    for name in ("DATA_API_PORT", "GATEWAY_PORT"):
        settings.pop(name, None)
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        **settings,
    }
    # Another process of this machine may have that port.
    command = find_command(part).replace("8080", str(choose_port()))
    with run_command(shlex.split(command), environment, folder) as run:
        yield f"http://127.0.0.1:{port}", run


def wait_until_ready(address: str, path: str, run: Run) -> None:
    def is_ready() -> bool | None:
        assert run.process.poll() is None, run.read()
        try:
            return httpx.get(address + path).status_code == 200 or None
        except httpx.TransportError:
            return None

    wait_until(is_ready, within=60)


@pytest.mark.integration
def test_a_data_api_on_a_platform_answers_readers_on_its_port(reader: Reader, tmp_path: Path) -> None:
    with start_on_paas(reader.world, "data-api", tmp_path) as (address, run):
        wait_until_ready(address, "/ready", run)
        answer = httpx.get(f"{address}/fetch-data", headers={"X-API-Key": reader.keys["sh"]})
        assert (answer.status_code, answer.json()["status"]) == (200, "success")
        assert httpx.get(f"{address}/metrics").status_code == 404, "metrics are for the internal port"


@pytest.mark.integration
def test_a_gateway_on_a_platform_answers_browsers_on_its_port(world: World, tmp_path: Path) -> None:
    internal = str(choose_port())
    with start_on_paas(world, "gateway", tmp_path, GATEWAY_INTERNAL_PORT=internal) as (address, run):
        wait_until_ready(address, "/health", run)
        assert httpx.get(f"{address}/metrics").status_code == 404, "metrics are for the internal port"
        assert httpx.get(f"http://127.0.0.1:{internal}/metrics").status_code == 200


def list_named_settings(text: str) -> set[str]:
    return set(re.findall(r"`([A-Z][A-Z0-9_]{3,})(?:=[^`]*)?`", text))


def test_each_setting_for_a_platform_exists_and_none_that_a_part_needs_is_missing() -> None:
    section = PAAS.read_text().partition("## Settings")[2].partition("## ")[0]
    known = set(re.findall(r"^([A-Z][A-Z0-9_]+)=", (ROOT / "deploy" / "env.example").read_text(), re.MULTILINE))
    assert list_named_settings(section) <= known
    shared, _, table = section.partition("\n| ")
    listed = {
        name: row
        for names, row in re.findall(r"^\| ([a-z, -]+) \| (.*) \|$", table, re.MULTILINE)
        for name in names.split(", ")
    }
    assert listed.keys() - {"part"} == SETTINGS.keys()
    for part, settings in SETTINGS.items():
        needed = {name.upper() for name, field in settings.model_fields.items() if field.is_required()}
        assert needed <= list_named_settings(shared) | list_named_settings(listed[part]), part
