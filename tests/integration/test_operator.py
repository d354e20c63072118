"""The operator's commands on the running stack: their output when everything works, and when something does not."""

import asyncio
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from typer.testing import CliRunner, Result

from contracts.events import SyncRequested
from contracts.headers import build_headers
from contracts.topics import PARTITIONS, Topic, get_sync_topic
from merchant_sync import access, environment
from merchant_sync.access import Access
from merchant_sync.app import app
from merchant_sync.operating import brokers, internal_api, syncing
from merchant_sync.operating.checks.kafka import load_configs
from messaging.dead_letters import DeadLetterPublisher
from messaging.provisioning import build_config
from world import OPEN_STATES, World, wait_until

pytestmark = pytest.mark.integration
SPARE = "sync.progressed.shopify.dlq"
"""A topic without messages in these tests, which may therefore be broken."""


@pytest.fixture(scope="module", autouse=True)
def disable_wrapping() -> Iterator[None]:
    """Print without line breaks."""
    columns = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "500"
    yield
    os.environ.pop("COLUMNS") if columns is None else os.environ.update(COLUMNS=columns)


class Operator:
    """Runs the command line, with the running stack's folder or with settings only."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.access: Access = access.resolve_access(world.stack.data_dir, world.stack.given)

    @property
    def settings(self) -> dict[str, str]:
        """The settings with which an operator reaches this installation from another machine."""
        return {name: value for name, value in self.access.settings.items() if name in environment.SETTINGS}

    def run(self, *words: str, code: int = 0) -> Result:
        """Run a command on the stack's folder; fail when its exit code is not `code`."""
        result = CliRunner().invoke(app, [*words, "--data", str(self.world.stack.data_dir)])
        assert result.exit_code == code, f"{result.output}\n{result.stderr}\n{result.exception!r}"
        return result

    def run_json(self, *words: str, code: int = 0) -> Any:
        """Run a command with `--json`; return the document that it prints."""
        return orjson.loads(self.run(*words, "--json", code=code).stdout)

    def run_with_settings(self, *words: str, code: int = 0, **settings: str) -> Result:
        """Run a command with settings only, as in a container; `settings` replace those of this installation."""
        env = {**self.settings, **settings}
        result = CliRunner().invoke(app, [*words, "--data", "/nonexistent"], env=env)
        assert result.exit_code == code, f"{result.output}\n{result.stderr}\n{result.exception!r}"
        return result

    def find_problems(self, *, code: int, sample: int = 0, **settings: str) -> dict[str, dict[str, str]]:
        """Run the doctor; return its findings that are not good, by what was checked."""
        result = self.run_with_settings("doctor", "--sample", str(sample), "--json", code=code, **settings)
        return {f["subject"]: f for f in orjson.loads(result.stdout)["findings"] if f["result"] != "good"}


@pytest.fixture
def operator(world: World) -> Operator:
    return Operator(world)


def administer_kafka(operator: Operator, do: Any) -> Any:
    """Call `do` with an admin client of Kafka; return its result."""

    async def run() -> Any:
        async with brokers.create_admin(operator.access) as admin:
            return await do(admin)

    return asyncio.run(run())


def test_the_doctor_finds_no_problem_on_a_running_stack(world: World, operator: Operator) -> None:
    world.connect_and_sync(world.make_shop(products=5))
    output = operator.run_json("doctor")
    assert output["bad"] == 0, output
    checked = {row["subject"] for row in output["findings"]}
    assert {"Kafka", "topics", "bucket merchant-sync", "Postgres of gateway", "Postgres of spaces_writer"} <= checked
    assert {"data-api", "data-api, internal", "Postgres of data_api", "role of data_api"} <= checked
    assert {"clock beside Shopify", "webhooks from outside", "internal routes from outside", "scheduler"} <= checked
    assert any(what.startswith("shopify:") for what in checked)
    assert "✓ the operator's key" in operator.run("doctor", "--sample", "0").stdout


def test_the_doctor_works_with_settings_only(operator: Operator) -> None:
    assert operator.find_problems(code=0, sample=5) == {}


