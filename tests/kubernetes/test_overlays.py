"""Both overlays on a real cluster: rolled out, used, scaled on lag, restarted, taken down."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from cluster import NAMESPACE, ROOT, KubectlFailed, kubectl, operator, rendered, replicas, roll_out, until

K8S = ROOT / "deploy" / "k8s"
SERVICES = ("gateway", "scheduler", "spaces-writer", "operator")
FETCHERS = ("shopify-fetcher", "facebook-fetcher")
STORES = ("statefulset/kafka", "statefulset/postgres", "deploy/spaces", "deploy/sandbox")

TOUCH = """
import sys, time
from pathlib import Path
from merchant_sync import access, client
visit = client.Visit(access.load(Path("data")))
{body}
"""


def told(body: str) -> str:
    """Run a few lines with a visitor at hand, in the operator's pod."""
    return kubectl("exec", "-i", "deploy/operator", "--", "python", "-", given=TOUCH.format(body=body))


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The sandbox overlay, rolled out with secrets of its own."""
    if shutil.which("kubectl") is None:
        pytest.fail("kubectl is not installed")
    with pytest.raises(KubectlFailed, match="not found"):
        kubectl("get", "namespace", NAMESPACE)
    deploy = tmp_path_factory.mktemp("deploy") / "deploy"
    shutil.copytree(ROOT / "deploy", deploy)
    overlay = deploy / "k8s" / "overlays" / "sandbox"
    command = [sys.executable, "-m", "merchant_sync.app", "secrets", "--to", str(overlay / "secrets"), "--env"]
    subprocess.run(command, check=True)
    try:
        kubectl("apply", "-f", "-", given=rendered(overlay))
        took = until(lambda: _rolled(*STORES, *(f"deploy/{name}" for name in SERVICES)), within=300)
        print(f"\nsandbox overlay: all rolled out after {took:.0f} s")
        yield
    finally:
        kubectl("delete", "namespace", NAMESPACE, "--timeout=180s", within=200)


def _rolled(*names: str) -> bool:
    try:
        roll_out(*names, within=5)
    except KubectlFailed:
        return False
    return True


def test_a_fetcher_wakes_on_lag_and_rests(sandbox: None) -> None:
    rested = until(lambda: [replicas(name) for name in FETCHERS] == [0, 0], within=240)
    print(f"\nfetchers at rest after {rested:.0f} s")

    shop = "waking.myshopify.com"
    told(f"visit.control('POST', '', {{'shop': '{shop}', 'seed': 7, 'products': 20}}); visit.connect('{shop}')")
    woke = until(lambda: replicas("shopify-fetcher") == 1, within=120)
    stored = until(lambda: _is_stored(shop), within=120)
    print(f"real lag: 0 to 1 ready pod in {woke:.1f} s, its first snapshot {stored:.1f} s later")

    rested = until(lambda: replicas("shopify-fetcher") == 0, within=240)
    print(f"lag gone: 1 to 0 in {rested:.1f} s")


def test_the_demo_passes(sandbox: None) -> None:
    _stay_awake()
    print(operator("demo"))


def test_the_doctor_finds_nothing_wrong(sandbox: None) -> None:
    print(operator("doctor"))


def test_a_rolling_restart_of_everything_loses_nothing(sandbox: None) -> None:
    shop = "rolling.myshopify.com"
    told(f"visit.control('POST', '', {{'shop': '{shop}', 'seed': 7, 'products': 50}}); visit.connect('{shop}')")
    until(lambda: _is_stored(shop), within=120)
    burst = subprocess.Popen(
        ["kubectl", "--namespace", NAMESPACE, "exec", "-i", "deploy/operator", "--", "python", "-"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    edits = (
        f"numbers = [p['number'] for p in visit.control('GET', '/{shop}/products')['products']]\n"
        f"for edit in range(300):\n"
        f"    visit.control('PATCH', f'/{shop}/products/{{numbers[edit % 50]}}', {{'title': f'title {{edit}}'}})\n"
        f"    time.sleep(0.25)\n"
    )
    assert burst.stdin is not None
    burst.stdin.write(TOUCH.format(body=edits))
    burst.stdin.close()
    for name in ("gateway", "scheduler", "spaces-writer", *FETCHERS):
        kubectl("rollout", "restart", f"deploy/{name}")
        roll_out(f"deploy/{name}")
    assert burst.wait(timeout=180) == 0

    equal = f"print(visit.object('{shop}/shopify_data.json').document == visit.truth('{shop}'))"
    took = until(lambda: told(equal).strip() == "True", within=120)
    deliveries = told(
        f"listed = visit.control('GET', '/{shop}/deliveries', limit=1000)['deliveries']\n"
        "print(len(listed), sum(d['status'] == 'delivered' for d in listed), sum(d['attempts'] > 1 for d in listed))"
    )
    total, delivered, again = (int(word) for word in deliveries.split())
    print(f"\nrolled everything under 300 edits: {total} webhooks, {delivered} delivered, {again} of them not at once;")
    print(f"the object equals the truth {took:.1f} s after the last roll and edit")
    assert delivered == total >= 300


def test_the_production_overlay_is_taken(sandbox: None) -> None:
    said = kubectl("apply", "--dry-run=server", "-f", "-", given=rendered(K8S / "overlays" / "production"))

    assert "scaledobject.keda.sh/spaces-writer" in said
    assert "error" not in said.lower()


def test_the_production_overlay_rolls_out_on_stand_ins(sandbox: None, tmp_path: Path) -> None:
    """Its own workloads with the sandbox's stores in the place of managed ones: no TLS, no login, the same secrets."""
    documents = list(yaml.safe_load_all(rendered(K8S / "overlays" / "production")))
    standing = [_standing_in(d) for d in documents if d["kind"] in ("ConfigMap", "Deployment")]
    kubectl("apply", "-f", "-", given=yaml.safe_dump_all(standing))

    roll_out(*(f"deploy/{name}" for name in SERVICES))
    print(kubectl("get", "deploy", "-o", "wide"))


