"""The operator's commands, without an installation."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from aiokafka import TopicPartition

from contracts.topics import PARTITIONS, Topic
from gateway.pages.responses import WEBHOOK_RESPONSES
from merchant_sync.access import Access
from merchant_sync.operating import dead_letters
from merchant_sync.operating.checks import BAD, GOOD, WARNING, clocks, database, endpoints, kafka, settings
from merchant_sync.operating.dead_letters import DeadLetter
from merchant_sync.operating.lag import Lag, compute_lags
from merchant_sync.operating.status import format_age
from messaging.provisioning import build_config

TOPIC = Topic("sync.progressed")
ADDRESSES = {"GATEWAY_URL": "http://gateway", "SHOPIFY_WEBHOOK_ADDRESS": "https://app.example/shopify/webhook"}


def build_partitions(count: int = PARTITIONS, copies: int = 3, in_sync: int = 3) -> list[dict[str, Any]]:
    brokers = list(range(copies))
    return [{"partition": number, "replicas": brokers, "isr": brokers[:in_sync]} for number in range(count)]


def compare(*given: Any) -> list[tuple[str, str]]:
    return [(finding.result, finding.details) for finding in kafka.compare_topic(TOPIC, *given)]


def test_a_topic_as_it_is_provisioned_is_good_and_any_difference_is_named() -> None:
    config = build_config(TOPIC)
    assert compare(build_partitions(), config, 3) == []
    assert compare(build_partitions(), {}, 3) == []
    assert compare(build_partitions(3), config, 3) == [(BAD, "has 3 partitions, 12 are right")]
    assert compare(build_partitions(), {**config, "retention.ms": "-1"}, 3) == [(BAD, "retention.ms is -1")]
    assert compare(build_partitions(copies=1, in_sync=1), config, 3) == [(WARNING, "has 1 copies, 3 are possible")]
    (behind,) = compare(build_partitions(in_sync=2), config, 3)
    assert behind[0] == WARNING and "lag behind" in behind[1]


def test_a_schema_is_compared_by_its_migrations() -> None:
    expected = database.list_migrations("scheduler")
    assert database.compare_schema("scheduler", expected).result == GOOD
    behind = database.compare_schema("scheduler", sorted(expected)[:-1])
    assert behind.result == BAD and max(expected) in behind.details
    assert database.compare_schema("scheduler", {*expected, "9999_later.sql"}).result == WARNING


@pytest.mark.parametrize(
    ("stamp", "result"), [(999, GOOD), (1000, GOOD), (1001, GOOD), (1002, GOOD), (1004, WARNING), (995, WARNING)]
)
def test_clocks_may_be_two_seconds_apart_beyond_the_whole_seconds_of_a_date(stamp: float, result: str) -> None:
    assert clocks.compare_clocks("clock", 1000.2, 1000.4, stamp).result == result


def check_endpoints(answer: Any, **settings: str) -> dict[str, str]:
    """Results of the checks by subject, with a server that answers so."""
    http = httpx.Client(transport=httpx.MockTransport(answer))
    findings = endpoints.check(Access({**ADDRESSES, **settings}), http=http)
    return {finding.subject: finding.result for finding in findings}


def test_our_gateway_is_recognised_by_its_answer_to_a_delivery_without_signature() -> None:
    assert WEBHOOK_RESPONSES[401] == endpoints.SIGNATURE_REFUSED
    ours = check_endpoints(
        lambda request: httpx.Response(401 if request.method == "POST" else 404, json=WEBHOOK_RESPONSES[401])
    )
    assert ours == {"webhooks from outside": GOOD, "internal routes from outside": GOOD}
    another = check_endpoints(lambda _: httpx.Response(401, json={"error": "unauthorised"}))
    assert another == {"webhooks from outside": BAD, "internal routes from outside": BAD}


def test_an_address_that_platforms_would_not_deliver_to_is_bad() -> None:
    def nobody(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("certificate verify failed", request=request)

    assert set(check_endpoints(nobody).values()) == {BAD}
    plain = check_endpoints(
        lambda request: httpx.Response(401 if request.method == "POST" else 404, json=WEBHOOK_RESPONSES[401]),
        SHOPIFY_WEBHOOK_ADDRESS="http://app.example/shopify/webhook",
        SHOPIFY_SHOP_URL="https://{shop}",
    )
    assert plain["webhooks from outside"] == BAD


def test_a_setting_that_a_service_would_refuse_is_named_and_one_that_is_not_known_is_no_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SHOPIFY_POLL_CRON", "not a setting of the installation")
    access = Access({"SHOPIFY_API_VERSION": "latest", "INTERNAL_KEY": "k"})
    found = {finding.subject: finding for finding in settings.check(access)}
    assert found["settings of this command"].result == BAD
    assert "SCHEDULER_DATABASE_URL" in found["settings of this command"].details
    assert found["settings of gateway"].result == BAD
    assert found["settings of gateway"].details.startswith("SHOPIFY_API_VERSION: ")
    assert found["settings of scheduler"].result == GOOD
    assert "INTERNAL_KEYS" in found["settings of scheduler"].details
    assert "settings of facebook-fetcher" not in found


def test_what_production_refuses_is_named_before_a_service_does() -> None:
    given = {"MERCHANT_SYNC_ENV": "production", "STATE_TOKEN_SECRET": "k" * 32, "SANDBOX_RELAYED": "http://sandbox"}
    found = {finding.subject: finding for finding in settings.check(Access(given))}
    assert found["settings for production"].result == BAD
    details = found["settings for production"].details
    assert "STATE_TOKEN_SECRET: too easy" in details and "SANDBOX_RELAYED: " in details and "kkk" not in details
    others = settings.check(Access({**given, "MERCHANT_SYNC_ENV": ""}))
    assert "settings for production" not in {finding.subject for finding in others}


def test_all_messages_of_a_partition_without_a_commit_count_as_lag() -> None:
    first, second, other = (TopicPartition("t", 0), TopicPartition("t", 1), TopicPartition("other", 0))
    starts, ends = {first: 5, second: 5, other: 0}, {first: 10, second: 9, other: 7}
    assert list(compute_lags("g", {first: 8}, starts, ends)) == [Lag("g", "t", 2 + 4)]
    assert list(compute_lags("g", {first: 2, second: 9}, starts, ends)) == [Lag("g", "t", 5)]


def build_letter(body: bytes = b"{}", headers: dead_letters.Headers | None = None) -> DeadLetter:
    return DeadLetter(
        topic="t.dlq",
        partition=3,
        offset=7,
        at=0,
        connection="shopify:a",
        came_from="t",
        group="g",
        error="e",
        kind="k",
        body=body,
        key=b"shopify:a",
        headers=headers or [],
    )


def test_a_message_is_replayed_with_its_own_headers() -> None:
    letter = build_letter(
        headers=[("ce_id", b"1"), ("dlq-topic", b"t"), ("dlq-error", b"e"), (dead_letters.REPLAYED, b"earlier")]
    )
    assert dead_letters.build_replay_headers(letter) == [("ce_id", b"1"), (dead_letters.REPLAYED, b"t.dlq/3/7")]


def test_an_event_is_shown_without_the_data_in_its_records() -> None:
    event = {
        "resource": "products",
        "records": [{"id": "1", "body": {"title": "a secret"}, "lookup_fields": {"title": "a secret"}, "sort_key": 1}],
    }
    hidden = dead_letters.HIDDEN
    assert dead_letters.hide_data(event)["records"] == [
        {"id": "1", "body": hidden, "lookup_fields": hidden, "sort_key": 1}
    ]
    assert dead_letters.hide_data({"records": {"products": ["1"]}}) == {"records": {"products": ["1"]}}
    shown = build_letter(body=b'{"no": JSON').describe(with_body=False)
    assert "JSON" in shown["event"] and '{"no"' not in str(shown)


def test_an_age_is_shown_in_the_largest_unit_that_it_fills() -> None:
    assert [format_age(one) for one in (None, 7, 90, 7200, 200_000)] == ["-", "7 s", "1.5 min", "2.0 h", "2.3 d"]


async def test_a_letter_that_was_replayed_and_failed_again_is_replayed_once_and_one_of_a_compacted_topic_never() -> (
    None
):
    first = build_letter(headers=[("ce_id", b"1")])
    again = replace(build_letter(headers=[("ce_id", b"1"), (dead_letters.REPLAYED, b"t.dlq/3/7")]), offset=8)
    other = replace(build_letter(headers=[("ce_id", b"2")]), offset=9)
    compacted = replace(build_letter(headers=[("ce_id", b"3")]), came_from="connection.changed")

    async def read() -> AsyncIterator[DeadLetter]:
        for one in (first, again, compacted, other):
            yield one

    assert [one async for one in dead_letters.select_distinct_replayable(read())] == [first, other]
    assert "merchant-sync sync" in (dead_letters.explain_refusal(compacted) or "")
