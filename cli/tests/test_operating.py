"""The operator's commands, without an installation."""

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from aiokafka import TopicPartition

from contracts.topics import PARTITIONS, Topic
from gateway.pages.responses import WEBHOOK_RESPONSES
from merchant_sync.access import Access
from merchant_sync.internal_keys import KEY_SETTINGS
from merchant_sync.operating import dead_letter_bodies, dead_letters, status
from merchant_sync.operating.checks import (
    BAD,
    GOOD,
    WARNING,
    backlog,
    clocks,
    database,
    disks,
    endpoints,
    kafka,
    settings,
    uploads,
)
from merchant_sync.operating.dead_letters import DeadLetter
from merchant_sync.operating.internal_api import InternalApi
from merchant_sync.operating.lag import Lag, compute_lags
from merchant_sync.operating.status import describe_block
from merchant_sync.operating.terminal import format_age, format_time
from merchant_sync.operating.uploads import describe_wait
from messaging.provisioning import build_config

TOPIC = Topic("sync.progressed.x")
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
    access = Access({"SHOPIFY_API_VERSION": "latest", "GATEWAY_KEY": "k"})
    found = {finding.subject: finding for finding in settings.check(access)}
    assert found["settings of this command"].result == BAD
    assert "SCHEDULER_DATABASE_URL" in found["settings of this command"].details
    assert found["settings of gateway"].result == BAD
    assert found["settings of gateway"].details.startswith("SHOPIFY_API_VERSION: ")
    assert found["settings of scheduler"].result == GOOD
    assert "INTERNAL_KEY_HASHES" in found["settings of scheduler"].details
    assert "settings of facebook-fetcher" not in found


def test_what_production_refuses_is_named_before_a_service_does() -> None:
    given = {"MERCHANT_SYNC_ENV": "production", "STATE_TOKEN_SECRET": "k" * 32, "SANDBOX_RELAYED": "http://sandbox"}
    found = {finding.subject: finding for finding in settings.check(Access(given))}
    assert found["settings for production"].result == BAD
    details = found["settings for production"].details
    assert "STATE_TOKEN_SECRET: too easy" in details and "SANDBOX_RELAYED: " in details and "kkk" not in details
    assert "TRUSTED_PROXIES" in found["settings of gateway"].details
    assert found["settings of gateway"].result == GOOD, "compose gives them to the gateway alone"
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
        "records": [
            {
                "id": "1",
                "body": {"title": "a secret"},
                "lookup_fields": {"title": "a secret"},
                "lookup_values": {"sku": ["a secret"]},
                "sort_key": 1,
            }
        ],
    }
    hidden = dead_letter_bodies.HIDDEN
    assert dead_letter_bodies.hide_data(event)["records"] == [
        {"id": "1", "body": hidden, "lookup_fields": hidden, "lookup_values": hidden, "sort_key": 1}
    ]
    assert dead_letter_bodies.hide_data({"records": {"products": ["1"]}}) == {"records": {"products": ["1"]}}
    shown = build_letter(body=b'{"no": JSON').describe(with_body=False)
    assert "JSON" in shown["event"] and '{"no"' not in str(shown)


def test_a_block_is_told_in_words() -> None:
    block = {"reason": "frozen", "since": 1, "next_attempt_at": 1_795_600_000_000}
    assert describe_block(block) == (
        "blocked: the account is frozen at its platform; asked again at 2026-11-25 09:46 UTC"
    )
    assert describe_block(block | {"next_attempt_at": None}).endswith("being asked again now")


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


def test_dead_letters_and_full_disks_are_findings() -> None:
    assert backlog.judge_dead_letters({}).result == GOOD
    found = backlog.judge_dead_letters({"sync.progressed.dlq": 3})
    assert (found.result, found.details) == (WARNING, "3 on sync.progressed.dlq")
    assert "dlq list" in found.action

    rooms = {0.2: BAD, 3.0: WARNING, 80.0: GOOD}
    for gigabytes, result in rooms.items():
        found = disks.judge("disk of the state", Path("data"), round(gigabytes * 1e9))
        assert (found.result, found.details) == (result, f"data: {gigabytes} GB free")


def test_the_disks_of_a_local_stack_alone_are_checked(tmp_path: Path) -> None:
    assert list(disks.check(Access({}), tmp_path)) == []
    assert {found.subject for found in disks.check(Access({}, is_local=True), tmp_path)} == {
        "disk of the state",
        "disk of temporary files",
    }


