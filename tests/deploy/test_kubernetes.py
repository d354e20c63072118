"""The manifests: well formed, each part with its own settings alone, and open to what has to reach it alone."""

import dataclasses
import inspect
import json
import shutil
import subprocess
from functools import cache
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import kubernetes_validate
import pytest
import yaml

from connector.app import INCREMENTAL_SECONDS
from contracts.topics import PARTITIONS, list_topics
from data_api.applications import DataApiParts, list_operations
from data_api.settings import DataApiSettings
from gateway.webhooks.handler import ANSWER_SECONDS
from merchant_sync import deployment, environment
from merchant_sync.internal_keys import HASHES_SETTING, KEY_SETTINGS
from merchant_sync.manifests import MANIFESTS
from merchant_sync.operating.checks.settings import list_settings_classes
from merchant_sync.parts import PLATFORM_SERVICES, SERVICES
from messaging.keyed_consumer import KeyedConsumer
from platforms.known_settings import list_known_settings
from platforms.registry import DESTINATIONS
from service.known_settings import list_setting_errors

ROOT = Path(__file__).parents[2]
OVERLAYS = ("sandbox", "production")
PUBLIC = ("gateway", "data-api")
"""The services that are reached from outside."""
OURS = (*SERVICES, "operator", "doctor")
NAME, NAMESPACE = "app.kubernetes.io/name", "merchant-sync"
KUBERNETES = "1.30"
"""The oldest that is promised: it is the first that sleeps before a stop without a shell in the image."""
SETTINGS_CLASSES = list_settings_classes(list(MANIFESTS))
PLATFORMS = tuple(manifest.slug for manifest in MANIFESTS)
OPERATOR_SETTINGS = {"GATEWAY_URL", "DATA_API_URL"}
KEYS = {HASHES_SETTING, *KEY_SETTINGS.values(), "KAFKA_USERNAME", "KAFKA_PASSWORD"}
HTTP_SECONDS = 5
"""How long open requests may take at an end (uvicorn's graceful time in service.process)."""

Object = dict[str, Any]

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")


