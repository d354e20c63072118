"""Both overlays on a real cluster: rolled out, used, scaled on lag, restarted, deleted."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster import NAMESPACE, ROOT, KubectlError, count_replicas, kubectl, render, roll_out, run_operator, wait_until
from merchant_sync.parts import FETCHERS, PLATFORM_SERVICES, SERVICES

K8S = ROOT / "deploy" / "k8s"
STANDING = (*(name for name in SERVICES if name not in PLATFORM_SERVICES), "operator")
"""Deployments that always have a pod: KEDA stops fetchers and writers of platforms that are idle."""
STORES = ("statefulset/kafka", "statefulset/postgres", "deploy/spaces", "deploy/sandbox")

VISIT = """
import sys, time
from pathlib import Path
from merchant_sync import access, client
from merchant_sync.demo.shopify_sandbox import SandboxShops
visit = client.Visit(access.locate_installation(Path("data")))
shops = SandboxShops(visit)
{body}
"""


def run_visit(body: str) -> str:
    """Run a few lines of Python with `visit` and `shops`, in the operator's pod; return their output."""
    return kubectl("exec", "-i", "deploy/operator", "--", "python", "-", given=VISIT.format(body=body))


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The sandbox overlay, rolled out with secrets of its own."""
    if shutil.which("kubectl") is None:
        pytest.fail("kubectl is not installed")
    with pytest.raises(KubectlError, match="not found"):
        kubectl("get", "namespace", NAMESPACE)
    deploy = tmp_path_factory.mktemp("deploy") / "deploy"
    shutil.copytree(ROOT / "deploy", deploy)
    overlay = deploy / "k8s" / "overlays" / "sandbox"
    command = [sys.executable, "-m", "merchant_sync.app", "secrets", "--to", str(overlay / "secrets"), "--env"]
    subprocess.run(command, check=True)
    try:
        kubectl("apply", "-f", "-", given=render(overlay))
        took = wait_until(lambda: _is_rolled_out(*STORES, *(f"deploy/{name}" for name in STANDING)), within=600)
        print(f"\nsandbox overlay: all rolled out after {took:.0f} s")
        yield
    finally:
        kubectl("delete", "namespace", NAMESPACE, "--timeout=180s", within=200)


def _is_rolled_out(*names: str) -> bool:
    try:
        roll_out(*names, within=5)
    except KubectlError:
        return False
    return True


def test_a_fetcher_is_started_on_lag_and_stopped_when_idle(sandbox: None) -> None:
    idle_after = wait_until(lambda: not any(count_replicas(name) for name in FETCHERS), within=240)
    print(f"\nfetchers at zero replicas after {idle_after:.0f} s")

    shop = "waking.myshopify.com"
    run_visit(f"shops.call('POST', '', {{'shop': '{shop}', 'seed': 7, 'products': 20}}); shops.connect('{shop}')")
    started_after = wait_until(lambda: count_replicas("shopify-fetcher") == 1, within=120)
    stored = wait_until(lambda: _is_stored(shop), within=120)
    print(f"real lag: 0 to 1 ready pod in {started_after:.1f} s, its first snapshot {stored:.1f} s later")

    idle_after = wait_until(lambda: count_replicas("shopify-fetcher") == 0, within=240)
    print(f"lag gone: 1 to 0 in {idle_after:.1f} s")


def test_the_demo_passes(sandbox: None) -> None:
    _keep_fetchers_running()
    output = run_operator("demo")

    assert re.search(r"All \d+ hold", output), output


def test_the_doctor_finds_nothing_wrong(sandbox: None) -> None:
    kubectl("create", "job", "--from=cronjob/doctor", "doctor-test")
    kubectl("wait", "--for=condition=complete", "--timeout=300s", "job/doctor-test")
    logs = kubectl("logs", "job/doctor-test")
    for subject in ("Kafka", "topics", "Postgres of gateway", "role of data_api", "scheduler", "data-api"):
        assert f"✓ {subject}: " in logs
    assert "✗" not in logs


def test_a_rolling_restart_of_everything_loses_nothing(sandbox: None) -> None:
    shop = "rolling.myshopify.com"
    run_visit(f"shops.call('POST', '', {{'shop': '{shop}', 'seed': 7, 'products': 50}}); shops.connect('{shop}')")
    wait_until(lambda: _is_stored(shop), within=120)
    burst = subprocess.Popen(
        ["kubectl", "--namespace", NAMESPACE, "exec", "-i", "deploy/operator", "--", "python", "-"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    edits = (
        f"numbers = [p['number'] for p in shops.call('GET', '/{shop}/products')['products']]\n"
        f"for edit in range(300):\n"
        f"    shops.call('PATCH', f'/{shop}/products/{{numbers[edit % 50]}}', {{'title': f'title {{edit}}'}})\n"
        f"    time.sleep(0.25)\n"
    )
    assert burst.stdin is not None
    burst.stdin.write(VISIT.format(body=edits))
    burst.stdin.close()
    for name in SERVICES:
        kubectl("rollout", "restart", f"deploy/{name}")
        roll_out(f"deploy/{name}")
    assert burst.wait(timeout=180) == 0

    equal = f"print(visit.load_object('{shop}/shopify_data.json').document == shops.load_expected_document('{shop}'))"
    took = wait_until(lambda: run_visit(equal).strip() == "True", within=120)
    listed = run_visit(
        f"listed = shops.call('GET', '/{shop}/deliveries', limit=1000)['deliveries']\n"
        "print(len(listed), sum(d['status'] == 'delivered' for d in listed), sum(d['attempts'] > 1 for d in listed))"
    )
    total, delivered, again = (int(word) for word in listed.split())
    print(f"\nrolled everything under 300 edits: {total} webhooks, {delivered} delivered, {again} of them not at once;")
    print(f"the object equals the truth {took:.1f} s after the last roll and edit")
    assert delivered == total >= 300


def test_the_api_server_accepts_the_production_overlay(sandbox: None) -> None:
    output = kubectl("apply", "--dry-run=server", "-f", "-", given=render(K8S / "overlays" / "production"))

    assert "scaledobject.keda.sh/spaces-writer" in output
    assert "error" not in output.lower()


def test_the_production_overlay_rolls_out_on_stand_ins(sandbox: None, tmp_path: Path) -> None:
    """The overlay's own workloads with the sandbox's stores: no TLS, no login, the same secrets."""
    documents = list(yaml.safe_load_all(render(K8S / "overlays" / "production")))
    replaced = [_replace_externals(d) for d in documents if d["kind"] in ("ConfigMap", "Deployment")]
    kubectl("apply", "-f", "-", given=yaml.safe_dump_all(replaced))

    roll_out(*(f"deploy/{name}" for name in STANDING))
    deployments = json.loads(kubectl("get", "deploy", "-o", "json"))["items"]
    waiting = [
        d["metadata"]["name"] for d in deployments if d["status"].get("readyReplicas", 0) < d["spec"]["replicas"]
    ]
    assert waiting == []
    assert {image for d in deployments if d["metadata"]["name"] in STANDING for image in _list_images(d)} == {
        "merchant-sync:dev"
    }


def _list_images(deployment: dict[str, Any]) -> list[str]:
    return [container["image"] for container in deployment["spec"]["template"]["spec"]["containers"]]


def _replace_externals(document: dict[str, object]) -> dict[str, object]:
    """Replace the operator's own image, secrets and stores by those of the sandbox overlay."""
    text = yaml.safe_dump(document)
    secrets = kubectl("get", "secrets", "-o", "name").split()
    for part in (*STANDING, *FETCHERS):
        [name] = [secret.removeprefix("secret/") for secret in secrets if secret.startswith(f"secret/{part}-")]
        text = text.replace(f"secretName: {part}\n", f"secretName: {name}\n")
    text = text.replace("registry.example.com/merchant-sync:1", "merchant-sync:dev")
    changed: dict[str, object] = yaml.safe_load(text)
    if document["kind"] == "ConfigMap":
        data = changed["data"]
        assert isinstance(data, dict)
        data.pop("KAFKA_CA_FILE", None)
        data["KAFKA_SECURITY_PROTOCOL"] = "SASL_PLAINTEXT"
        data["KAFKA_BOOTSTRAP_SERVERS"] = f"kafka.{NAMESPACE}.svc.cluster.local:9092"
        data |= {"SPACES_ENDPOINT_URL": "http://spaces:9000", "SPACES_BUCKET": "merchant-sync"}
    return changed


def _is_stored(shop: str) -> bool:
    return run_visit(f"print(visit.load_object('{shop}/shopify_data.json') is not None)").strip() == "True"


def _keep_fetchers_running() -> None:
    """Keep one replica of each fetcher: to start one takes seconds, which the demo's limits do not allow for."""
    patch = '{"spec": {"minReplicaCount": 1}}'
    for name in FETCHERS:
        kubectl("patch", "scaledobject", name, "--type=merge", "--patch", patch)
    wait_until(lambda: all(count_replicas(name) == 1 for name in FETCHERS), within=120)
