"""The example platform of docs/example-platform: adding its folders and one line makes it a whole platform."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "example-platform"
SLUG, SHOP, KEY = "bookshop", "quillandink", "the key of quillandink"
LINE = f'    "{SLUG}",\n'
JSON = {"Accept": "application/json"}
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


class Bookshop:
    """A Bookshop API: what it answers is in `records`, by resource and id."""

    def __init__(self) -> None:
        self.records: dict[str, dict[str, dict[str, Any]]] = {
            "authors": {"1": {"id": 1, "name": "Ada"}},
            "books": {
                "7": {"id": 7, "title": "Ink", "author": 1, "views": 3},
                "8": {"id": 8, "title": "Quill", "author": 1, "views": 5},
            },
        }
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._create_handler())

    @property
    def url(self) -> str:
        """The address of the API."""
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def find(self, path: str) -> object | None:
        """Return what is at `path`; None where nothing is."""
        match path.strip("/").split("/"):
            case ["shops", str(shop)] if shop == SHOP:
                return {"name": shop}
            case ["shops", str(shop), str(resource)] if shop == SHOP and resource in self.records:
                return list(self.records[resource])
            case ["shops", str(shop), str(resource), str(record_id)] if shop == SHOP:
                return self.records.get(resource, {}).get(record_id)
        return None

    def build_document(self) -> dict[str, Any]:
        """Return the snapshot as it must be: all records, by resource and sort key."""
        return {
            "data": [
                self.records[resource][key]
                for resource in sorted(self.records)
                for key in sorted(self.records[resource])
            ]
        }

    def _create_handler(self) -> type[BaseHTTPRequestHandler]:
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                is_allowed = self.headers.get("Authorization") == f"Bearer {KEY}"
                found = shop.find(self.path) if is_allowed else None
                self.send_response(401 if not is_allowed else 404 if found is None else 200)
                self.end_headers()
                self.wfile.write(json.dumps(found).encode())

            def log_message(self, *_: Any) -> None:
                """Write nothing."""

        return Handler


@contextmanager
def run_bookshop() -> Iterator[Bookshop]:
    shop = Bookshop()
    thread = Thread(target=shop.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield shop
    finally:
        shop.server.shutdown()
        thread.join()


def copy_repository(folder: Path) -> None:
    """Copy what Git tracks, so that the example can be added to it."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        source, target = ROOT / name, folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def add_platform(folder: Path) -> list[str]:
    """Add the example's folders and its registry line; return the files that existed before and were changed."""
    before = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for part in ("platforms", "services"):
        shutil.copytree(EXAMPLE / part, folder / part, dirs_exist_ok=True)
    registry = folder / "platforms" / "registry.py"
    text = registry.read_text()
    end = text.index(")", text.index("PLATFORMS = ("))
    registry.write_text(text[:end] + LINE + text[end:])
    return [str(name) for name, content in before.items() if (folder / name).read_bytes() != content]


def build_python_path(folder: Path) -> str:
    """Return the folders of all packages, as hatch_build.py finds them."""
    parents = {
        init.parent.parent
        for pattern in ("libs/*/*/__init__.py", "services/*/*/__init__.py")
        for init in folder.glob(pattern)
    }
    return os.pathsep.join(map(str, [folder, folder / "cli", folder / "sandbox", *sorted(parents)]))


def wait_for(check: Any, seconds: float, what: str) -> Any:
    deadline = time.monotonic() + seconds
    while not (result := check()):
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds} s"
        time.sleep(0.2)
    return result


@contextmanager
def run_stack(folder: Path, shop: Bookshop) -> Iterator[dict[str, str]]:
    """Run the whole stack of the copy; yield its addresses."""
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        "PYTHONPATH": build_python_path(folder),
        "BOOKSHOP_API_URL": shop.url,
        "GATEWAY_PORT": "0",
        "DATA_API_PORT": "0",
        "POLL_SPREAD_SECONDS": "0",
        "BOOKSHOP_POLL_CRON": "* * * * * *",
    }
    data = folder / "data"
    data.mkdir()
    if (ROOT / "data" / "cache").is_dir():
        (data / "cache").symlink_to(ROOT / "data" / "cache")
    log = (folder / "up.log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "merchant_sync.app", "up"], cwd=folder, env=environment, stdout=log, stderr=log
    )
    runtime = data / "runtime.json"
    try:
        wait_for(lambda: runtime.is_file() or process.poll() is not None, 180, "the start of the stack")
        assert process.poll() is None, (folder / "up.log").read_text()
        addresses = json.loads(runtime.read_text())["addresses"]
        wait_for(lambda: is_ready(addresses["GATEWAY_URL"]), 120, "a ready gateway")
        yield addresses
    finally:
        process.terminate()
        process.wait(60)
        log.close()


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/ready").status_code == 200
    except httpx.HTTPError:
        return False


def read_object(folder: Path) -> dict[str, Any] | None:
    """Return the shop's snapshot as the local object store has it."""
    found = [path for path in (folder / "data" / "spaces").rglob("bookshop_data.json") if path.is_file()]
    try:
        return json.loads(found[0].read_text()) if found else None
    except (OSError, ValueError):  # the store is replacing it
        return None


def test_the_example_is_a_whole_platform_by_its_folders_and_one_line(tmp_path: Path) -> None:
    """It connects by credentials, is polled, has its records stored and shown, and put into the bucket."""
    copy_repository(tmp_path)
    assert add_platform(tmp_path) == ["platforms/registry.py"]
    with (
        run_bookshop() as shop,
        run_stack(tmp_path, shop) as addresses,
        httpx.Client(base_url=addresses["GATEWAY_URL"], headers=JSON) as browser,
    ):
        assert f"/{SLUG}/connect" in browser.get("/", headers={"Accept": "text/html"}).text
        wrong = browser.post(f"/{SLUG}/connect", json={"shop": SHOP, "key": "another key"})
        assert (wrong.status_code, "check both" in wrong.json()["reason"]) == (400, True)
        connected = browser.post(f"/{SLUG}/connect", json={"shop": SHOP, "key": KEY})
        assert connected.status_code == 200, connected.text
        (account,) = connected.json()["connections"]
        assert account["connection"] == f"{SLUG}:{SHOP}"

        def is_successful() -> bool:
            return bool(browser.get(f"/syncs/{account['sync_id']}").json()["state"] == "success")

        wait_for(is_successful, 60, "the first sync's success")
        wait_for(lambda: read_object(tmp_path) == shop.build_document(), 30, "the snapshot")
        (shown,) = browser.get("/connections").json()["connections"]
        assert (shown["connection"], shown["state"], shown["polled_only"]) == (f"{SLUG}:{SHOP}", "connected", True)
        assert KEY not in browser.get("/connections").text

        shop.records["books"]["9"] = {"id": 9, "title": "Paper", "author": 1, "views": 0}
        del shop.records["books"]["7"]
        wait_for(
            lambda: read_object(tmp_path) == shop.build_document(), 90, "the poll that brings a new and a deleted book"
        )