def build_sync(**fields: Any) -> dict[str, Any]:
    sync = {"sync_id": str(uuid4()), "connection": "shopify:acme.myshopify.com", "state": "running", "mode": "full"}
    sync |= {"cause": "subscriptions", "requested_at": 1_795_600_000_000, "records": 20_000, "reason": None}
    return {**sync, "wait": None, "skipped_resources": {}, "left_out": {}, **fields}


def test_a_wait_is_told_in_words_with_the_platforms_title() -> None:
    until = (time.time() + 7_260) * 1000
    waiting = build_sync(reason="the rate limit", wait={"until": until, "is_rate_limit": True})
    assert status.describe_reason(waiting) == "Shopify's rate limit, goes on in 2.0 h"
    retrying = build_sync(reason="HTTP 503", wait={"until": until - 7_260_000, "is_rate_limit": False})
    assert status.describe_reason(retrying) == "HTTP 503, goes on now"
    assert status.describe_reason(build_sync(reason="no answer came")) == "no answer came"
    assert status.describe_reason(build_sync()) == ""


def test_times_are_shown_with_their_zone() -> None:
    assert (format_time(1_795_600_000_000), format_time(None)) == ("2026-11-25 09:46 UTC", "-")


def test_the_status_fits_into_80_columns_and_cuts_no_id(capsys: pytest.CaptureFixture[str]) -> None:
    failed = build_sync(reason="gid://shopify/Product/7: " + "a long reason " * 20)
    groups = [
        ("facebook-fetcher.sync.requested.facebook.full", "sync.requested.facebook.full"),
        ("spaces-writer.data.fetched.full", "data.fetched.facebook.full"),
    ]
    status.show_status(
        {
            "connections": [{"platform": "shopify", "state": "connected", "connections": 12_345}],
            "open_syncs": [{"platform": "shopify", "mode": "full", "state": "running", "syncs": 3, "age": 90.0}],
            "finished_within_a_day": [],
            "failures": [{**failed, "age": 90.0}],
            "last_success_age_seconds": [
                {"platform": "shopify", "connections": 9, "never_synced": 0, "oldest": 90_000.0, "p95": 3_600.0}
            ],
            "blocked": [],
            "failed_full_syncs": [],
            "behind": [],
            "documents_behind": [],
            "totals": build_totals(failures=1),
            "lag": [{"group": group, "topic": topic, "messages": 123_456} for group, topic in groups],
            "dead_letters": {"sync.requested.facebook.full.dlq": 7},
        }
    )
    status.show_connection(
        {
            "connection": failed["connection"],
            "state": "connected",
            "epoch": 12,
            "next_poll_at": 1_795_600_000_000,
            "blocked": None,
            "upload_wait": None,
            "document_wait": None,
            "last_full_sync": None,
            "syncs": [failed],
            "sync_count": 1,
        }
    )
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if len(line) > 80 and "a long reason" not in line] == []
    printed = "\n".join(lines)
    assert printed.count(failed["sync_id"]) == 2 and printed.count(failed["reason"].strip()) == 2
    assert all(group in printed for group, _ in groups) and "…" not in printed
    assert "2026-11-25 09:46 UTC" in printed and "1795600000000" not in printed


def build_totals(**totals: int) -> dict[str, int]:
    names = ("failures", "blocked", "failed_full_syncs", "behind", "documents_behind")
    return {**dict.fromkeys(names, 0), **totals}


def build_overview(*behind: dict[str, Any], documents: Sequence[dict[str, Any]] = (), more: int = 0) -> dict[str, Any]:
    totals = build_totals(behind=len(behind) + more, documents_behind=len(documents))
    return {"behind": list(behind), "documents_behind": list(documents), "totals": totals}


def build_behind(overdue: float | None, reason: str | None = None) -> dict[str, Any]:
    wait = {"since": 1_000, "next_attempt_at": 43_200_000, "reason": reason, "needs_full_sync": overdue is None}
    return {"connection": "shop:a", "syncs": 1, "overdue": overdue, "wait": wait}


@pytest.mark.parametrize(
    ("behind", "result"),
    [
        ([], GOOD),
        ([build_behind(None)], GOOD),
        ([build_behind(-40)], GOOD),
        ([build_behind(200)], GOOD),
        ([build_behind(200, "SlowDown")], WARNING),
        ([build_behind(301)], BAD),
    ],
)
def test_the_doctor_names_a_connection_whose_upload_is_late(behind: list[dict[str, Any]], result: str) -> None:
    (finding,) = uploads.report_behind(build_overview(*behind))
    assert finding.result == result
    assert result == GOOD or finding.subject == "object of shop:a"