def test_without_an_installation_the_error_names_the_settings(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["status", "--data", str(tmp_path)])
    assert result.exit_code == 2
    assert "GATEWAY_INTERNAL_URL" in result.stderr and "make up" in result.stderr


async def _recreate_topic(admin: AIOKafkaAdminClient, partitions: int) -> None:
    """Delete the spare topic and create it with so many partitions; with 0 it stays deleted."""
    await admin.delete_topics([SPARE])
    while SPARE in await admin.list_topics():
        await asyncio.sleep(0.1)
    if partitions:
        await _create_topic(admin, partitions)


@pytest.mark.parametrize(("partitions", "message"), [(0, "is not there"), (3, "has 3 partitions, 12 are right")])
def test_the_doctor_names_a_topic_that_is_missing_or_has_wrong_partitions(
    operator: Operator, partitions: int, message: str
) -> None:
    administer_kafka(operator, lambda admin: _recreate_topic(admin, partitions))
    try:
        problems = operator.find_problems(code=1)
        assert problems.keys() == {f"topic {SPARE}"}
        assert problems[f"topic {SPARE}"]["details"] == message
    finally:
        administer_kafka(
            operator, lambda admin: _recreate_topic(admin, PARTITIONS) if partitions else _create_topic(admin)
        )


async def _create_topic(admin: AIOKafkaAdminClient, partitions: int = PARTITIONS) -> None:
    """Create the spare topic, and wait until the broker shows it: a moment after the controller has confirmed it."""
    await admin.create_topics([NewTopic(SPARE, partitions, 1, topic_configs=build_config(Topic(SPARE)))])
    while SPARE not in await admin.list_topics():
        await asyncio.sleep(0.1)


async def _set_topic_config(admin: AIOKafkaAdminClient, settings: Mapping[str, str]) -> None:
    """Change the spare topic's configuration, and wait until the broker shows the change."""
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, SPARE, configs=dict(settings))])
    while not settings.items() <= (await load_configs(admin, [SPARE]))[SPARE].items():
        await asyncio.sleep(0.1)


def test_the_doctor_names_a_retention_that_was_changed(operator: Operator) -> None:
    config = build_config(Topic(SPARE))
    administer_kafka(operator, lambda admin: _set_topic_config(admin, {**config, "retention.ms": "1000"}))
    try:
        problem = operator.find_problems(code=1)[f"topic {SPARE}"]
        assert problem["details"] == "retention.ms is 1000"
        assert f"--add-config retention.ms={config['retention.ms']}" in problem["action"]
    finally:
        administer_kafka(operator, lambda admin: _set_topic_config(admin, config))


def test_the_doctor_names_a_schema_that_is_behind(world: World, operator: Operator) -> None:
    world.execute_sql("UPDATE scheduler.schema_versions SET name = 'x' || name WHERE name = '0001_ledger.sql'")
    try:
        problems = operator.find_problems(code=1)
    finally:
        world.execute_sql(
            "UPDATE scheduler.schema_versions SET name = '0001_ledger.sql' WHERE name = 'x0001_ledger.sql'"
        )
    assert "lacks 0001_ledger.sql" in problems["Postgres of scheduler"]["details"]


def test_the_doctor_names_a_role_that_may_read_another_services_schema(world: World, operator: Operator) -> None:
    world.execute_sql("GRANT USAGE ON SCHEMA gateway TO scheduler")
    try:
        problems = operator.find_problems(code=1)
    finally:
        world.execute_sql("REVOKE USAGE ON SCHEMA gateway FROM scheduler")
    assert problems["role of scheduler"]["details"] == "may read gateway as well"


def test_the_doctor_names_the_views_that_the_data_api_cannot_read(world: World, operator: Operator) -> None:
    world.execute_sql("REVOKE SELECT ON spaces_writer_published.changes FROM data_api")
    try:
        problem = operator.find_problems(code=1)["role of data_api"]
    finally:
        world.execute_sql("GRANT SELECT ON spaces_writer_published.changes TO data_api")
    assert problem["details"] == "cannot read changes in spaces_writer_published"
    assert "deploy/postgres/roles.sh" in problem["action"]


