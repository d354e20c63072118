"""The compose file as its users run it: one command, one port, the demo, more fetchers, a killed service."""

import json
import re
import subprocess
import time
from collections.abc import Iterator

import httpx
import pytest

from composing import DEPLOY, MINUTES, START, Compose
from merchant_sync.parts import SERVICES


@pytest.fixture(scope="module")
def compose() -> Iterator[Compose]:
    """Everything, up and healthy."""
    running = Compose("merchant-sync-test", [DEPLOY / "compose.yaml"])
    began = time.monotonic()
    running("build", within=15 * MINUTES)
    built = time.monotonic()
    try:
        running("up", "--wait", within=START)
        print(f"\nbuilt in {built - began:.0f} s, up and healthy after {time.monotonic() - built:.0f} s more")
        yield running
    finally:
        running("down", "--volumes")


def test_the_demo_passes(compose: Compose) -> None:
    output = compose("run", "--rm", "-T", "operator", "demo")

    assert re.search(r"All \d+ hold", output), output


def test_the_doctor_finds_nothing_wrong(compose: Compose) -> None:
    findings = json.loads(compose("run", "--rm", "-T", "operator", "doctor", "--json"))["findings"]

    assert {"Kafka", "topics", "Postgres of gateway", "scheduler"} <= {finding["subject"] for finding in findings}
    assert [finding for finding in findings if finding["result"] == "bad"] == []


def test_the_public_ports_of_gateway_and_data_api_alone_are_published(compose: Compose) -> None:
    published = {
        found["Config"]["Labels"]["com.docker.compose.service"]: found["NetworkSettings"]["Ports"]
        for found in compose.inspect()
        if any((found["NetworkSettings"]["Ports"] or {}).values())
    }

    opened = {name: [port for port, hosts in ports.items() if hosts] for name, ports in published.items()}
    assert opened == {"gateway": ["5000/tcp"], "data-api": ["5010/tcp"]}


def test_readers_on_this_host_reach_the_data_api(compose: Compose) -> None:
    assert httpx.get(f"{compose.data_api_url}/ready").status_code == 200
    assert httpx.get(f"{compose.data_api_url}/metrics").status_code == 404


def test_roles_are_made_again_at_each_start(compose: Compose) -> None:
    compose("up", "--wait", "--no-recreate")

    assert "error" not in compose("logs", "--no-color", "postgres-setup").lower()


@pytest.mark.parametrize(
    "path", ["/internal/tokens", "/metrics", "/sandbox/control/shops", "/control/shops", "/sandbox/graph/me"]
)
def test_internal_routes_are_not_reached_through_the_gateways_port(compose: Compose, path: str) -> None:
    assert {httpx.get(f"{compose.url}{path}").status_code, httpx.post(f"{compose.url}{path}").status_code} <= {404, 405}


def test_our_containers_run_without_rights(compose: Compose) -> None:
    ours = [found for found in compose.inspect() if found["Config"]["Image"].startswith("merchant-sync:")]

    assert len(ours) == len(SERVICES) + 1
    for found in ours:
        assert found["Config"]["User"] == "10001:10001"
        assert found["HostConfig"]["ReadonlyRootfs"] is True
        assert found["HostConfig"]["CapDrop"] == ["ALL"]


def test_no_secret_is_in_what_docker_shows_or_in_logs(compose: Compose) -> None:
    files = "(p for p in Path('/run/merchant-sync').iterdir() if p.name != 'KAFKA_USERNAME')"
    read = f"from pathlib import Path; print(chr(10).join(p.read_text() for p in {files}))"
    secrets: set[str] = set()
    for service in SERVICES:
        secrets |= set(compose("exec", "-T", service, "python", "-c", read).split())
    passwords = {secret.split("@")[0].rsplit(":", 1)[-1] for secret in secrets if secret.startswith("postgresql:")}
    keys = {pair.split(":")[1] for secret in secrets if "," in secret for pair in secret.split(",")}
    shown = json.dumps(compose.inspect()) + compose("logs", "--no-color")
    # The app's key and id are in every address that a browser is sent to, and no secrets.
    public = {secret for secret in secrets if f"client_id={secret}" in shown} | {
        compose("exec", "-T", "gateway", "cat", f"/run/merchant-sync/{name}").strip()
        for name in ("SHOPIFY_API_KEY", "FACEBOOK_APP_ID")
    }

    assert len(secrets) > 10
    assert {secret for secret in (secrets | passwords | keys) - public if secret in shown} == set()


def count_partitions(compose: Compose, group: str) -> list[int]:
    """Return how many partitions each member of a consumer group has."""
    tool = "/opt/kafka/bin/kafka-consumer-groups.sh"
    arguments = ("--bootstrap-server", "localhost:9094", "--group", group, "--describe", "--members")
    lines = compose("exec", "-T", "kafka", tool, *arguments).strip().splitlines()[1:]
    return [int(line.split()[-1]) for line in lines]


def test_three_fetchers_share_the_work(compose: Compose) -> None:
    compose("up", "--wait", "--no-recreate", "--scale", "shopify-fetcher=3")

    assert count_partitions(compose, "shopify-fetcher.sync.requested.shopify") == [4, 4, 4]
    assert count_partitions(compose, "shopify-fetcher.sync.requested.shopify.full") == [4, 4, 4]

    compose("up", "--wait", "--no-recreate", "--scale", "shopify-fetcher=1")

    assert count_partitions(compose, "shopify-fetcher.sync.requested.shopify") == [12]


def test_a_service_that_dies_comes_back(compose: Compose) -> None:
    [before] = [found for found in compose.inspect() if "spaces-writer" in found["Name"]]
    subprocess.run(["kill", "-9", str(before["State"]["Pid"])], check=True)

    deadline = time.monotonic() + MINUTES
    while compose("ps", "--format", "{{.Health}}", "spaces-writer").strip() != "healthy" or not _has_restarted(compose):
        assert time.monotonic() < deadline
        time.sleep(0.5)


def _has_restarted(compose: Compose) -> bool:
    return any(found["RestartCount"] == 1 for found in compose.inspect() if "spaces-writer" in found["Name"])