@pytest.mark.parametrize(("overdue", "reason", "result"), [(2, None, GOOD), (2, "full", WARNING), (301, None, BAD)])
def test_the_doctor_names_a_connection_that_its_merchants_document_does_not_show(
    overdue: float, reason: str | None, result: str
) -> None:
    (finding,) = uploads.report_behind(build_overview(documents=[build_behind(overdue, reason)]))
    assert finding.result == result
    assert result == GOOD or finding.subject == "merchant's document of shop:a"
    assert result == GOOD or finding.details.startswith("changed at 00:00:01 UTC, ")


def test_the_doctor_says_how_many_late_uploads_it_does_not_name() -> None:
    first, second = uploads.report_behind(build_overview(build_behind(301), more=37))
    assert (first.result, second.result, second.details) == (BAD, WARNING, "37 more wait")
    assert "status --all" in second.action
    (paced,) = uploads.report_behind(build_overview(build_behind(-40), more=37))
    assert paced.result == GOOD


def test_a_list_that_is_cut_says_how_many_entries_it_has_more_and_how_to_see_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lists: dict[str, Any] = {name: [] for name in ("connections", "open_syncs", "finished_within_a_day", "lag")}
    lists |= {"last_success_age_seconds": [], "dead_letters": {}, **build_overview(build_behind(1.0))}
    lists |= {"blocked": [{"connection": "shop:a", "age": 9.0, "reason": "frozen"}]}
    failed = [{**build_sync(), "age": 9.0}]
    totals = build_totals(failures=1_021, blocked=3, failed_full_syncs=1, behind=2)
    status.show_status({**lists, "failures": failed, "failed_full_syncs": failed, "totals": totals})
    hidden = [line for line in capsys.readouterr().out.splitlines() if "more" in line]
    assert hidden == [
        f"and {count} more; `merchant-sync status --all` lists all of them" for count in ("2", "1", "1,020")
    ]
    connection = {"connection": "shop:a", "state": "connected", "epoch": 1, "next_poll_at": None, "blocked": None}
    waits = {"upload_wait": None, "document_wait": build_behind(1.0, "SlowDown")["wait"], "last_full_sync": None}
    status.show_connection({**connection, **waits, "syncs": [build_sync()], "sync_count": 2_001})
    *_, document, _, _, last = capsys.readouterr().out.splitlines()
    assert document.startswith("  its merchant's document: changed at 00:00:01 UTC, the upload failed (SlowDown)")
    assert last == "and 2,000 earlier syncs; add --all to list them"


def test_what_an_upload_waits_for_is_said_in_words() -> None:
    texts = [describe_wait(build_behind(*arguments)["wait"]) for arguments in ((None,), (1.0, "SlowDown"), (1.0,))]
    assert texts == [
        "stored at 00:00:01 UTC, is uploaded after the first complete full sync",
        "stored at 00:00:01 UTC, the upload failed (SlowDown), and is tried again at 12:00:00 UTC",
        "stored at 00:00:01 UTC, its upload is due",
    ]


def test_what_a_sync_has_left_out_is_named() -> None:
    sync = build_sync(state="success", left_out={"p7": "its form is not known"})
    assert status.describe_reason(sync) == "left out p7: its form is not known"


def test_a_connection_with_slashes_in_its_name_is_one_segment_of_every_path() -> None:
    paths: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.raw_path.decode())
        return httpx.Response(200, json={"sync_id": "1", "keys": [], "revoked": 1})

    settings = {
        "GATEWAY_INTERNAL_URL": "http://gateway",
        "SCHEDULER_URL": "http://scheduler",
        **dict.fromkeys(KEY_SETTINGS.values(), "a key"),
    }
    api = InternalApi(Access(settings))
    api._http = httpx.Client(transport=httpx.MockTransport(respond))
    name = "x:a.test/1/b"
    api.load_connection(name)
    api.check_connection(name)
    api.request_sync(name, None)
    api.cancel_sync(name, "id")
    api.allow_deletions(name, "id", "moved")
    api.list_keys(name)
    api.make_key(name, "for a test", ["read"], None)
    api.rotate_key(name, "id", 1)
    api.revoke_keys(name, "id")
    api.revoke_keys(name, None)
    assert len(paths) == 10
    assert all("/connections/x%3Aa.test%2F1%2Fb" in path for path in paths)