def test_the_doctor_names_another_role_that_may_read_the_published_views(world: World, operator: Operator) -> None:
    world.execute_sql("GRANT USAGE ON SCHEMA spaces_writer_published TO scheduler")
    try:
        problems = operator.find_problems(code=1)
    finally:
        world.execute_sql("REVOKE USAGE ON SCHEMA spaces_writer_published FROM scheduler")
    assert problems["role of scheduler"]["details"] == "may read spaces_writer_published as well"


def test_the_doctor_names_a_data_api_that_is_down(world: World, operator: Operator) -> None:
    world.stack.stop_part("data-api")
    try:
        problems = operator.find_problems(code=1)
    finally:
        world.stack.start_part("data-api")
    assert problems.keys() == {"data-api"}
    assert problems["data-api"]["action"] == "start it, or correct its address"


WRONG_SETTINGS: dict[str, tuple[dict[str, str], str]] = {
    "bucket merchant-sync": ({"SPACES_SECRET_KEY": "wrong"}, "SPACES_ACCESS_KEY and SPACES_SECRET_KEY"),
    "bucket other": ({"SPACES_BUCKET": "other"}, "make the bucket"),
    "Postgres of gateway": ({"GATEWAY_DATABASE_URL": "postgresql://a:b@{postgres}/x"}, "GATEWAY_DATABASE_URL"),
    "Postgres of scheduler": ({"SCHEDULER_DATABASE_URL": "postgresql://a:b@127.0.0.1:9/x"}, "SCHEDULER_DATABASE_URL"),
    "Postgres of data_api": ({"DATA_API_DATABASE_URL": "postgresql://a:b@127.0.0.1:9/x"}, "DATA_API_DATABASE_URL"),
    "settings of data-api": ({"DATA_API_KEYS": "bot:short"}, "correct them"),
    "Kafka": ({"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9"}, "KAFKA_BOOTSTRAP_SERVERS"),
    "the operator's keys": ({"GATEWAY_KEY": "somebody else's key"}, "operator:hash in INTERNAL_KEY_HASHES"),
    "settings of gateway": ({"SHOPIFY_API_VERSION": "latest"}, "correct them"),
}


@pytest.mark.parametrize("what", WRONG_SETTINGS)
def test_the_doctor_says_what_to_do_about_a_wrong_setting(operator: Operator, what: str) -> None:
    settings, advice = WRONG_SETTINGS[what]
    postgres = operator.access.get_database_url("gateway").partition("@")[2].partition("/")[0]
    problems = operator.find_problems(
        code=1, **{name: value.format(postgres=postgres) for name, value in settings.items()}
    )
    assert advice in problems[what]["action"], problems


def test_the_doctor_recognises_when_another_server_answers_instead_of_the_gateway(
    world: World, operator: Operator
) -> None:
    problems = operator.find_problems(code=1, SHOPIFY_WEBHOOK_ADDRESS=f"{world.visit.sandbox_url}/shopify/webhook")
    assert "to a delivery without signature, our gateway 401" in problems["webhooks from outside"]["details"]
    inside = operator.access.get_setting("GATEWAY_INTERNAL_URL")
    problems = operator.find_problems(code=1, SHOPIFY_WEBHOOK_ADDRESS=f"{inside}/shopify/webhook")
    assert "GATEWAY_INTERNAL_PORT" in problems["internal routes from outside"]["action"]


def test_the_doctor_names_a_gateway_that_is_down(world: World, operator: Operator) -> None:
    world.stack.kill("gateway")
    output = operator.run_json("doctor", code=1)
    bad = {row["subject"] for row in output["findings"] if row["result"] == "bad"}
    assert {"gateway", "gateway, internal", "webhooks from outside"} <= bad
    assert "Kafka" not in bad and "bucket merchant-sync" not in bad


