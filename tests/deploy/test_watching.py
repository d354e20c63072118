"""Alert rules and dashboard: they name metrics that the services export, and the rules pass their tests."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from connector.metrics import InstrumentedSource
from contracts.events import Upload
from data_api.metrics import DataApiMetrics
from destination.metrics import WriteMetrics
from gateway.metrics import create_metrics
from linker.metrics import LinkCounts, LinkerMetrics
from messaging.metrics import ConsumerMetrics
from platforms.shopify.webhooks import ShopifyWebhooks
from scheduler.metrics import SchedulerMetrics
from scheduler.store.merchant_documents import OverdueDocuments
from scheduler.store.overview import ConnectionCount, LedgerCounts, OpenSyncs
from scheduler.store.uploads import WaitingUploads
from spaces_writer.metrics import WriterMetrics

DEPLOY = Path(__file__).parents[2] / "deploy"
OPERATING = DEPLOY.parent / "docs" / "operating.md"
RULES = [rule for group in yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
PANELS = [panel for panel in json.loads((DEPLOY / "dashboard.json").read_text())["panels"] if panel["type"] != "row"]
EXPRESSIONS = [rule["expr"] for rule in RULES] + [target["expr"] for panel in PANELS for target in panel["targets"]]
NAME = r"merchant_sync_\w+"

Series = dict[str, set[str]]
"""The values of a sample's labels, by label."""


async def create_registries() -> Iterator[CollectorRegistry]:
    """A registry of each service, with every series in it."""
    fetcher, scheduler, writer = CollectorRegistry(), CollectorRegistry(), CollectorRegistry()
    await InstrumentedSource(
        SimpleNamespace(measure_remaining_rate_limits=lambda: {"shop": 1.0}), "shopify", fetcher
    ).refresh_rate_limit_gauge()  # type: ignore[arg-type]
    counts = LedgerCounts(
        (OpenSyncs("shopify", "full", "queued", 1, 1.0),),
        (ConnectionCount("shopify", "blocked", 1),),
        (WaitingUploads("shopify", 1, 1, 0.0),),
        (OverdueDocuments("shopify", 0.0),),
    )
    SchedulerMetrics(scheduler, ["shopify"]).set_gauges(counts)
    WriterMetrics(writer).count_upload("shopify:acme", Upload(key="k", outcome="unchanged", sequence=1))
    destination = CollectorRegistry()
    WriteMetrics(destination, "shopify")
    for registry in (fetcher, scheduler, writer, destination):
        consumer = SimpleNamespace(group="shopify-writer.write.requested.shopify", dead_letter_count=0, lag=0)
        registry.register(ConsumerMetrics([consumer]))  # type: ignore[list-item]
    data_api = CollectorRegistry()

    async def check() -> None:
        return None

    readers = DataApiMetrics(data_api, {"postgres": check, "kafka": check})
    await readers.refresh()
    for status in (200, 503):
        readers.count_request("fetchData", status, 0.01)
    for outcome in ("delivered", "failed"):
        readers.count_webhook(outcome)
    linker = CollectorRegistry()
    LinkerMetrics(linker).set_gauges(LinkCounts())
    gateway = create_metrics({"shopify": ShopifyWebhooks.metric_topics}, 1)[0].registry
    return iter((gateway, fetcher, scheduler, writer, destination, data_api, linker))


@pytest.fixture
async def exported() -> dict[str, Series]:
    """Every sample that the services export, by name."""
    found: dict[str, Series] = {}
    for registry in await create_registries():
        for sample in (sample for family in registry.collect() for sample in family.samples):
            labels = found.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    return found


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_names_only_exported_metrics(expression: str, exported: dict[str, Series]) -> None:
    names = set(re.findall(NAME, expression))
    assert names and names <= set(exported), "metrics"
    for name, selector in re.findall(rf"({NAME}){{([^}}]*)}}", expression):
        for label, operator, value in re.findall(r'(\w+)\s*(=~?)\s*"([^"]*)"', selector):
            meant = {value} if operator == "=" else set(value.split("|"))
            found = exported[name].get(label, set())
            matched = {one for one in meant if any(re.fullmatch(one, exists) for exists in found)}
            assert matched == meant, f"{name}: {label}{operator}{value}"
    for grouped in re.findall(r"by \(([^)]*)\)", expression):
        assert {label.strip() for label in grouped.split(",")} <= set.union(*(set(exported[name]) for name in names))


def test_no_label_names_a_merchant_or_an_account(exported: dict[str, Series]) -> None:
    bounded = {"platform", "topic", "outcome", "state", "mode", "budget", "group", "le", "part", "operation", "status"}
    assert {label for series in exported.values() for label in series} == bounded


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_names_an_action_and_is_in_the_manual(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"]["summary"] and rule["annotations"]["action"]
    assert f"| {rule['alert']} |" in OPERATING.read_text()


def test_every_metric_is_in_the_manual(exported: dict[str, Series]) -> None:
    suffix = re.compile(r"_(bucket|sum|count|created)$")
    histograms = {"merchant_sync_webhook_to_snapshot_seconds", "merchant_sync_data_api_request_seconds"}
    measured = {name for name in exported if not suffix.search(name)} | histograms
    manual = OPERATING.read_text()
    assert [name for name in sorted(measured) if f"`{name}`" not in manual] == []


def test_every_alert_fires_in_a_test() -> None:
    tests = yaml.safe_load((DEPLOY / "alerts.test.yml").read_text())["tests"]
    fired = {case["alertname"] for test in tests for case in test["alert_rule_test"] if case["exp_alerts"]}
    assert fired == {rule["alert"] for rule in RULES}


def run_promtool(*arguments: str) -> str:
    found = shutil.which("promtool")
    assert found, "install Debian's prometheus"
    done = subprocess.run([found, *arguments], cwd=DEPLOY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_rules_are_well_formed() -> None:
    assert f"{len(RULES)} rules found" in run_promtool("check", "rules", "alerts.yml")


def test_the_rules_pass_their_tests() -> None:
    run_promtool("test", "rules", "alerts.test.yml")


def test_the_dashboards_expressions_are_well_formed(tmp_path: Path) -> None:
    expressions = [target["expr"].replace("$__rate_interval", "5m") for panel in PANELS for target in panel["targets"]]
    rules = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(expressions)]
    written = tmp_path / "panels.yml"
    written.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    run_promtool("check", "rules", str(written))
