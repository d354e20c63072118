"""Webhooks to readers: what is sent, in which order, how often it is tried, and who may have it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from jsonschema import Draft202012Validator
from sqlalchemy import text
from standardwebhooks.webhooks import WebhookVerificationError

from api_builders import ACME, OTHER, make_access, make_connection, make_key, make_keys, make_state
from data_api.store.endpoints import DeliveryStore, LeaseLostError
from data_api.tables.state import KnownState
from data_api.use_cases.webhooks.delivery import RETRY_SECONDS
from data_api.use_cases.webhooks.owners import EndpointOwners
from data_api.use_cases.webhooks.sender import MessageSender
from merchant_sync.stack import Stack
from receiver import Receiver, serve_receiver
from v1_server import OTHER_KEY, V1
from webhook_world import MANAGE, DeliveryProcess, WebhookWorld, make_secrets, open_webhooks

pytestmark = pytest.mark.integration


@pytest.fixture
async def world(v1: V1, postgres: Stack) -> AsyncIterator[WebhookWorld]:
    async with open_webhooks(v1, postgres.build_admin_database_url()) as world:
        yield world


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with serve_receiver() as receiver:
        yield receiver


async def test_a_change_is_sent_thin_and_the_official_library_verifies_it(
    world: WebhookWorld, receiver: Receiver
) -> None:
    await world.feed.write("before", {"n": 0})
    made = await world.make(receiver.url)
    # The library accepts a timestamp of the last five minutes by its own clock only.
    world.time = datetime.now(UTC)
    await world.write("1", title="red shirt")
    await world.write("2", title="blue shirt")
    await world.step()
    (received,) = receiver.received
    assert received.verify(made["secret"]) == received.message
    assert (received.path, received.headers["content-type"]) == ("/hook?for=acme", "application/json")
    assert received.headers["user-agent"].startswith("merchant-sync/")
    message = received.message
    assert (message["type"], message["data"]["connection"]) == ("records.changed", ACME)
    assert message["data"]["counts"] == {"products": 2}
    assert [(one["id"], one["operation"]) for one in message["data"]["changes"]] == [("1", "create"), ("2", "create")]
    assert "data" not in message["data"]["changes"][0]
    assert message["data"]["has_all_changes"] is True
    assert message["data"]["after"] == made["cursor"]
    assert (await world.load(made))["cursor"] == message["data"]["cursor"]
    changes = await world.v1.get("/changes", cursor=message["data"]["after"])
    assert [one["id"] for one in changes.json()["changes"]] == ["1", "2"]
    with pytest.raises(WebhookVerificationError):
        received.verify("whsec_" + "A" * 43 + "=")


async def test_many_changes_of_a_second_make_one_message_which_lists_the_first_250(
    world: WebhookWorld, receiver: Receiver
) -> None:
    await world.make(receiver.url)
    await world.write("first", n=1)
    await world.step()
    await world.feed.fill(700)
    await world.v1.notice()
    await world.process.step()
    assert len(receiver.received) == 1, "within a second of the message before"
    await world.step()
    data = receiver.messages[1]["data"]
    assert (data["counts"], len(data["changes"]), data["has_all_changes"]) == ({"products": 700}, 250, False)
    assert data["after"] == receiver.messages[0]["data"]["cursor"]
    await world.step(seconds=90)
    assert len(receiver.received) == 2, "nothing is sent where nothing has changed"


async def test_a_full_message_has_the_records_as_far_as_there_is_room(world: WebhookWorld, receiver: Receiver) -> None:
    await world.make(receiver.url, full=True)
    for number in range(5):
        await world.write(str(number), text="x" * 100_000)
    await world.write("huge", text="x" * 300_000)
    await world.step()
    await receiver.wait_for(4)
    assert all(len(one.body) <= 256 * 1024 for one in receiver.received)
    changes = [change for message in receiver.messages for change in message["data"]["changes"]]
    assert [change["id"] for change in changes] == ["0", "1", "2", "3", "4", "huge"]
    assert all(len(change["data"]["text"]) == 100_000 for change in changes[:5])
    assert "data" not in changes[5], "it has to be fetched"
    cursors = [(message["data"]["after"], message["data"]["cursor"]) for message in receiver.messages]
    assert all(before[1] == after[0] for before, after in pairwise(cursors))


async def test_only_the_wanted_resources_are_told_of(world: WebhookWorld, receiver: Receiver) -> None:
    made = await world.make(receiver.url, resources=["orders"])
    await world.write("1", n=1)
    await world.step()
    assert receiver.received == []
    assert (await world.load(made))["cursor"] != made["cursor"], "it stands behind what it does not want"
    await world.feed.write("7", {"n": 1}, resource="orders")
    await world.v1.notice()
    await world.step()
    assert receiver.messages[0]["data"]["counts"] == {"orders": 1}


async def test_what_fails_is_tried_again_in_order_with_the_same_id(world: WebhookWorld, receiver: Receiver) -> None:
    made = await world.make(receiver.url)
    receiver.status = 500
    await world.write("1", n=1)
    await world.step()
    await world.write("2", n=2)
    await world.step()
    assert len(receiver.received) == 1, "the second waits for the first"
    (pending,) = await world.list_deliveries(made)
    assert (pending["state"], pending["attempts"], pending["error"]) == ("pending", 1, "HTTP 500")
    assert (await world.load(made))["failing_since"] is not None
    for count, pause in enumerate(RETRY_SECONDS[1:4], 2):
        await world.step(seconds=RETRY_SECONDS[count - 2] - 1.1)
        assert len(receiver.received) == count - 1, "not before its time"
        await world.step(seconds=RETRY_SECONDS[count - 2] * 0.2 + 2)
        assert len(receiver.received) == count, f"after {pause} s"
    receiver.status = 200
    await world.step(seconds=RETRY_SECONDS[3] * 1.2)
    await world.step()
    assert len({one.id for one in receiver.received[:5]}) == 1
    assert [message["data"]["changes"][0]["id"] for message in receiver.messages[4:]] == ["1", "2"]
    assert (await world.load(made))["failing_since"] is None
    assert [one["state"] for one in await world.list_deliveries(made)] == ["delivered", "delivered"]
    assert world.results.count("failed") == 4


async def test_an_endpoint_that_was_down_a_day_gets_what_it_missed_in_order_by_replay(
    world: WebhookWorld, receiver: Receiver
) -> None:
    made = await world.make(receiver.url, full=True)
    await world.write("0", n=0)
    await world.step()
    world.pass_time(minutes=1)
    down_since = world.time
    receiver.status = 503
    for hour in range(24):
        await world.write(str(hour % 10), n=hour, text="x" * 60_000)
        await world.step(hours=1)
    tried = len(receiver.received)
    assert 1 < tried < 12, "it is not called each hour"
    receiver.status = 200
    answer = await world.request("POST", f"/{made['id']}/replay", params={"since": down_since.isoformat()})
    assert answer.status_code == 202, answer.text
    await world.step()
    new = receiver.messages[tried:]
    changes = [change for message in new for change in message["data"]["changes"]]
    assert new[0]["data"]["after"] == answer.json()["cursor"] == receiver.messages[0]["data"]["cursor"]
    assert {change["id"] for change in changes} == {str(number) for number in range(10)}
    sequences = [change["sequence"] for change in changes]
    assert sequences == sorted(sequences) and len(new) > 1
    assert {change["id"]: change["data"]["n"] for change in changes} == {str(hour % 10): hour for hour in range(14, 24)}
    states = [one["state"] for one in await world.list_deliveries(made)]
    assert states == ["delivered", "superseded", *["delivered"] * len(new)]


async def test_it_goes_on_by_itself_after_a_day_and_has_missed_nothing(world: WebhookWorld, receiver: Receiver) -> None:
    await world.make(receiver.url)
    receiver.status = 503
    for hour in range(24):
        await world.write(str(hour), n=hour)
        await world.step(hours=1)
    receiver.status, receiver.received = 200, []
    await world.step(hours=13)
    await world.step()
    ids = [change["id"] for message in receiver.messages for change in message["data"]["changes"]]
    assert ids == [str(hour) for hour in range(24)]


async def test_a_cursor_or_a_time_of_nothing_is_refused_by_replay(world: WebhookWorld, receiver: Receiver) -> None:
    made = await world.make(receiver.url)
    await world.write("1", n=1)
    await world.step()
    feed, epoch, sequence = made["cursor"].split(".")
    for since in (
        "yesterday",
        f"{feed}.{epoch}.{int(sequence) + 99}",
        f"{UUID(int=1).hex}.1.0",
        "2020-01-01T00:00:00Z",
    ):
        answer = await world.request("POST", f"/{made['id']}/replay", params={"since": since})
        assert answer.status_code == 400 and answer.json()["detail"].startswith("since: "), since
    answer = await world.request("POST", f"/{made['id']}/replay", params={"since": made["cursor"]})
    assert (answer.status_code, answer.json()) == (202, {"cursor": made["cursor"]})
    await world.step()
    assert [message["data"]["changes"][0]["id"] for message in receiver.messages] == ["1", "1"]
    assert receiver.received[0].id != receiver.received[1].id


async def test_five_days_of_failures_end_it_and_it_can_go_on_where_it_stood(
    world: WebhookWorld, receiver: Receiver
) -> None:
    made = await world.make(receiver.url)
    receiver.status = 500
    await world.write("1", n=1)
    for _ in range(24):
        await world.step(hours=6)
    ended = await world.load(made)
    assert ended["state"] == "ended" and "5 days" in ended["reason"] and "HTTP 500" in ended["reason"]
    tried = len(receiver.received)
    await world.write("2", n=2)
    await world.step(days=1)
    assert len(receiver.received) == tried
    (failed,) = await world.list_deliveries(made)
    assert (failed["state"], failed["next_attempt_at"]) == ("failed", None)
    receiver.status = 200
    again = await world.request("PATCH", f"/{made['id']}", json={"state": "active"})
    assert (again.json()["state"], again.json()["reason"]) == ("active", None)
    await world.step()
    assert [change["id"] for change in receiver.messages[-1]["data"]["changes"]] == ["1", "2"]


async def test_gone_ends_it_at_once(world: WebhookWorld, receiver: Receiver) -> None:
    made = await world.make(receiver.url)
    receiver.status = 410
    await world.write("1", n=1)
    await world.step()
    ended = await world.load(made)
    assert ended["state"] == "ended" and "410" in ended["reason"]


async def test_a_redirect_is_not_followed_and_a_silent_receiver_is_not_waited_for(
    world: WebhookWorld, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await world.make(receiver.url)
    receiver.status, receiver.headers = 307, [(b"location", receiver.url.encode())]
    await world.write("1", n=1)
    await world.step()
    assert len(receiver.received) == 1
    assert "redirect" in (await world.list_deliveries(made))[0]["error"]
    monkeypatch.setattr("data_api.client.receivers.ANSWER_SECONDS", 0.3)
    receiver.is_silent = True
    await world.step(seconds=10)
    (pending,) = await world.list_deliveries(made)
    assert (pending["attempts"], pending["status"]) == (2, None)
    assert "no answer within" in pending["error"]


async def test_without_order_a_message_overtakes_one_that_fails(world: WebhookWorld, receiver: Receiver) -> None:
    made = await world.make(receiver.url, ordered=False)
    receiver.status = 500
    await world.write("1", n=1)
    await world.step()
    receiver.status = 200
    await world.write("2", n=2)
    await world.step()
    assert [message["data"]["changes"][0]["id"] for message in receiver.messages] == ["1", "2"]
    await world.step(seconds=10)
    assert [message["data"]["changes"][0]["id"] for message in receiver.messages] == ["1", "2", "1"]
    assert (await world.load(made))["failing_since"] is None


async def test_one_that_fails_holds_up_no_other(world: WebhookWorld, receiver: Receiver) -> None:
    await world.make("http://127.0.0.1:9/nobody")
    await world.make(receiver.url)
    await world.write("1", n=1)
    await world.step()
    await world.write("2", n=2)
    await world.step()
    assert len(receiver.received) == 2


async def test_two_secrets_sign_while_one_is_replaced(world: WebhookWorld, receiver: Receiver) -> None:
    world.time = datetime.now(UTC)
    made = await world.make(receiver.url)
    changed = (await world.request("PATCH", f"/{made['id']}", json={"rotate_secret_hours": 24})).json()
    assert changed["secret"] != made["secret"] and changed["former_secret_until"] is not None
    await world.write("1", n=1)
    await world.step()
    for secret in (made["secret"], changed["secret"]):
        receiver.received[0].verify(secret)
    at_once = (await world.request("PATCH", f"/{made['id']}", json={"rotate_secret_hours": 0})).json()
    await world.write("2", n=2)
    await world.step()
    receiver.received[1].verify(at_once["secret"])
    with pytest.raises(WebhookVerificationError):
        receiver.received[1].verify(changed["secret"])
    assert "secret" not in await world.load(made)


async def test_a_paused_endpoint_gets_nothing_until_it_is_active(world: WebhookWorld, receiver: Receiver) -> None:
    made = await world.make(receiver.url)
    assert (await world.request("PATCH", f"/{made['id']}", json={"state": "paused"})).json()["state"] == "paused"
    await world.write("1", n=1)
    await world.step(hours=1)
    assert receiver.received == []
    await world.request("PATCH", f"/{made['id']}", json={"state": "active"})
    await world.step()
    assert receiver.messages[0]["data"]["counts"] == {"products": 1}


async def test_a_test_says_what_came_of_it(world: WebhookWorld, receiver: Receiver) -> None:
    made = await world.make(receiver.url)
    answer = (await world.request("POST", f"/{made['id']}/test")).json()
    assert (answer["delivered"], answer["status"], answer["error"]) == (True, 204, None)
    assert receiver.messages[0]["type"] == "endpoint.test"
    receiver.status = 404
    answer = (await world.request("POST", f"/{made['id']}/test")).json()
    assert (answer["delivered"], answer["status"], answer["error"]) == (False, 404, "HTTP 404")
    assert [one["state"] for one in await world.list_deliveries(made)] == ["delivered", "failed"]
    assert (await world.load(made))["failing_since"] is None


async def test_a_renewed_feed_is_told_as_a_reset(world: WebhookWorld, receiver: Receiver) -> None:
    await world.make(receiver.url)
    await world.write("1", n=1)
    await world.step()
    await world.feed.renew()
    await world.v1.notice()
    await world.step()
    message = receiver.messages[1]
    assert message["type"] == "feed.reset"
    assert message["data"]["restart"] == "/v1/connections/shop-platform:acme.example/changes/head"
    await world.write("2", n=2)
    await world.step()
    assert receiver.messages[2]["data"]["after"] == message["data"]["cursor"]


async def test_two_processes_send_each_message_once(world: WebhookWorld, receiver: Receiver) -> None:
    made = await world.make(receiver.url)
    processes = [DeliveryProcess(world), DeliveryProcess(world)]
    for number in range(20):
        await world.write(str(number), n=number)
        world.pass_time(seconds=1)
        for process in processes:
            await process.deliverer.begin_visits()
        for process in processes:
            await process.deliverer.wait_for_visits()
    ids = [change["id"] for message in receiver.messages for change in message["data"]["changes"]]
    assert ids == [str(number) for number in range(20)]
    assert all(one["attempts"] == 1 for one in await world.list_deliveries(made))


async def test_what_a_killed_process_has_begun_another_one_ends(world: WebhookWorld, receiver: Receiver) -> None:
    await world.make(receiver.url)
    await world.write("1", n=1)
    world.pass_time(seconds=1)
    (claim,) = await DeliveryStore(world.database).claim(world.time, is_quick=False, limit=10)
    assert claim.endpoint.options.url == receiver.url
    await world.step()
    assert receiver.received == [], "it is leased"
    await world.step(seconds=60)
    assert receiver.messages[0]["data"]["counts"] == {"products": 1}


@pytest.mark.parametrize("end", ["revoked", "expired", "narrowed"])
async def test_it_ends_with_its_key(world: WebhookWorld, receiver: Receiver, end: str) -> None:
    key = make_key(scopes=MANAGE)
    world.change_keys(key)
    made = await world.make(receiver.url)
    narrower = make_key(scopes=("read",), id=key.id)
    world.change_keys(
        *{"revoked": [], "expired": [make_key(scopes=MANAGE, id=key.id, expires_at=1)], "narrowed": [narrower]}[end]
    )
    await world.write("1", n=1)
    await world.step()
    assert receiver.received == []
    ended = await world.endpoints.load(UUID(made["id"]))
    assert ended is not None and ended.state == "ended" and "key" in str(ended.reason)


async def test_it_goes_on_with_the_key_that_takes_the_place_of_its_own(world: WebhookWorld, receiver: Receiver) -> None:
    first = make_key(scopes=MANAGE)
    world.change_keys(first)
    await world.make(receiver.url)
    world.change_keys(make_key("msk_another_key_for_the_same_bot_0001", scopes=MANAGE, origin=first.id))
    await world.write("1", n=1)
    await world.step()
    assert len(receiver.received) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"epoch": 2},
        {"merchant": UUID(int=7)},
        {"state": "disconnected", "epoch": 2},
        {"state": "redacted", "epoch": 2, "object_key": None, "redacted_epoch": 1},
    ],
)
async def test_it_is_deleted_with_the_connection_as_it_was(
    world: WebhookWorld, receiver: Receiver, change: Any
) -> None:
    made = await world.make(receiver.url)
    receiver.status = 500
    await world.write("1", n=1)
    await world.step()
    world.change_connection(**change)
    await world.step(seconds=20)
    assert len(receiver.received) == 1
    assert await world.endpoints.load(UUID(made["id"])) is None
    async with world.database.transaction() as tx:
        assert (await tx.execute(text("SELECT count(*) FROM deliveries"))).scalar_one() == 0


async def test_what_changed_while_no_process_ran_is_noticed_at_the_start(
    world: WebhookWorld, receiver: Receiver
) -> None:
    made = await world.make(receiver.url)
    world.change_connection(epoch=2)
    world.v1.state.take_changed()
    await DeliveryProcess(world).step()
    assert await world.endpoints.load(UUID(made["id"])) is None


async def test_nobody_sees_or_changes_what_is_somebody_elses(world: WebhookWorld, receiver: Receiver) -> None:
    made = await world.make(receiver.url)
    world.v1.state.apply_keys(make_keys(make_key(OTHER_KEY, scopes=MANAGE), connection=OTHER, revision=2))
    path = f"/{made['id']}"
    calls: list[tuple[str, str, Any]] = [
        ("GET", path, None),
        ("PATCH", path, {"state": "paused"}),
        ("DELETE", path, None),
        ("POST", f"{path}/test", None),
        ("GET", f"{path}/deliveries", None),
        ("POST", f"{path}/replay?since={made['cursor']}", None),
    ]
    for method, at, body in calls:
        answer = await world.request(method, at, key=OTHER_KEY, json=body)
        assert answer.status_code == 404, (method, at)
        nothing = await world.request(method, at.replace(made["id"], str(UUID(int=5))), key=OTHER_KEY, json=body)
        assert answer.json() == nothing.json()
    assert (await world.request("GET", key=OTHER_KEY)).json() == {"endpoints": [], "next_cursor": None}
    assert (
        await world.request("POST", key=OTHER_KEY, json={"url": receiver.url, "connection": ACME})
    ).status_code == 404
    assert (await world.load(made))["state"] == "active"
    world.change_keys(make_key(scopes=("read", "refresh")))
    assert (await world.request("GET", path)).status_code == 403


async def test_a_list_has_pages_and_a_connection_has_ten_at_most(world: WebhookWorld, receiver: Receiver) -> None:
    made = [await world.make(receiver.url, description=str(number)) for number in range(10)]
    answer = await world.request("POST", json={"url": receiver.url})
    assert answer.status_code == 409 and "10" in answer.json()["detail"]
    listed, cursor = [], None
    while True:
        page = (await world.request("GET", params={"limit": 4, **({"cursor": cursor} if cursor else {})})).json()
        listed += page["endpoints"]
        if (cursor := page["next_cursor"]) is None:
            break
    assert sorted(one["id"] for one in listed) == sorted(one["id"] for one in made)
    assert (await world.request("DELETE", f"/{made[0]['id']}")).status_code == 204
    assert (await world.request("GET", f"/{made[0]['id']}")).status_code == 404
    await world.make(receiver.url)


async def test_an_endpoint_starts_at_a_cursor_if_one_is_given(world: WebhookWorld, receiver: Receiver) -> None:
    head = (await world.v1.get("/changes/head")).json()["cursor"]
    await world.write("1", n=1)
    await world.make(receiver.url, since=head)
    await world.step()
    assert receiver.messages[0]["data"]["counts"] == {"products": 1}
    answer = await world.request("POST", json={"url": receiver.url, "since": f"{UUID(int=1).hex}.1.0"})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "options",
    [
        {"url": ""},
        {"url": "https://bot\0.example"},
        {"description": "a\0"},
        {"resources": []},
        {"resources": [""]},
        {"resources": ["a\0"]},
        {"since": {}},
        {"since": "yesterday"},
    ],
)
async def test_a_malformed_endpoint_is_refused_as_the_document_says(
    world: WebhookWorld, receiver: Receiver, document: dict[str, Any], options: dict[str, Any]
) -> None:
    made = await world.make(receiver.url)
    body = {"url": receiver.url, **options}
    assert not Draft202012Validator(document["components"]["schemas"]["EndpointRequest"]).is_valid(body)
    assert (await world.request("POST", json=body)).status_code == 400
    if "since" not in options:
        assert not Draft202012Validator(document["components"]["schemas"]["EndpointChangeRequest"]).is_valid(options)
        assert (await world.request("PATCH", f"/{made['id']}", json=options)).status_code == 400


@pytest.mark.parametrize(
    ("path", "query"),
    [("/{endpoint}/replay", {"since": ""}), ("/{endpoint}/replay", {"since": "1.2"}), ("", {"cursor": "x"})],
)
async def test_a_malformed_place_is_refused_as_the_document_says(
    world: WebhookWorld, receiver: Receiver, document: dict[str, Any], path: str, query: dict[str, str]
) -> None:
    made = await world.make(receiver.url)
    method = "post" if path else "get"
    described = {one["name"]: one for one in document["paths"][f"/v1/endpoints{path}"][method]["parameters"]}
    for name, value in query.items():
        assert not Draft202012Validator(described[name]["schema"]).is_valid(value)
    answer = await world.request(method.upper(), path.format(endpoint=made["id"]), params=query)
    assert answer.status_code == 400


async def test_deliveries_are_forgotten_after_a_week(world: WebhookWorld, receiver: Receiver) -> None:
    made = await world.make(receiver.url)
    await world.write("1", n=1)
    await world.step()
    world.pass_time(days=6.9)
    await world.endpoints.prune(world.time)
    assert len(await world.list_deliveries(made)) == 1
    world.pass_time(days=0.2)
    await world.endpoints.prune(world.time)
    assert await world.list_deliveries(made) == []


async def test_no_secret_and_no_body_stays_readable_in_the_database(world: WebhookWorld, receiver: Receiver) -> None:
    made = await world.make(receiver.url, full=True)
    await world.write("1", title="nobody must keep this")
    await world.step()
    async with world.database.transaction() as tx:
        rows = [
            str(row)
            for table in ("endpoints", "deliveries")
            for row in await tx.execute(text(f"SELECT * FROM {table}"))
        ]
    assert made["secret"].removeprefix("whsec_") not in "".join(rows)
    assert "nobody must keep this" not in "".join(rows)
    assert receiver.messages[0]["data"]["changes"][0]["data"] == {"title": "nobody must keep this"}


async def test_a_secret_outlives_the_key_under_which_it_was_stored(world: WebhookWorld, receiver: Receiver) -> None:
    world.time = datetime.now(UTC)
    made = await world.make(receiver.url)
    for keys in (("k2", "k1"), ("k2",)):
        secrets = make_secrets(*keys)
        assert await secrets.renew(world.endpoints) is False
        world.process = DeliveryProcess(world, sender=MessageSender(world.receivers, secrets, world.get_time))
        await world.write("1", n=keys[-1])
        await world.step()
        receiver.received[-1].verify(made["secret"])
    assert len(receiver.received) == 2
    stored = await world.endpoints.load(UUID(made["id"]))
    assert stored is not None and stored.secret.startswith("k2.")


async def test_what_a_leaked_key_has_diverted_ends_with_this_key(world: WebhookWorld, receiver: Receiver) -> None:
    good, leaked = make_key(scopes=MANAGE), make_key("msk_a_key_that_somebody_has_found_001", scopes=MANAGE)
    world.change_keys(good, leaked)
    made = await world.make(receiver.url)
    diverted = {"url": receiver.url.replace("acme", "thief"), "full": True}
    thief = "msk_a_key_that_somebody_has_found_001"
    assert (await world.request("PATCH", f"/{made['id']}", key=thief, json=diverted)).status_code == 200
    world.change_keys(good)
    await world.write("1", n=1)
    await world.step()
    assert receiver.received == []
    assert (await world.load(made))["state"] == "ended"


async def test_a_process_that_knows_less_waits(world: WebhookWorld, receiver: Receiver) -> None:
    """Its topics lag, or it lacks a key of the operator: it must neither end nor delete what others have made."""
    world.change_connection(epoch=2)
    world.change_keys(make_key(scopes=MANAGE, epoch=2))
    await world.feed.raise_epoch()
    made = await world.make(receiver.url)
    await world.write("1", n=1)
    lagging = make_state(make_connection())
    for state in (lagging, KnownState()):
        behind = EndpointOwners(world.endpoints, make_access(state), world.get_time)
        assert await behind.settle([]) == set()
        world.process = DeliveryProcess(world, owners=behind)
        await world.step(minutes=2)
    assert receiver.received == []
    assert (await world.load(made))["state"] == "active"
    world.process = DeliveryProcess(world)
    await world.step(minutes=2)
    assert len(receiver.received) == 1


@pytest.mark.parametrize("way", ["replay", "end"])
async def test_a_reset_that_was_not_taken_is_sent_again(world: WebhookWorld, receiver: Receiver, way: str) -> None:
    made = await world.make(receiver.url)
    await world.write("1", n=1)
    await world.step()
    world.pass_time(minutes=1)
    down_since = world.time
    receiver.status = 500 if way == "replay" else 410
    await world.feed.renew()
    await world.v1.notice()
    await world.step()
    assert receiver.messages[-1]["type"] == "feed.reset"
    receiver.status = 200
    if way == "replay":
        await world.request("POST", f"/{made['id']}/replay", params={"since": down_since.isoformat()})
    else:
        await world.request("PATCH", f"/{made['id']}", json={"state": "active"})
    await world.step()
    assert [message["type"] for message in receiver.messages] == ["records.changed", "feed.reset", "feed.reset"]


async def test_a_process_without_the_lease_ends_nothing(world: WebhookWorld, receiver: Receiver) -> None:
    made = await world.make(receiver.url)
    receiver.status = 500
    await world.write("1", n=1)
    await world.step()
    assert not await world.endpoints.end(UUID(made["id"]), "too late", world.time, UUID(int=9))
    (pending,) = await world.list_deliveries(made)
    assert pending["state"] == "pending"
    receiver.status = 200
    await world.step(seconds=20)
    assert len(receiver.received) == 2


async def test_a_change_of_the_address_breaks_off_the_visit_that_uses_the_former_one(
    world: WebhookWorld, receiver: Receiver
) -> None:
    made = await world.make(receiver.url)
    receiver.status = 500
    await world.write("1", n=1)
    await world.step()
    world.pass_time(seconds=20)
    (claim,) = await DeliveryStore(world.database).claim(world.time, is_quick=False, limit=10)
    new_url = receiver.url.replace("acme", "new")
    await world.request("PATCH", f"/{made['id']}", json={"url": new_url})
    with pytest.raises(LeaseLostError):
        await DeliveryStore(world.database).advance(
            claim, claim.endpoint.position, world.time, next_message_at=world.time
        )
    receiver.status = 200
    await world.step()
    assert receiver.received[-1].path == "/hook?for=new", "at once, not at the time of the next attempt"


async def test_slow_receivers_wait_for_each_other_alone(
    world: WebhookWorld, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await world.make(receiver.url)
    store = DeliveryStore(world.database)
    for limit, is_quick in ((60.0, True), (0.0, False)):
        monkeypatch.setattr("data_api.store.endpoints.SLOW_SECONDS", limit)
        await world.write("1", n=limit)
        await world.step()
        world.pass_time(minutes=2)
        assert [claim.endpoint.id for claim in await store.claim(world.time, is_quick=is_quick, limit=9)] == [
            UUID(made["id"])
        ]
        world.pass_time(minutes=2)
    assert len(receiver.received) == 2


async def test_a_stopping_process_begins_no_visits(world: WebhookWorld, receiver: Receiver) -> None:
    await world.make(receiver.url)
    receiver.is_silent = True
    await world.write("1", n=1)
    world.pass_time(seconds=1)
    async with world.process.deliverer.run():
        await receiver.wait_for(1)
    assert len(receiver.received) == 1
    receiver.is_silent = False
    await world.step(seconds=1)
    assert len({one.id for one in receiver.received}) == 1 and len(receiver.received) == 2, "it was given back at once"