@cache
def build(overlay: str) -> tuple[Object, ...]:
    """All objects of an overlay, with generated secrets."""
    with TemporaryDirectory() as folder:
        copied = Path(folder) / "deploy"
        shutil.copytree(ROOT / "deploy", copied, ignore=shutil.ignore_patterns("secrets"))
        deployment.write_secret_env_files(copied / "k8s/overlays/sandbox/secrets", with_sandbox=True)
        command = ["kubectl", "kustomize", str(copied / "k8s/overlays" / overlay)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


def select_kinds(overlay: str, *kinds: str) -> dict[str, Object]:
    return {found["metadata"]["name"]: found for found in build(overlay) if found["kind"] in kinds}


def list_pods(overlay: str) -> dict[str, Object]:
    """The pod template of each workload."""
    pods = {name: one["spec"]["template"] for name, one in select_kinds(overlay, "Deployment", "StatefulSet").items()}
    jobs = select_kinds(overlay, "CronJob").items()
    return pods | {name: one["spec"]["jobTemplate"]["spec"]["template"] for name, one in jobs}


def get_container(overlay: str, name: str) -> Object:
    """The container that is named like its workload; Kafka's has another one, which sets it up."""
    (only,) = [one for one in list_pods(overlay)[name]["spec"]["containers"] if one["name"] == name]
    return dict(only)


def get_plain_settings(overlay: str, name: str) -> dict[str, str]:
    """The settings in plain sight of a workload: its ConfigMap's, and above them its own."""
    maps = select_kinds(overlay, "ConfigMap")
    found: dict[str, str] = {}
    for source in get_container(overlay, name).get("envFrom", []):
        found |= maps[source["configMapRef"]["name"]]["data"]
    return found | {one["name"]: one["value"] for one in get_container(overlay, name).get("env", [])}


def get_secret_name(overlay: str, name: str) -> str:
    (mounted,) = [volume["secret"] for volume in list_pods(overlay)[name]["spec"]["volumes"] if "secret" in volume]
    return str(mounted["secretName"])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_is_valid_by_its_schema(overlay: str) -> None:
    for found in build(overlay):
        if not found["apiVersion"].startswith("keda.sh/"):
            kubernetes_validate.validate(found, KUBERNETES, strict=True)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_selector_finds_its_pods_and_every_port_its_name(overlay: str) -> None:
    labels = {name: pod["metadata"]["labels"] for name, pod in list_pods(overlay).items()}
    for name, one in select_kinds(overlay, "Deployment", "StatefulSet").items():
        assert one["spec"]["selector"]["matchLabels"].items() <= labels[name].items()
    for service in select_kinds(overlay, "Service").values():
        (behind,) = [name for name, found in labels.items() if service["spec"]["selector"].items() <= found.items()]
        opened = {port["name"] for port in get_container(overlay, behind)["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= opened
    budgets = [one for one in build(overlay) if one["kind"] == "PodDisruptionBudget"]
    replicated = {"gateway", "scheduler", "data-api", "linker"}
    assert {one["spec"]["selector"]["matchLabels"][NAME] for one in budgets} == replicated


@pytest.mark.parametrize(("overlay", "name"), list(product(OVERLAYS, OURS)))
def test_our_pods_write_nothing_and_have_no_rights(overlay: str, name: str) -> None:
    pod, only = list_pods(overlay)[name]["spec"], get_container(overlay, name)

    assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"]) == (True, 10001)
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert only["securityContext"]["readOnlyRootFilesystem"] is True
    assert only["securityContext"]["allowPrivilegeEscalation"] is False
    assert only["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert pod["serviceAccountName"] == name
    assert pod["automountServiceAccountToken"] is False
    assert only["resources"]["requests"].keys() >= {"cpu", "memory"} and only["resources"]["limits"]["memory"]
    assert pod["topologySpreadConstraints"]


def count_millicores(overlay: str, name: str) -> int:
    """The part of a processor, in thousandths, that a pod of this workload reserves."""
    containers = list_pods(overlay)[name]["spec"]["containers"]
    return sum(int(one["resources"]["requests"]["cpu"].removesuffix("m")) for one in containers)


def test_the_sandbox_fits_into_two_processors_also_while_a_deployment_is_replaced() -> None:
    workloads = select_kinds("sandbox", "Deployment", "StatefulSet")
    scaled = {n: one["spec"]["maxReplicas"] for n, one in select_kinds("sandbox", "HorizontalPodAutoscaler").items()}
    replicas = {n: scaled.get(n, one["spec"].get("replicas", 1)) for n, one in workloads.items()}
    all_pods = sum(count * count_millicores("sandbox", n) for n, count in replicas.items())
    added = max(count_millicores("sandbox", name) for name in select_kinds("sandbox", "Deployment"))

    assert all_pods + added <= 2000, "tests/kubernetes/README.md asks for no more"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_plain_setting_is_one_and_none_is_a_secret(overlay: str) -> None:
    secret = {*KEYS, "DATABASE_URL", "KAFKA_PASSWORD"}.union(*deployment.SECRETS_BY_PART.values())
    for name in OURS:
        given = get_plain_settings(overlay, name).keys()
        assert given <= set(environment.SETTINGS) | OPERATOR_SETTINGS, name
        assert not given & secret, name


@pytest.mark.parametrize("name", ["gateway", "data-api"])
def test_production_says_which_proxies_are_in_front_of_what_is_public(name: str) -> None:
    assert get_plain_settings("production", name)["TRUSTED_PROXIES"] == "10.0.0.0/8"


def test_production_holds_no_secret_at_all() -> None:
    assert select_kinds("production", "Secret") == {}


@pytest.mark.parametrize("name", OURS)
def test_production_is_said_to_every_process_and_refuses_nothing_that_it_is_given(name: str) -> None:
    given = get_plain_settings("production", name)

    assert given["MERCHANT_SYNC_ENV"] == "production"
    assert list(list_setting_errors(given, list_known_settings())) == []
    assert "MERCHANT_SYNC_ENV" not in get_plain_settings("sandbox", name)


@pytest.mark.parametrize("name", OURS)
def test_a_workload_gets_its_own_secret_alone(name: str) -> None:
    owner = "operator" if name == "doctor" else name
    assert get_secret_name("production", name) == owner
    generated = select_kinds("sandbox", "Secret")[get_secret_name("sandbox", name)]["data"].keys()
    known = set(deployment.SECRETS_BY_PART[owner]) | {*KEYS, "DATABASE_URL"}
    assert generated <= known
    assert ("DATABASE_URL" in generated) == (name in environment.OWNERS)


def list_keys(overlay: str, name: str) -> set[str]:
    """The keys of its Secret that a pod sees; all of them is the empty set."""
    volumes = list_pods(overlay)[name]["spec"]["volumes"]
    return {item["key"] for volume in volumes for item in volume.get("secret", {}).get("items", [])}


def test_the_standing_operators_pod_knows_no_database_and_no_bucket() -> None:
    own = {"GATEWAY_KEY", "SCHEDULER_KEY", "LINKER_KEY", "KAFKA_USERNAME", "KAFKA_PASSWORD", "kafka-ca.pem"}
    assert list_keys("production", "operator") == own
    assert list_keys("sandbox", "operator") == own | {"SPACES_ACCESS_KEY", "SPACES_SECRET_KEY"}, "the demo compares"
    doctor = select_kinds("production", "CronJob")["doctor"]["spec"]
    assert doctor["suspend"] is True, "it runs when an operator wants it, and then ends"
    assert list_keys("production", "doctor") == set()


@pytest.mark.parametrize(("overlay", "name"), list(product(OVERLAYS, SERVICES)))
def test_a_service_starts_with_what_it_is_given(overlay: str, name: str, tmp_path: Path) -> None:
    deployment.write_secret_folders(tmp_path, with_sandbox=True)
    secrets = {file.name: file.read_text() for file in (tmp_path / name).iterdir()}
    if overlay == "production":
        secrets |= {"KAFKA_USERNAME": name, "KAFKA_PASSWORD": "invented"}
    given = {key.lower(): value for key, value in {**secrets, **get_plain_settings(overlay, name)}.items()}
    authority = given.pop("kafka_ca_file", given["settings_dir"])  # read at the start, from the Secret's own folder
    assert authority.startswith(given["settings_dir"])

    for cls in SETTINGS_CLASSES[name]:
        settings = cls(_env_file=None, **{key: given[key] for key in given if key in cls.model_fields})
        assert settings.model_fields_set >= {key for key, one in cls.model_fields.items() if one.is_required()}


@pytest.mark.parametrize(("overlay", "name"), list(product(OVERLAYS, SERVICES)))
def test_health_decides_on_restarts_and_ready_on_traffic(overlay: str, name: str) -> None:
    only = get_container(overlay, name)

    paths = {probe: only[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    # A Service leads to the gateway: not all that it does needs all that its readiness is about.
    ready = "/health" if name == "gateway" else "/ready"
    assert paths == {"startupProbe": "/health", "livenessProbe": "/health", "readinessProbe": ready}
    assert {only[probe]["httpGet"]["port"] for probe in paths} == {"http"}
    assert 8080 in {port["containerPort"] for port in only["ports"]} or name == "gateway"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_data_api_is_scaled_by_its_processors_and_by_no_topic(overlay: str) -> None:
    assert not any("data-api" in topic.consumers for topic in list_topics(PLATFORMS, DESTINATIONS))
    assert "data-api" not in select_kinds(overlay, "ScaledObject")
    (scaler,) = select_kinds(overlay, "HorizontalPodAutoscaler").values()

    assert scaler["spec"]["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "data-api"}
    assert [metric["resource"]["name"] for metric in scaler["spec"]["metrics"]] == ["cpu"]
    assert scaler["spec"]["minReplicas"] == {"production": 2, "sandbox": 1}[overlay]
    deployment = select_kinds(overlay, "Deployment")["data-api"]["spec"]
    assert "replicas" not in deployment
    assert deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_the_data_api_has_room_on_its_disk_for_more_than_it_keeps() -> None:
    volumes = list_pods("production")["data-api"]["spec"]["volumes"]
    (room,) = [volume["emptyDir"]["sizeLimit"] for volume in volumes if "emptyDir" in volume]
    assert room.endswith("Gi")
    assert int(room.removesuffix("Gi")) * 1024**3 >= 2 * DataApiSettings.model_fields["snapshot_cache_bytes"].default


@pytest.mark.parametrize("name", SERVICES)
def test_a_pod_has_time_to_finish_what_it_has_begun(name: str) -> None:
    consumed = sum(name in topic.consumers for topic in list_topics(PLATFORMS, DESTINATIONS) if topic.events)
    each = inspect.signature(KeyedConsumer.stop).parameters["grace"].default
    consumers = min(consumed, 5)  # scheduler and writer consume by pattern
    longest = max(each * consumers, INCREMENTAL_SECONDS, ANSWER_SECONDS)
    slept = get_container("production", name).get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)

    assert list_pods("production")[name]["spec"]["terminationGracePeriodSeconds"] > HTTP_SECONDS + longest + slept
    assert (slept > 0) == (name in PUBLIC)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_two_gateways_schedulers_and_linkers_never_fewer_while_they_are_replaced(overlay: str) -> None:
    for name in ("gateway", "scheduler", "linker"):
        spec = select_kinds(overlay, "Deployment")[name]["spec"]
        assert spec["replicas"] == 2
        assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_each_consumer_is_scaled_on_the_lag_of_its_own_topics(overlay: str) -> None:
    topics = {topic.name: topic.consumers for topic in list_topics(PLATFORMS, DESTINATIONS)}
    scaled = select_kinds(overlay, "ScaledObject")
    least = {name: one["spec"]["minReplicaCount"] for name, one in scaled.items()}
    brokers = get_plain_settings(overlay, "gateway")["KAFKA_BOOTSTRAP_SERVERS"]

    assert least == {**dict.fromkeys(PLATFORM_SERVICES, 0), "spaces-writer": 1}
    for name, one in scaled.items():
        assert one["spec"]["scaleTargetRef"] == {"name": name}
        assert "replicas" not in select_kinds(overlay, "Deployment")[name]["spec"]
        assert one["spec"]["maxReplicaCount"] == PARTITIONS
        triggers = [trigger["metadata"] for trigger in one["spec"]["triggers"]]
        if name == "spaces-writer":  # its groups subscribe to the topics of all platforms by a pattern
            groups = {f"{name}.data.fetched", f"{name}.data.fetched.full"}
            assert not any("topic" in metadata for metadata in triggers)
        else:
            groups = {f"{name}.{topic}" for topic, to in topics.items() if name in to and topic != "connection.changed"}
            assert all(metadata["consumerGroup"] == f"{name}.{metadata['topic']}" for metadata in triggers)
        assert {metadata["consumerGroup"] for metadata in triggers} == groups
        for metadata in triggers:
            assert metadata["bootstrapServers"] == brokers
            assert metadata["offsetResetPolicy"] == "earliest"


def test_keda_logs_in_to_kafka_as_the_services_do() -> None:
    login = {"sasl", "username", "password"}
    for overlay, parameters in (("production", {*login, "tls", "ca"}), ("sandbox", login)):
        (authentication,) = select_kinds(overlay, "TriggerAuthentication").values()
        assert {one["parameter"] for one in authentication["spec"]["secretTargetRef"]} == parameters
    assert select_kinds("sandbox", "Secret")["keda"]["data"].keys() == login
    for one in [one for overlay in OVERLAYS for one in select_kinds(overlay, "ScaledObject").values()]:
        triggers = one["spec"]["triggers"]
        assert [trigger["authenticationRef"] for trigger in triggers] == [{"name": "kafka"}] * len(triggers)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_ingress_of_the_data_api_leads_to_its_routes_alone(overlay: str) -> None:
    (rule,) = select_kinds(overlay, "Ingress")["data-api"]["spec"]["rules"]
    paths = rule["http"]["paths"]
    routes = list_data_api_routes()

    assert all(any(is_led(path, route) for route in routes) for path in paths)
    left_out = {route for route in routes if not any(is_led(path, route) for path in paths)}
    # On a host that both share, `/docs` is the gateway's.
    assert left_out == {"/health", "/ready", "/docs"}
    backends = [path["backend"]["service"] for path in paths]
    assert backends == [{"name": "data-api", "port": {"name": "http"}}] * len(paths)
    gateway = select_kinds(overlay, "Ingress")["gateway"]["spec"]["rules"][0]["http"]["paths"]
    assert not {path["path"] for path in paths} & {path["path"] for path in gateway}


def is_led(path: Object, route: str) -> bool:
    """Whether a path of an Ingress leads to a route."""
    under = path["pathType"] == "Prefix" and route.startswith(path["path"] + "/")
    return route == path["path"] or under


class AnyPart:
    """Stands in for each part of the data API whose operations are only listed."""

    def __getattr__(self, name: str) -> "AnyPart":
        return self

    def __call__(self, *_: object, **__: object) -> "AnyPart":
        return self


def list_data_api_routes() -> list[str]:
    """The paths of all operations of the data API."""
    required = [one.name for one in dataclasses.fields(DataApiParts) if one.default is dataclasses.MISSING]
    parts = {name: AnyPart() for name in required} | {"checks": {}}
    return [operation.path for operation in list_operations(DataApiParts(**parts))]  # type: ignore[arg-type]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_ingress_leads_to_public_routes_and_to_all_of_them(overlay: str) -> None:
    routes = list(json.loads((ROOT / "docs/api/openapi.json").read_text())["paths"])
    rules = select_kinds(overlay, "Ingress")["gateway"]["spec"]["rules"]
    paths = [path for rule in rules for path in rule["http"]["paths"]]

    assert {path["backend"]["service"]["name"] for path in paths} == {"gateway"}
    assert {path["backend"]["service"]["port"]["name"] for path in paths} == {"http"}
    assert all(any(is_led(path, route) for route in routes) for path in paths)
    left_out = {route for route in routes if not any(is_led(path, route) for path in paths)}
    assert left_out == {"/health", "/ready"}
    for hidden in ("/internal/connections", "/metrics", "/internal"):
        assert not any(is_led(path, hidden) for path in paths)


# -- which parts reach each other

ELSEWHERE = {
    "ingress": {"merchant-sync/ingress": "true"},
    "prometheus": {"merchant-sync/monitoring": "true"},
    "keda": {"kubernetes.io/metadata.name": "keda"},
    "stranger": {"kubernetes.io/metadata.name": "default"},
}
"""Pods of other namespaces, by the labels of those."""
WORLD = "world"
"""An address outside the cluster: what an ipBlock is about. Which of the cluster's own it covers differs by plugin."""


def is_selected(selector: Object, labels: dict[str, str]) -> bool:
    named = selector.get("matchExpressions", [])
    assert all(one["operator"] == "In" for one in named)
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        labels.get(one["key"]) in one["values"] for one in named
    )


def is_peer(peer: Object, other: str) -> bool:
    if "ipBlock" in peer:
        assert peer["ipBlock"] == {"cidr": "0.0.0.0/0"}
        return other == WORLD
    if "namespaceSelector" in peer:
        assert "podSelector" not in peer
        return other in ELSEWHERE and is_selected(peer["namespaceSelector"], ELSEWHERE[other])
    return other not in (*ELSEWHERE, WORLD) and is_selected(peer["podSelector"], {NAME: other})


def is_allowed(overlay: str, pod: str, direction: str, other: str, port: int) -> bool:
    """Whether the policies on `pod` let it take from (Ingress) or go to (Egress) `other` at `port`."""
    policies = [one["spec"] for one in build(overlay) if one["kind"] == "NetworkPolicy"]
    own = [one for one in policies if direction in one["policyTypes"] and is_selected(one["podSelector"], {NAME: pod})]
    assert own, f"no policy selects {pod}"
    word = "from" if direction == "Ingress" else "to"
    rules = [rule for one in own for rule in one.get(direction.lower(), [])]
    return any(
        port in [one["port"] for one in rule["ports"]] and any(is_peer(peer, other) for peer in rule[word])
        for rule in rules
    )


def can_reach(overlay: str, source: str, target: str, port: int) -> bool:
    inside = list_pods(overlay)
    leaves = source not in inside or is_allowed(overlay, source, "Egress", target, port)
    return leaves and (target not in inside or is_allowed(overlay, target, "Ingress", source, port))


WITHIN = {
    ("ingress", "gateway", 5000),
    *((caller, "data-api", 5010) for caller in ("ingress", "operator", "doctor")),
    *(
        (caller, "gateway", 5001)
        for caller in ("scheduler", "data-api", "linker", *PLATFORM_SERVICES, "operator", "doctor")
    ),
    *((caller, "gateway", 5000) for caller in ("operator", "doctor")),
    *((caller, "scheduler", 8080) for caller in ("gateway", "operator", "doctor")),
    *((caller, "linker", 8080) for caller in ("gateway", "operator", "doctor")),
    ("prometheus", "gateway", 5001),
    *(("prometheus", name, 8080) for name in SERVICES if name != "gateway"),
}
BROUGHT = {
    *((name, "kafka", 9092) for name in (*OURS, "keda")),
    *((name, "postgres", 5432) for name in (*environment.OWNERS, "doctor")),
    *((name, "spaces", 9000) for name in ("spaces-writer", "data-api", "operator", "doctor")),
    *((name, "sandbox", 8090) for name in ("gateway", *PLATFORM_SERVICES, "operator", "doctor")),
    *((name, "gateway", 5000) for name in ("sandbox", "gateway")),
}
PORTS = (5000, 5001, 5010, 5432, 8080, 8090, 9000, 9092)


@pytest.mark.parametrize(("overlay", "allowed"), [("production", WITHIN), ("sandbox", WITHIN | BROUGHT)])
def test_only_parts_that_have_to_reach_each_other_do(overlay: str, allowed: set[tuple[str, str, int]]) -> None:
    inside = list_pods(overlay)
    pairs = product((*inside, *ELSEWHERE, WORLD), inside, PORTS)

    assert {pair for pair in pairs if can_reach(overlay, *pair)} == allowed


@pytest.mark.parametrize(("overlay", "allowed"), [("production", WITHIN), ("sandbox", WITHIN | BROUGHT)])
def test_either_side_alone_holds_the_rules(overlay: str, allowed: set[tuple[str, str, int]]) -> None:
    inside = list_pods(overlay)
    pairs = set(product(inside, inside, PORTS))

    assert {pair for pair in pairs if is_allowed(overlay, pair[0], "Egress", *pair[1:])} == allowed & pairs
    assert {(a, b, port) for a, b, port in pairs if is_allowed(overlay, b, "Ingress", a, port)} == allowed & pairs


@pytest.mark.parametrize(
    ("name", "ports"),
    [
        ("gateway", {443, 5432, 9093}),
        ("scheduler", {5432, 9093}),
        ("linker", {5432, 9093}),
        ("spaces-writer", {443, 5432, 9093}),
        ("data-api", {443, 5432, 9093}),
        *((name, {443, 9093}) for name in PLATFORM_SERVICES),
        ("operator", {9093}),
        ("doctor", {443, 5432, 9093}),
    ],
)
def test_only_parts_with_a_role_reach_a_database_and_none_an_open_port(name: str, ports: set[int]) -> None:
    ports_tried = (22, 80, 443, 5432, 6443, 8080, 9093)

    assert {port for port in ports_tried if is_allowed("production", name, "Egress", WORLD, port)} == ports