def _standing_in(document: dict[str, object]) -> dict[str, object]:
    """What is someone's own becomes what the sandbox overlay has brought."""
    text = yaml.safe_dump(document)
    secrets = kubectl("get", "secrets", "-o", "name").split()
    for part in (*SERVICES, *FETCHERS):
        [name] = [secret.removeprefix("secret/") for secret in secrets if secret.startswith(f"secret/{part}-")]
        text = text.replace(f"secretName: {part}\n", f"secretName: {name}\n")
    text = text.replace("registry.example.com/merchant-sync:1", "merchant-sync:dev")
    changed: dict[str, object] = yaml.safe_load(text)
    if document["kind"] == "ConfigMap":
        data = changed["data"]
        assert isinstance(data, dict)
        for name in ("KAFKA_SECURITY_PROTOCOL", "KAFKA_SASL_MECHANISM", "KAFKA_CA_FILE"):
            data.pop(name, None)
        data["KAFKA_BOOTSTRAP_SERVERS"] = f"kafka.{NAMESPACE}.svc.cluster.local:9092"
        data |= {"SPACES_ENDPOINT_URL": "http://spaces:9000", "SPACES_BUCKET": "merchant-sync"}
    return changed


def _is_stored(shop: str) -> bool:
    return told(f"print(visit.object('{shop}/shopify_data.json') is not None)").strip() == "True"


def _stay_awake() -> None:
    """Fetchers that wake take seconds, which the demo's own limits leave no room for."""
    patch = '{"spec": {"minReplicaCount": 1}}'
    for name in FETCHERS:
        kubectl("patch", "scaledobject", name, "--type=merge", "--patch", patch)
    until(lambda: [replicas(name) for name in FETCHERS] == [1, 1], within=120)
