"""What the operator's commands make of what they see."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from aiokafka import TopicPartition

from contracts.topics import PARTITIONS, Topic
from gateway.pages.responses import WEBHOOK_RESPONSES
from merchant_sync.access import Access
from merchant_sync.operating import letters
from merchant_sync.operating.checks import BAD, GOOD, WARNING, clocks, database, doors, kafka, settings
from merchant_sync.operating.lag import Lag, lags_of
from merchant_sync.operating.letters import Letter
from merchant_sync.operating.status import age
from messaging.provisioning import build_config

TOPIC = Topic("sync.progressed")
PLACE = {"GATEWAY_URL": "http://gateway", "SHOPIFY_WEBHOOK_ADDRESS": "https://app.example/shopify/webhook"}


def partitions(count: int = PARTITIONS, copies: int = 3, in_sync: int = 3) -> list[dict[str, Any]]:
    brokers = list(range(copies))
    return [{"partition": number, "replicas": brokers, "isr": brokers[:in_sync]} for number in range(count)]


def verdicts(*given: Any) -> list[tuple[str, str]]:
    return [(one.verdict, one.seen) for one in kafka.judged(TOPIC, *given)]


def test_a_topic_as_it_is_made_is_good_and_any_difference_is_named() -> None:
    made = build_config(TOPIC)
    assert verdicts(partitions(), made, 3) == []
    assert verdicts(partitions(), {}, 3) == []
    assert verdicts(partitions(3), made, 3) == [(BAD, "has 3 partitions, 12 are right")]
    assert verdicts(partitions(), {**made, "retention.ms": "-1"}, 3) == [(BAD, "retention.ms is -1")]
    assert verdicts(partitions(copies=1, in_sync=1), made, 3) == [(WARNING, "has 1 copies, 3 are possible")]
    (behind,) = verdicts(partitions(in_sync=2), made, 3)
    assert behind[0] == WARNING and "lag behind" in behind[1]


def test_a_schema_is_compared_by_its_migrations() -> None:
    known = database.migrations("scheduler")
    assert database.versions("scheduler", known).verdict == GOOD
    behind = database.versions("scheduler", sorted(known)[:-1])
    assert behind.verdict == BAD and max(known) in behind.seen
    assert database.versions("scheduler", {*known, "9999_later.sql"}).verdict == WARNING


@pytest.mark.parametrize(
    ("stamp", "verdict"), [(999, GOOD), (1000, GOOD), (1001, GOOD), (1002, GOOD), (1004, WARNING), (995, WARNING)]
)
def test_clocks_may_be_two_seconds_apart_beside_what_a_date_leaves_open(stamp: float, verdict: str) -> None:
    assert clocks.judged("clock", 1000.2, 1000.4, stamp).verdict == verdict


def door(answer: Any, **more: str) -> dict[str, str]:
    """Verdicts on the doors by what was looked at, with whoever answers there."""
    http = httpx.Client(transport=httpx.MockTransport(answer))
    return {one.what: one.verdict for one in doors.look(Access({**PLACE, **more}), http=http)}


def test_our_gateway_is_known_by_its_answer_to_what_nobody_signed() -> None:
    assert WEBHOOK_RESPONSES[401] == doors.SIGNATURE_REFUSED
    ours = door(lambda request: httpx.Response(401 if request.method == "POST" else 404, json=WEBHOOK_RESPONSES[401]))
    assert ours == {"webhooks from outside": GOOD, "internal routes from outside": GOOD}
    another = door(lambda _: httpx.Response(401, json={"error": "unauthorised"}))
    assert another == {"webhooks from outside": BAD, "internal routes from outside": BAD}


def test_an_address_that_platforms_would_not_deliver_to_is_bad() -> None:
    def nobody(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("certificate verify failed", request=request)

    assert set(door(nobody).values()) == {BAD}
    plain = door(
        lambda request: httpx.Response(401 if request.method == "POST" else 404, json=WEBHOOK_RESPONSES[401]),
        SHOPIFY_WEBHOOK_ADDRESS="http://app.example/shopify/webhook",
        SHOPIFY_SHOP_URL="https://{shop}",
    )
    assert plain["webhooks from outside"] == BAD


def test_a_setting_that_a_service_would_refuse_is_named_and_what_is_not_known_is_no_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SHOPIFY_POLL_CRON", "this process's own is not looked at")
    found = {one.what: one for one in settings.look(Access({"SHOPIFY_API_VERSION": "latest", "INTERNAL_KEY": "k"}))}
    assert found["settings of this command"].verdict == BAD
    assert "SCHEDULER_DATABASE_URL" in found["settings of this command"].seen
    assert found["settings of gateway"].verdict == BAD
    assert found["settings of gateway"].seen.startswith("SHOPIFY_API_VERSION: ")
    assert found["settings of scheduler"].verdict == GOOD
    assert "INTERNAL_KEYS" in found["settings of scheduler"].seen
    assert "settings of facebook-fetcher" not in found


def test_a_partition_without_a_commit_is_before_its_group_as_a_whole() -> None:
    first, second, other = (TopicPartition("t", 0), TopicPartition("t", 1), TopicPartition("other", 0))
    starts, ends = {first: 5, second: 5, other: 0}, {first: 10, second: 9, other: 7}
    assert list(lags_of("g", {first: 8}, starts, ends)) == [Lag("g", "t", 2 + 4)]
    assert list(lags_of("g", {first: 2, second: 9}, starts, ends)) == [Lag("g", "t", 5)]


def letter(body: bytes = b"{}", headers: letters.Headers | None = None) -> Letter:
    return Letter(
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


def test_a_message_is_said_again_with_its_own_headers() -> None:
    lay = letter(headers=[("ce_id", b"1"), ("dlq-topic", b"t"), ("dlq-error", b"e"), (letters.REPLAYED, b"earlier")])
    assert letters.headers_of(lay) == [("ce_id", b"1"), (letters.REPLAYED, b"t.dlq/3/7")]


def test_an_event_is_shown_without_what_is_in_its_records() -> None:
    event = {"resource": "products", "records": [{"id": "1", "body": {"title": "a secret"}, "facts": {}}]}
    assert letters.without_data(event)["records"] == [{"id": "1", "body": letters.LEFT_OUT, "facts": {}}]
    assert letters.without_data({"records": {"products": ["1"]}}) == {"records": {"products": ["1"]}}
    told = letter(body=b'{"no": JSON').shown(body=False)
    assert "JSON" in told["event"] and '{"no"' not in str(told)


def test_a_span_of_time_is_said_in_the_largest_unit_that_it_fills() -> None:
    assert [age(one) for one in (None, 7, 90, 7200, 200_000)] == ["-", "7 s", "1.5 min", "2.0 h", "2.3 d"]


async def test_of_letters_that_were_said_again_and_came_back_the_first_alone_is_said_and_never_a_last_word() -> None:
    first = letter(headers=[("ce_id", b"1")])
    again = replace(letter(headers=[("ce_id", b"1"), (letters.REPLAYED, b"t.dlq/3/7")]), offset=8)
    other = replace(letter(headers=[("ce_id", b"2")]), offset=9)
    last_word = replace(letter(headers=[("ce_id", b"3")]), came_from="connection.changed")

    async def found() -> AsyncIterator[Letter]:
        for one in (first, again, last_word, other):
            yield one

    assert [one async for one in letters.once_each(found())] == [first, other]
    assert "merchant-sync sync" in (letters.refused(last_word) or "")
