"""Each role of a platform imports only what the services that load it have: checked in a process of its own."""

import subprocess
import sys
from importlib.util import find_spec

import pytest

from contracts.topics import get_write_topic, list_topics
from platforms.registry import DESTINATIONS, PLATFORMS, load_role

SERVICE_PACKAGES = {
    "messaging",
    "aiokafka",
    "faststream",
    "sqlalchemy",
    "asyncpg",
    "jinja2",
    "fastapi",
    "service",
    "gateway",
}
HTTP_PACKAGES = {"httpx", "pydantic", "pydantic_settings", "stamina"}


def list_imports(module: str) -> set[str]:
    """Return the names of all modules that are loaded once `module` is imported."""
    code = f"import sys, {module}; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def list_packages(modules: set[str]) -> set[str]:
    """Return the top packages of these modules."""
    return {name.partition(".")[0] for name in modules}


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("role", ["manifest", "resources"])
def test_a_declaration_imports_only_the_sdk(platform: str, role: str) -> None:
    modules = list_imports(f"platforms.{platform}.{role}")
    assert list_packages(modules) & (SERVICE_PACKAGES | HTTP_PACKAGES | {"orjson", "structlog"}) == set()
    assert {name for name in modules if name.startswith("platform_sdk.")} <= {
        "platform_sdk.manifests",
        "platform_sdk.resources",
    }


@pytest.mark.parametrize("platform", [name for name in PLATFORMS if find_spec(f"platforms.{name}.linking")])
def test_linking_imports_only_what_decides(platform: str) -> None:
    packages = list_packages(list_imports(f"platforms.{platform}.linking"))
    assert packages & (SERVICE_PACKAGES | HTTP_PACKAGES | {"orjson", "structlog", "platform_sdk"}) == set()


@pytest.mark.parametrize("platform", PLATFORMS)
def test_connecting_imports_neither_kafka_nor_a_database_nor_generated_code(platform: str) -> None:
    modules = list_imports(f"platforms.{platform}.connect")
    assert list_packages(modules) & SERVICE_PACKAGES == set()
    assert [name for name in modules if "generated" in name.split(".")] == []


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_manifest_names_its_settings_after_the_platform(platform: str) -> None:
    manifest = load_role(platform, "manifest").MANIFEST
    assert manifest.slug == platform
    names = [setting.name for setting in manifest.settings]
    assert len(set(names)) == len(names)
    assert all(name.startswith(f"{platform.upper()}_") for name in names)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_setting_that_the_gateway_reads_is_in_the_manifest(platform: str) -> None:
    settings = load_role(platform, "connect").Settings
    manifest = load_role(platform, "manifest").MANIFEST
    assert {name.upper() for name in settings.model_fields} == {s.name for s in manifest.list_settings("gateway")}


def test_what_is_written_to_has_a_shared_form_of_its_records_and_a_writer_that_takes_the_requests() -> None:
    topics = {topic.name: topic for topic in list_topics(PLATFORMS, DESTINATIONS)}
    assert tuple(slug for slug in PLATFORMS if find_spec(f"platforms.{slug}.linking")) == DESTINATIONS
    for slug in PLATFORMS:
        manifest = load_role(slug, "manifest").MANIFEST
        consumers = topics[get_write_topic(slug)].consumers if slug in DESTINATIONS else ()
        assert manifest.services == (manifest.fetcher, *consumers)