def test_the_doctor_names_a_missing_subscription(world: World, operator: Operator) -> None:
    shop = world.make_shop(products=3)
    world.connect_and_sync(shop)
    subscription = world.control_sandbox("GET", f"/{shop}/subscriptions")["subscriptions"][0]
    world.control_sandbox("DELETE", f"/{shop}/subscriptions/{subscription['number']}")
    output = operator.run_json("doctor", "--sample", "500", code=1)
    finding = next(f for f in output["findings"] if f["subject"] == f"shopify:{shop}")
    assert finding["result"] == "bad" and subscription["topic"].upper().replace("/", "_") in finding["details"]
    operator.run("sync", f"shopify:{shop}", "--wait")
    output = operator.run_json("doctor", "--sample", "500")
    assert output["bad"] == 0


def test_a_blocked_connection_is_named_by_every_command(world: World, operator: Operator) -> None:
    shop = world.make_shop(products=1)
    world.connect_and_sync(shop)
    name, where = f"shopify:{shop}", f"WHERE connection = 'shopify:{shop}'"
    world.execute_sql(f"UPDATE scheduler.connections SET blocked = 'frozen', blocked_since = now() {where}")
    try:
        in_words = "blocked: the account is frozen at its platform; being asked again now"
        assert in_words in operator.run("status", "--connection", name).stdout
        (line,) = [line for line in operator.run("connections", "list").stdout.splitlines() if name in line]
        assert line.endswith(in_words)
        assert [(row["connection"], row["reason"]) for row in operator.run_json("status")["blocked"]] == [
            (name, "frozen")
        ]
        warning = operator.find_problems(code=0, sample=500)[name]["details"]
        assert "the account is frozen at its platform" in warning
    finally:
        world.execute_sql(f"UPDATE scheduler.connections SET blocked = NULL, blocked_since = NULL {where}")


