"""Rules of the repository's shape that a machine keeps: who may import whom, and which modules do IO."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = {p.name.replace("-", "_"): p for p in (ROOT / "services").iterdir() if p.is_dir()}
LIBS = {p.name: p for p in (ROOT / "libs").iterdir() if p.is_dir()}
IO_MODULES = {"app", "settings", "handlers", "routes", "client", "store", "use_cases"}
"""Names of modules that may do IO, and of folders whose modules may, at the top of a service or within its rooms."""
ORCHESTRATION = {"app", "handlers", "routes", "use_cases"}
ORCHESTRATED = {"client", "handlers", "store"}
"""Only the modules of `ORCHESTRATION` may import these at run time: what looks pure does no IO through them either."""
BY_SUBJECT = {"gateway"}
"""Services whose folders are subjects and not layers: each subject has its own service classes, which get their stores
as parameters."""
IO_PACKAGES = {
    "aioboto3", "aiokafka", "asyncpg", "boto3", "botocore", "faststream", "httpx", "os", "requests", "shutil", "socket",
    "sqlalchemy", "sqlite3", "subprocess", "tempfile", "urllib.request",
}  # fmt: skip
LAYERS = {"contracts": set[str](), "messaging": {"contracts"}, "database": {"messaging"}, "service": {"messaging"}}
LAYERS |= {"platform_sdk": set[str](), "connector": {"contracts", "messaging", "platform_sdk", "service"}}
LAYERS |= {"linking": set[str]()}
LAYERS |= {"destination": {"linking", "connector", "contracts", "messaging", "platform_sdk", "service"}}


def sources(folder: Path) -> list[Path]:
    """A package's own modules: no tests, nothing generated."""
    return [p for p in folder.rglob("*.py") if not {"tests", "generated"} & set(p.relative_to(folder).parts)]


def imported(path: Path) -> Iterator[str]:
    """Names of the modules that this one imports when it runs; imports for type checkers alone are left out."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_services_never_import_services() -> None:
    crossings = [
        f"{path.relative_to(ROOT)} imports {name}"
        for service, folder in SERVICES.items()
        for path in sources(folder)
        for name in imported(path)
        if name.split(".")[0] in set(SERVICES) - {service} | {"sandbox", "merchant_sync"}
    ]
    assert crossings == []


def test_libraries_import_downwards_only() -> None:
    ours = set(SERVICES) | set(LIBS) | {"sandbox", "merchant_sync"}
    crossings = [
        f"{path.relative_to(ROOT)} imports {name}"
        for lib, folder in LIBS.items()
        for path in sources(folder)
        for name in imported(path)
        if (head := name.split(".")[0]) in ours and head not in LAYERS[lib] | {lib}
    ]
    assert crossings == []


def test_the_sandbox_and_its_truth_import_nothing_of_the_product() -> None:
    ours = set(SERVICES) | set(LIBS) | {"merchant_sync"}
    crossings = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(ROOT / "sandbox")
        for name in imported(path)
        if name.split(".")[0] in ours
    ]
    assert crossings == []


def does_io(path: Path, package: Path) -> bool:
    """Whether the module, or a folder that it is in, has one of the names that may do IO."""
    parts = path.relative_to(package).with_suffix("").parts
    return bool(IO_MODULES & set(parts))


@pytest.mark.parametrize("service", SERVICES)
def test_only_modules_named_for_it_do_io(service: str) -> None:
    package = SERVICES[service] / service
    strays = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(package)
        if not does_io(path, package)
        for name in imported(path)
        if name in IO_PACKAGES or name.split(".")[0] in IO_PACKAGES
    ]
    assert strays == []


@pytest.mark.parametrize("service", sorted(SERVICES.keys() - BY_SUBJECT))
def test_only_orchestration_drives_clients_stores_and_handlers(service: str) -> None:
    package = SERVICES[service] / service
    strays = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(package)
        if (layer := path.relative_to(package).with_suffix("").parts[0]) not in ORCHESTRATION
        for name in imported(path)
        if (parts := name.split("."))[0] == service and set(parts[1:2]) & (ORCHESTRATED - {layer})
    ]
    assert strays == []


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_the_same_inside(service: str) -> None:
    package = SERVICES[service] / service
    names = {p.stem for p in package.iterdir()}
    assert {"app", "settings"} <= names
    assert (SERVICES[service] / "README.md").exists()


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\n") if name and (ROOT / name).is_file()]


FORBIDDEN = re.compile(
    "|".join(
        ["py" + r"pi\.org", "pythonhos" + "ted", r"registry\.np" + "mjs", "proxy.gol" + "ang", r"repo1?\.mav" + "en"]
    )
)


def test_no_registry_host_is_named_in_anything_committed() -> None:
    named = [
        str(path.relative_to(ROOT))
        for path in tracked()
        if path.suffix not in {".png", ".ico"} and FORBIDDEN.search(path.read_text(errors="ignore"))
    ]
    assert named == []


def test_no_module_swallows_what_it_does_not_know() -> None:
    """Six places decide what follows from an unknown error: a worker of the keyed consumer dead-letters the message,
    the consumer's poll loop and a periodic task report it and try again, the reader of topics skips the message or
    polls again, the webhook handler answers 500, because it runs below the framework, where nothing else would log the
    error, and the builder of snapshots records a failed upload, because nothing else would show that a connection's
    object stays behind."""
    broad = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for folder in [*SERVICES.values(), *LIBS.values()]
        for path in sources(folder)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in {"Exception", "BaseException"})
    ]
    places = {place.split(":")[0] for place in broad}
    messaging = {f"libs/messaging/messaging/{name}.py" for name in ("keyed_consumer", "key_workers", "topic_reader")}
    webhooks = {"services/gateway/gateway/webhooks/handler.py"}
    builder = {"services/spaces-writer/spaces_writer/use_cases/snapshot_builder.py"}
    assert places == messaging | webhooks | builder | {"libs/service/service/periodic_tasks.py"}
