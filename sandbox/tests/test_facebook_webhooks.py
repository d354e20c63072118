"""Webhooks of pages: both levels of subscription, what is delivered, packed, signed and retried."""

import hashlib
import hmac
from typing import Any

import orjson
import pytest

from sandbox.facebook.webhooks import retry_delay

APP, SECRET = "123456789012345", b"facebook-sandbox-secret"


def test_retries_grow_rarer_for_thirty_six_hours() -> None:
    delays = [retry_delay(attempt, 1.0) for attempt in range(1, 13)]
    assert delays[0] == 0.0 and delays == sorted(delays) and sum(delays) == pytest.approx(36 * 3_600)
    assert retry_delay(13, 1.0) is None


async def test_the_app_subscribes_only_with_an_address_that_answers_the_challenge(graph: Any, receiver: Any) -> None:
    told = {"object": "page", "fields": "name,phone", "callback_url": receiver.url, "verify_token": "wrong"}
    path = f"{APP}/subscriptions"
    assert (await graph.ask("POST", path, graph.app_token, **told)).json()["error"]["code"] == 2200
    assert (await graph.get(path, graph.app_token)) == {"data": []}
    told["verify_token"] = "verify"
    assert (await graph.ask("POST", path, graph.app_token, **told)).json() == {"success": True}
    told["fields"] = "email"
    await graph.ask("POST", path, graph.app_token, **told)
    found = (await graph.get(path, graph.app_token))["data"][0]
    assert [field["name"] for field in found["fields"]] == ["email"] and found["callback_url"] == receiver.url
    await graph.ask("DELETE", path, graph.app_token, object="user")
    await graph.ask("DELETE", path, graph.app_token, object="page", fields="name")
    assert (await graph.get(path, graph.app_token))["data"] == [found]
    assert (await graph.ask("DELETE", path, graph.app_token, object="page")).json() == {"success": True}
    assert (await graph.get(path, graph.app_token)) == {"data": []}


async def test_only_the_app_itself_subscribes_the_app(graph: Any, receiver: Any) -> None:
    token = await graph.sign_in()
    assert (await graph.ask("POST", f"{APP}/subscriptions", token, object="page")).json()["error"]["code"] == 15


async def test_an_app_is_told_over_https_or_on_its_own_machine(graph: Any) -> None:
    told = {"object": "page", "fields": "name", "callback_url": "http://app.example/", "verify_token": "verify"}
    answer = await graph.ask("POST", f"{APP}/subscriptions", graph.app_token, **told)
    assert "https" in answer.json()["error"]["message"]


async def test_one_wrong_field_refuses_a_pages_subscription_and_the_next_replaces_it(graph: Any) -> None:
    page, token = next(iter((await graph.pages()).items()))
    path = f"{page}/subscribed_apps"
    assert (await graph.ask("POST", path, token)).json()["error"]["code"] == 100
    assert (await graph.ask("POST", path, token, subscribed_fields="")).status_code == 500
    refused = (await graph.ask("POST", path, token, subscribed_fields="name,about")).json()["error"]
    assert refused["message"].startswith("(#100) Param subscribed_fields[1] must be one of {affiliation, ")
    assert refused["message"].endswith('} - got "about"')
    for fields, kept in (("name,phone", ["name", "phone"]), ('["email"]', ["email"])):
        assert (await graph.ask("POST", path, token, subscribed_fields=fields)).json() == {"success": True}
        assert (await graph.get(path, token))["data"][0]["subscribed_fields"] == kept
    await graph.ask("DELETE", path, token)
    assert await graph.get(path, token) == {"data": []}


async def test_subscribing_a_page_takes_its_token_and_permissions(graph: Any) -> None:
    user = await graph.sign_in(declined="pages_messaging")
    found = (await graph.get("me/accounts", user))["data"][0]
    page, token = found["id"], found["access_token"]
    path, codes = f"{page}/subscribed_apps", []
    for text, field in ((user, "name"), (token, "messages"), (token, "name")):
        answer = (await graph.ask("POST", path, text, subscribed_fields=field)).json()
        codes.append(answer.get("error", {}).get("code"))
    owner = (await graph.control("GET", "/users"))["users"][0]["id"]
    await graph.control("PUT", f"/users/{owner}/permissions", {"pages_manage_metadata": "declined"})
    error = (await graph.ask("POST", path, token, subscribed_fields="name")).json()["error"]
    assert codes == [210, 200, None] and error["code"] == 200
    assert error["message"] == (
        "(#200) To subscribe to the name field, one of these permissions is needed: pages_manage_metadata"
    )


async def test_an_edit_is_signed_over_the_raw_body(graph: Any, receiver: Any) -> None:
    pages = await graph.pages()
    await graph.subscribe(receiver.url, "name,email,location", pages)
    page = next(iter(pages))
    values = {"name": "Größe/L", "emails": ["neu@example.com"], "about": "nobody hears this"}
    await graph.control("PATCH", f"/pages/{page}", values)
    headers, body = (await receiver.wait(1))[0]
    assert headers["x-hub-signature-256"] == f"sha256={hmac.new(SECRET, body, hashlib.sha256).hexdigest()}"
    assert b"Gr\\u00f6\\u00dfe\\/L" in body
    told = orjson.loads(body)
    (entry,) = told["entry"]
    assert told["object"] == "page" and entry["id"] == page and isinstance(entry["time"], int)
    assert entry["changes"] == [
        {"field": "name", "value": "Größe/L"}, {"field": "email", "value": "neu@example.com"},
    ]  # fmt: skip