def test_all_connections_are_listed_page_by_page(
    world: World, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    shops = sorted(f"shopify:{world.make_shop(products=1)}" for _ in range(3))
    for name in shops:
        world.connect_and_sync(name.partition(":")[2])
    monkeypatch.setattr(internal_api, "PAGE_SIZE", 2)
    names = operator.run("connections", "list", "--platform", "shopify", "--names").stdout.split()
    assert names == sorted(set(names))
    assert set(shops) <= set(names)
    listed = {row["connection"]: row for row in operator.run_json("connections", "list", "--state", "connected")}
    assert {listed[name]["state"] for name in shops} == {"connected"}
    line = next(line for line in operator.run("connections", "list").stdout.splitlines() if shops[0] in line)
    assert "connected" in line and "epoch 1" in line and "next poll " in line
    assert not operator.run("connections", "list", "--state", "redacted", "--platform", "nowhere").stdout
    (entry,) = operator.run_json("audit", "--connection", shops[0])
    assert (entry["action"], entry["actor"]) == ("connect", "merchant")
    line = operator.run("audit", "--connection", entry["connection"]).stdout
    assert f"UTC  {entry['connection']}  connect  by merchant  from 127.0.0.1" in line


def test_the_operator_makes_rotates_and_revokes_keys(world: World, operator: Operator) -> None:
    name = f"shopify:{(shop := world.make_shop(products=1))}"
    world.connect(shop)
    words = ("--name", "sales bot", "--scope", "read", "--scope", "refresh", "--days", "90")
    made = operator.run("keys", "make", "--connection", name, *words)
    key = made.stdout.strip()
    assert key.startswith("msk_") and "shown this once" in made.stderr
    (listed,) = operator.run_json("keys", "list", "--connection", name)
    assert (listed["name"], listed["prefix"], listed["scopes"]) == ("sales bot", key[:8], ["read", "refresh"])
    table = operator.run("keys", "list", "--connection", name).stdout
    assert listed["id"] in table and "read,refresh" in table and key not in table
    rotated = operator.run_json("keys", "rotate", "--connection", name, listed["id"], "--keep-hours", "0")
    assert rotated["key"] != key
    assert [one["id"] for one in operator.run_json("keys", "list", "--connection", name)] == [rotated["id"]]
    assert "1 revoked" in operator.run("keys", "revoke", "--connection", name, rotated["id"]).stdout
    assert "no such key" in operator.run("keys", "revoke", "--connection", name, rotated["id"], code=1).stderr
    operator.run("keys", "make", "--connection", name, *words)
    assert operator.run_json("keys", "revoke", "--connection", name, "--all") == {"revoked": 1}
    for wrong in (["keys", "revoke", "--connection", name], ["keys", "revoke", "--connection", name, "x", "--all"]):
        assert "--all" in operator.run(*wrong, code=2).stderr
    refused = operator.run("keys", "make", "--connection", name, "--name", "n", "--scope", "write", code=1)
    assert "no scope write" in refused.stderr
    assert "no such connection" in operator.run("keys", "list", "--connection", "shopify:nowhere", code=1).stderr
    actions = [(entry["action"], entry["actor"]) for entry in operator.run_json("audit", "--connection", name)]
    assert [action for action, _ in actions[1:]] == [
        *("make_key", "rotate_key", "revoke_key", "make_key", "revoke_all_keys"),
    ]
    assert {actor for _, actor in actions[1:]} == {"operator"}


def test_the_status_counts_connections_and_lag(world: World, operator: Operator) -> None:
    shop = world.make_shop(products=5)
    world.connect_and_sync(shop)
    output = operator.run_json("status")
    connected = [row for row in output["connections"] if (row["platform"], row["state"]) == ("shopify", "connected")]
    assert connected[0]["connections"] >= 1
    assert {"group": "shopify-fetcher.sync.requested.shopify.full", "topic": "sync.requested.shopify.full"} in [
        {"group": row["group"], "topic": row["topic"]} for row in output["lag"]
    ], output["lag"]
    (age,) = [row for row in output["last_success_age_seconds"] if row["platform"] == "shopify"]
    assert age["p95"] is not None
    assert operator.run_json("status", "--connection", f"shopify:{shop}")["last_sync"]["state"] == "success"
    assert "No connection shopify:nowhere" in operator.run("status", "--connection", "shopify:nowhere", code=1).stderr
    assert "Consumer" not in operator.run("status").stderr


def test_the_status_shows_the_lag_of_a_dead_service(world: World, operator: Operator) -> None:
    shop = world.make_shop(products=20)
    world.connect_and_sync(shop)
    world.stack.kill("shopify-fetcher")
    world.edit_product(shop, world.list_products(shop)[0]["number"], title="Edited while the fetcher was down")
    topic = get_sync_topic("shopify")

    def fetch_if_behind() -> dict[str, Any] | None:
        output: dict[str, Any] = operator.run_json("status")
        lag = [row["messages"] for row in output["lag"] if row["topic"] == topic and "fetcher" in row["group"]]
        return output if sum(lag) and output["open_syncs"] and output["oldest_unfinished_seconds"] > 0 else None

    wait_until(fetch_if_behind)
    world.stack.start_part("shopify-fetcher")
    world.wait_until_equal(shop)
    wait_until(lambda: True if not sum(row["messages"] for row in operator.run_json("status")["lag"]) else None)


def test_status_and_doctor_name_the_connections_whose_data_the_bucket_lacks(world: World, operator: Operator) -> None:
    shop = world.make_shop(products=5)
    name = f"shopify:{shop}"
    world.connect_and_sync(shop)
    world.stack.kill("spaces")
    try:
        world.edit_product(shop, world.list_products(shop)[0]["number"], title="Edited while the bucket was down")

        def find_if_refused() -> dict[str, Any] | None:
            behind = [row for row in operator.run_json("status")["behind"] if row["connection"] == name]
            return behind[0] if behind and behind[0]["wait"]["reason"] else None

        assert wait_until(find_if_refused)["syncs"] == 1
        assert name in operator.run("status").stdout
        assert "the upload failed" in operator.run("status", "--connection", name).stdout
        findings = operator.run_json("doctor", "--sample", "0", code=1)["findings"]
        assert [f["result"] for f in findings if f["subject"] == f"object of {name}"] == ["warning"]
    finally:
        world.stack.start_part("spaces")
    world.wait_until_equal(shop, within=90)
    world.wait_until_idle(shop, within=90)
    assert operator.run_json("status")["behind"] == []


def test_a_clean_up_that_the_deletion_guard_stopped_is_allowed_by_the_operator(
    world: World, operator: Operator
) -> None:
    shop = world.make_shop(products=130)
    name = f"shopify:{shop}"
    connected = world.connect_and_sync(shop)
    assert "No deletions" in operator.run("guard", "allow", "--connection", name, code=1).stderr
    world.set_faults(shop, webhooks_off=True)
    for product in world.list_products(shop, limit=100):
        world.control_sandbox("DELETE", f"/{shop}/products/{product['number']}")
    sync = operator.run_json("sync", name, "--wait", code=1)
    assert (sync["state"], sync["guarded_records"]) == ("failed", 100)
    assert connected.load_sync(sync["sync_id"])["guarded_records"] == 100
    again = operator.run_json("sync", name, "--wait", code=1)
    assert again["guarded_records"] == 100, "a sync at once after the first is not believed"
    (guarded,) = [one for one in operator.run_json("guard", "list") if one["connection"] == name]
    assert guarded["sync_id"] == sync["sync_id"]
    assert f"{name}: 100 of" in operator.run("guard", "list").stdout
    allowed = operator.run_json("guard", "allow", "--connection", name, "--reason", "the shop was cleaned up")
    with internal_api.InternalApi(operator.access) as api:
        done = syncing.wait_for_sync(api, allowed["sync_id"], on_change=lambda _: None)
    assert (done["state"], done["guarded_records"]) == ("success", None)
    world.wait_until_equal(shop, within=60)
    assert not [one for one in operator.run_json("guard", "list") if one["connection"] == name]


def test_a_full_sync_can_be_started_and_followed(world: World, operator: Operator) -> None:
    shop = world.make_shop(products=30)
    world.connect_and_sync(shop)
    world.delete_object(shop)
    output = operator.run_json("sync", f"shopify:{shop}", "--wait")
    assert (output["mode"], output["cause"], output["state"]) == ("full", "manual", "success")
    world.wait_until_equal(shop)


def test_a_full_sync_that_has_not_read_everything_can_be_cancelled(world: World, operator: Operator) -> None:
    shop = world.make_shop(products=5)
    name = f"shopify:{shop}"
    world.connect_and_sync(shop)
    before = world.read_object(shop)
    world.set_faults(shop, fail_ratio=1.0, fail_status=503)
    sync_id = operator.run_json("sync", name)["sync_id"]
    wait_until(lambda: world.list_shop_syncs(shop, cause="manual") or None)
    assert operator.run_json("sync", name, "--cancel", sync_id) == {"sync_id": sync_id, "state": "cancelled"}
    world.set_faults(shop)
    (row,) = world.list_shop_syncs(shop, cause="manual")
    assert (row.state, row.reason) == ("cancelled", "it was cancelled on request")
    (first,) = world.list_shop_syncs(shop, cause="connect")
    refused = operator.run("sync", name, "--cancel", str(first.sync_id), code=1)
    assert "it has ended already" in refused.stderr
    assert world.read_object(shop) == before


def test_single_records_can_be_read_again(world: World, operator: Operator) -> None:
    shop = world.make_shop(products=30)
    world.connect_and_sync(shop)
    product = world.list_products(shop)[0]["number"]
    world.set_faults(shop, webhooks_off=True)
    world.edit_product(shop, product, title="Edited without a webhook")
    records = ("--mode", "incremental", "--resource", "products", "--id", str(product))
    output = operator.run_json("sync", f"shopify:{shop}", *records, "--wait")
    assert (output["mode"], output["cause"], output["state"], output["changed"]) == (
        "incremental",
        "manual",
        "success",
        1,
    )
    world.wait_until_equal(shop)


def test_an_impossible_sync_is_refused_with_a_reason(world: World, operator: Operator) -> None:
    shop = world.make_shop(products=3)
    world.connect_and_sync(shop)
    assert "No connection shopify:nowhere" in operator.run("sync", "shopify:nowhere.myshopify.com", code=1).stderr
    records = ("--mode", "incremental", "--resource", "orders", "--id", "1")
    assert "Shopify has no orders 1" in operator.run("sync", f"shopify:{shop}", *records, code=1).stderr
    assert "--resource" in operator.run("sync", f"shopify:{shop}", "--mode", "incremental", code=2).stderr
    world.control_sandbox("POST", f"/{shop}/uninstall")
    wait_until(lambda: world.read_state(f"shopify:{shop}") == "uninstalled" or None)
    assert "is not connected" in operator.run("sync", f"shopify:{shop}", code=1).stderr


# -- dead letters


def list_dead_letters(operator: Operator, connection: str) -> list[dict[str, Any]]:
    """List the dead letters of a connection."""
    letters: list[dict[str, Any]] = operator.run_json("dlq", "list", "--connection", connection)
    return letters


async def _publish_raw(access: Access, topic: str, key: str, body: bytes, headers: list[tuple[str, bytes]]) -> None:
    async with brokers.create_publisher(access) as publisher:
        await publisher.send_raw(topic, key.encode(), body, headers)


def test_a_poisoned_message_is_shown_and_replayed_unchanged(world: World, operator: Operator) -> None:
    connection = f"shopify:poison-{uuid4().hex[:8]}.myshopify.com"
    topic = get_sync_topic("shopify")
    asyncio.run(_publish_raw(operator.access, topic, connection, b'{"not whole', [("ce_id", b"7")]))
    letters = wait_until(lambda: f if len(f := list_dead_letters(operator, connection)) >= 2 else None)
    assert {row["group"] for row in letters} == {"scheduler.requests", f"shopify-fetcher.{topic}"}
    place = (letters[0]["topic"], str(letters[0]["partition"]), str(letters[0]["offset"]))
    shown = orjson.loads(operator.run("dlq", "show", *place).stdout)
    assert shown["headers"]["ce_id"] == "7" and "ValidationError" in shown["error"]
    assert shown["event"] == "[no JSON, 11 bytes: --body shows them]"
    assert orjson.loads(operator.run("dlq", "show", *place, "--body").stdout)["event"] == '{"not whole'
    assert operator.run_json("dlq", "replay", *place, "--dry-run")["dry_run"] is True
    assert len(list_dead_letters(operator, connection)) == len(letters)
    operator.run("dlq", "replay", *place)
    assert wait_until(lambda: len(list_dead_letters(operator, connection)) == len(letters) + 2 or None, 60)
    assert "No dead letter" in operator.run("dlq", "show", place[0], place[1], "999999", code=1).stderr


def test_a_dead_letter_is_discarded_with_a_reason_that_is_kept_and_logged(world: World, operator: Operator) -> None:
    connection = f"shopify:discarded-{uuid4().hex[:8]}.myshopify.com"
    asyncio.run(_publish_raw(operator.access, get_sync_topic("shopify"), connection, b"{no", []))
    letters = wait_until(lambda: f if len(f := list_dead_letters(operator, connection)) >= 2 else None)
    assert operator.find_problems(code=0)["dead letters"]["result"] == "warning"
    places = [(row["topic"], str(row["partition"]), str(row["offset"])) for row in letters]
    assert "--reason" in operator.run("dlq", "discard", *places[0], code=2).stderr
    listed = operator.run("dlq", "list", "--connection", connection).stdout
    assert all(" ".join(place) in listed for place in places)

    for place in places:
        assert operator.run("dlq", "discard", *place, "--reason", "sent by hand").stdout == "1 discarded\n"
    assert list_dead_letters(operator, connection) == []
    shown = orjson.loads(operator.run("dlq", "show", *places[0]).stdout)
    assert (shown["discarded"]["reason"], shown["connection"]) == ("sent by hand", connection)
    for command in (("replay",), ("discard", "--reason", "again")):
        assert "sent by hand" in operator.run("dlq", *command, *places[0], code=1).stderr
    log = world.stack.get_log_path("scheduler")
    line = wait_until(lambda: next((x for x in log.read_text().splitlines() if "dead letter discarded" in x), None))
    assert orjson.loads(line)["reason"] == "sent by hand"

    operator.run("dlq", "discard", "--all", "--reason", "of earlier tests")
    assert operator.run_json("status")["dead_letters"] == {}
    assert "dead letters" not in operator.find_problems(code=0)


def build_request(shop: str, product: str) -> SyncRequested:
    """Build the request of a webhook for one product."""
    return SyncRequested(
        sync_id=uuid4(),
        connection=f"shopify:{shop}",
        epoch=1,
        cause="webhook",
        records={"products": (product,)},
        requested_at=1_800_000_000_000,
    )


async def _dead_letter(access: Access, request: SyncRequested) -> None:
    """Put a request that was never handled on the dead-letter topic, as the fetcher's consumer does."""
    topic, body = get_sync_topic("shopify"), request.model_dump_json().encode()
    headers = build_headers(request, source="gateway", event_id=str(request.sync_id), subject=request.connection)

    class Record:
        offset, partition, key, value = 0, 0, request.connection.encode(), body

    Record.topic, Record.headers = topic, headers  # type: ignore[attr-defined]
    async with brokers.create_publisher(access) as publisher:
        record: Any = Record()
        await DeadLetterPublisher(publisher).publish(
            record, RuntimeError("raised by the test"), group=f"shopify-fetcher.{topic}"
        )


def test_a_replay_syncs_the_data_and_a_second_one_changes_nothing(world: World, operator: Operator) -> None:
    shop = world.make_shop(products=10)
    world.connect_and_sync(shop)
    product = world.list_products(shop)[0]
    world.set_faults(shop, webhooks_off=True)
    world.edit_product(shop, product["number"], title="Edited for a lost message")
    request = build_request(shop, f"gid://shopify/Product/{product['number']}")
    asyncio.run(_dead_letter(operator.access, request))
    (letter,) = wait_until(lambda: list_dead_letters(operator, request.connection) or None)
    assert letter["error"] == "RuntimeError: raised by the test"
    place = (letter["topic"], str(letter["partition"]), str(letter["offset"]))

    assert operator.run_json("dlq", "replay", *place)["replayed"][0]["came_from"] == get_sync_topic("shopify")
    world.wait_until_equal(shop)
    first = wait_until(lambda: _list_if_finished(world, shop))
    before = world.read_object(shop)
    for _ in range(2):
        operator.run("dlq", "replay", "--topic", letter["topic"])
    wait_until(lambda: True if not sum(row["messages"] for row in operator.run_json("status")["lag"]) else None)
    again, after = wait_until(lambda: _list_if_finished(world, shop)), world.read_object(shop)

    assert before is not None and after is not None
    assert (after.body, after.metadata) == (before.body, before.metadata)
    assert [(row.sync_id, row.state, row.changed) for row in again] == [
        (row.sync_id, row.state, row.changed) for row in first
    ]
    assert len(list_dead_letters(operator, request.connection)) == 1


def _list_if_finished(world: World, shop: str) -> list[Any] | None:
    """List the shop's syncs; None while one has not ended, or there is only the first."""
    syncs = world.list_shop_syncs(shop)
    return syncs if not {row.state for row in syncs} & OPEN_STATES and len(syncs) > 1 else None


# -- a visit, as from within a container network


def test_a_visitor_in_a_container_network_reaches_the_gateway_by_another_name(operator: Operator) -> None:
    """The gateway's redirects and cookies name 127.0.0.1; the visitor reaches it as `localhost`."""
    url = operator.access.gateway_url.replace("127.0.0.1", "localhost")
    visitor_access = access.resolve_access(Path("/nonexistent"), {**operator.settings, "GATEWAY_URL": url})
    world = World(operator.world.stack, visitor_access)
    shop = world.make_shop(products=3)
    assert world.visit.gateway_url != visitor_access.gateway_url == url
    assert world.connect_and_sync(shop).browser.cookies