async def test_only_fields_of_both_levels_are_told(graph: Any, receiver: Any) -> None:
    pages = await graph.pages()
    (first, token), (second, _), (third, _) = pages.items()
    await graph.subscribe(receiver.url, "name,phone", {first: token})
    await graph.ask("POST", f"{first}/subscribed_apps", token, subscribed_fields="phone,website")
    for page, values in (
        (first, {"name": "No"}), (first, {"website": "https://no.example"}), (second, {"phone": "No"}),
        (first, {"link": "https://no.example", "username": "no"}), (first, {"phone": "Yes"}), (third, {"name": "No"}),
    ):  # fmt: skip
        await graph.control("PATCH", f"/pages/{page}", values)
    await graph.control("POST", "/drift")
    await graph.control("PATCH", f"/pages/{first}", {"phone": "Yes"})
    await graph.control("PATCH", f"/pages/{first}", {"phone": "Last"})
    found = [orjson.loads(body)["entry"][0]["changes"] for _, body in await receiver.wait(2)]
    assert found == [[{"field": "phone", "value": value}] for value in ("Yes", "Last")]


async def test_without_include_values_only_names_are_told(graph: Any, receiver: Any) -> None:
    pages = await graph.pages()
    await graph.subscribe(receiver.url, "name", pages, include_values="false")
    await graph.control("PATCH", f"/pages/{next(iter(pages))}", {"name": "Neu"})
    entry = orjson.loads((await receiver.wait(1))[0][1])["entry"][0]
    assert entry["changed_fields"] == ["name"] and "changes" not in entry


async def test_many_edits_at_once_come_in_batches_of_a_thousand(graph: Any, receiver: Any) -> None:
    pages = await graph.pages()
    await graph.subscribe(receiver.url, "name,phone,website,description,bio", pages)
    done = await graph.control("POST", "/burst", {"edits": 1_200, "seed": 7})
    bodies = [orjson.loads(body)["entry"] for _, body in await receiver.wait(2)]
    assert sorted(len(entries) for entries in bodies) == [200, 1_000]
    assert {entry["id"] for entries in bodies for entry in entries} == set(done["pages"]) == set(pages)
    everything = [orjson.dumps(entry) for entries in bodies for entry in entries]
    assert len(set(everything)) == 1_200


async def test_a_delivery_is_retried_as_it_was(graph: Any, receiver: Any) -> None:
    pages = await graph.pages()
    await graph.subscribe(receiver.url, "name", pages)
    receiver.statuses = [500, 404, 302]
    page = next(iter(pages))
    await graph.control("PATCH", f"/pages/{page}", {"name": "Neu"})
    found = await receiver.wait(4)
    assert len({body for _, body in found}) == 1
    while (log := (await graph.control("GET", f"/deliveries?page={page}"))["deliveries"][0])["status"] == "pending":
        continue
    assert [attempt["outcome"] for attempt in log["history"]] == ["500", "404", "302", "200"]
    assert (log["status"], log["pages"]) == ("delivered", [page])


async def test_a_delivery_that_is_given_up_leaves_the_subscriptions(graph: Any, receiver: Any) -> None:
    pages = await graph.pages()
    await graph.subscribe(receiver.url, "name", pages)
    receiver.statuses = [503] * 13
    page = next(iter(pages))
    await graph.control("PATCH", f"/pages/{page}", {"name": "Lost"})
    await receiver.wait(13)
    while (log := (await graph.control("GET", "/deliveries"))["deliveries"][0])["status"] == "pending":
        continue
    assert (log["status"], log["attempts"]) == ("failed", 13)
    await graph.control("PATCH", f"/pages/{page}", {"name": "Heard"})
    assert b"Heard" in (await receiver.wait(14))[13][1]
    found = await graph.control("GET", "/deliveries?limit=1")
    assert (found["total"], len(found["deliveries"])) == (2, 1)


async def test_a_page_that_is_gone_tells_nobody(graph: Any, receiver: Any) -> None:
    pages = await graph.pages()
    await graph.subscribe(receiver.url, "name", pages)
    page = next(iter(pages))
    await graph.control("DELETE", f"/pages/{page}")
    await graph.control("PATCH", f"/pages/{page}", {"name": "Gone"})
    assert (await graph.control("GET", "/deliveries"))["total"] == 0


async def test_deliveries_can_be_dropped_and_doubled(graph: Any, receiver: Any) -> None:
    pages = await graph.pages()
    await graph.subscribe(receiver.url, "name", pages)
    page = next(iter(pages))
    for faults, name in (({"webhooks_off": True}, "Unheard"), ({"webhooks_duplicated": 2}, "Heard")):
        await graph.control("PUT", "/faults", faults)
        await graph.control("PATCH", f"/pages/{page}", {"name": name})
    found = await receiver.wait(3)
    assert len({body for _, body in found}) == 1 and b"Heard" in found[0][1]
    assert (await graph.control("GET", "/deliveries?status=dropped"))["total"] == 1


async def test_subscriptions_can_be_dropped_behind_the_apps_back(graph: Any, receiver: Any) -> None:
    pages = await graph.pages()
    await graph.subscribe(receiver.url, "name", pages)
    page, token = next(iter(pages.items()))
    assert (await graph.control("DELETE", f"/pages/{page}/subscription"))["subscribed"] is None
    assert await graph.get(f"{page}/subscribed_apps", token) == {"data": []}
    assert (await graph.control("DELETE", "/subscription"))["subscription"] is None
    assert await graph.get(f"{APP}/subscriptions", graph.app_token) == {"data": []}
