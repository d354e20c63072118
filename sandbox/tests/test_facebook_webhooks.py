"""Webhooks of pages: both levels of subscription, and the delivery, packing, signature and retry of changes."""

import hashlib
import hmac
from typing import Any

import orjson
import pytest

from sandbox.facebook.webhooks import compute_retry_delay

APP, SECRET = "123456789012345", b"facebook-sandbox-secret"


def test_retry_delays_grow_and_add_up_to_thirty_six_hours() -> None:
    delays = [compute_retry_delay(attempt, 1.0) for attempt in range(1, 13)]
    assert delays[0] == 0.0 and delays == sorted(delays) and sum(delays) == pytest.approx(36 * 3_600)
    assert compute_retry_delay(13, 1.0) is None


async def test_an_app_subscription_requires_a_url_that_answers_the_challenge(graph: Any, receiver: Any) -> None:
    form = {"object": "page", "fields": "name,phone", "callback_url": receiver.url, "verify_token": "wrong"}
    path = f"{APP}/subscriptions"
    assert (await graph.request("POST", path, graph.app_token, **form)).json()["error"]["code"] == 2200
    assert (await graph.get(path, graph.app_token)) == {"data": []}
    form["verify_token"] = "verify"
    assert (await graph.request("POST", path, graph.app_token, **form)).json() == {"success": True}
    form["fields"] = "email"
    await graph.request("POST", path, graph.app_token, **form)
    subscription = (await graph.get(path, graph.app_token))["data"][0]
    assert [field["name"] for field in subscription["fields"]] == ["email"]
    assert subscription["callback_url"] == receiver.url
    await graph.request("DELETE", path, graph.app_token, object="user")
    await graph.request("DELETE", path, graph.app_token, object="page", fields="name")
    assert (await graph.get(path, graph.app_token))["data"] == [subscription]
    assert (await graph.request("DELETE", path, graph.app_token, object="page")).json() == {"success": True}
    assert (await graph.get(path, graph.app_token)) == {"data": []}


async def test_an_app_subscription_requires_an_app_token(graph: Any, receiver: Any) -> None:
    token = await graph.sign_in()
    assert (await graph.request("POST", f"{APP}/subscriptions", token, object="page")).json()["error"]["code"] == 15


async def test_a_public_callback_url_must_be_https(graph: Any) -> None:
    form = {"object": "page", "fields": "name", "callback_url": "http://app.example/", "verify_token": "verify"}
    answer = await graph.request("POST", f"{APP}/subscriptions", graph.app_token, **form)
    assert "https" in answer.json()["error"]["message"]


async def test_an_unknown_field_refuses_a_page_subscription_and_a_valid_one_replaces_it(graph: Any) -> None:
    page, token = next(iter((await graph.connect_pages()).items()))
    path = f"{page}/subscribed_apps"
    assert (await graph.request("POST", path, token)).json()["error"]["code"] == 100
    assert (await graph.request("POST", path, token, subscribed_fields="")).status_code == 500
    error = (await graph.request("POST", path, token, subscribed_fields="name,about")).json()["error"]
    assert error["message"].startswith("(#100) Param subscribed_fields[1] must be one of {affiliation, ")
    assert error["message"].endswith('} - got "about"')
    for fields, subscribed_fields in (("name,phone", ["name", "phone"]), ('["email"]', ["email"])):
        assert (await graph.request("POST", path, token, subscribed_fields=fields)).json() == {"success": True}
        assert (await graph.get(path, token))["data"][0]["subscribed_fields"] == subscribed_fields
    await graph.request("DELETE", path, token)
    assert await graph.get(path, token) == {"data": []}


async def test_a_page_subscription_requires_a_page_token_and_permissions(graph: Any) -> None:
    user = await graph.sign_in(declined="pages_messaging")
    account = (await graph.get("me/accounts", user))["data"][0]
    page, token = account["id"], account["access_token"]
    path, codes = f"{page}/subscribed_apps", []
    for text, field in ((user, "name"), (token, "messages"), (token, "name")):
        answer = (await graph.request("POST", path, text, subscribed_fields=field)).json()
        codes.append(answer.get("error", {}).get("code"))
    owner = (await graph.call_control("GET", "/users"))["users"][0]["id"]
    await graph.call_control("PUT", f"/users/{owner}/permissions", {"pages_manage_metadata": "declined"})
    error = (await graph.request("POST", path, token, subscribed_fields="name")).json()["error"]
    assert codes == [210, 200, None] and error["code"] == 200
    assert error["message"] == (
        "(#200) To subscribe to the name field, one of these permissions is needed: pages_manage_metadata"
    )


async def test_the_signature_of_a_delivery_covers_the_raw_body(graph: Any, receiver: Any) -> None:
    pages = await graph.connect_pages()
    await graph.subscribe(receiver.url, "name,email,location", pages)
    page = next(iter(pages))
    values = {"name": "Größe/L", "emails": ["neu@example.com"], "about": "not subscribed"}
    await graph.call_control("PATCH", f"/pages/{page}", values)
    headers, body = (await receiver.wait(1))[0]
    assert headers["x-hub-signature-256"] == f"sha256={hmac.new(SECRET, body, hashlib.sha256).hexdigest()}"
    assert b"Gr\\u00f6\\u00dfe\\/L" in body
    payload = orjson.loads(body)
    (entry,) = payload["entry"]
    assert payload["object"] == "page" and entry["id"] == page and isinstance(entry["time"], int)
    assert entry["changes"] == [
        {"field": "name", "value": "Größe/L"}, {"field": "email", "value": "neu@example.com"},
    ]  # fmt: skip


async def test_only_fields_of_both_subscriptions_are_delivered(graph: Any, receiver: Any) -> None:
    pages = await graph.connect_pages()
    (first, token), (second, _), (third, _) = pages.items()
    await graph.subscribe(receiver.url, "name,phone", {first: token})
    await graph.request("POST", f"{first}/subscribed_apps", token, subscribed_fields="phone,website")
    for page, values in (
        (first, {"name": "No"}), (first, {"website": "https://no.example"}), (second, {"phone": "No"}),
        (first, {"link": "https://no.example", "username": "no"}), (first, {"phone": "Yes"}), (third, {"name": "No"}),
    ):  # fmt: skip
        await graph.call_control("PATCH", f"/pages/{page}", values)
    await graph.call_control("POST", "/drift")
    await graph.call_control("PATCH", f"/pages/{first}", {"phone": "Yes"})
    await graph.call_control("PATCH", f"/pages/{first}", {"phone": "Last"})
    changes = [orjson.loads(body)["entry"][0]["changes"] for _, body in await receiver.wait(2)]
    assert changes == [[{"field": "phone", "value": value}] for value in ("Yes", "Last")]


async def test_without_include_values_only_field_names_are_delivered(graph: Any, receiver: Any) -> None:
    pages = await graph.connect_pages()
    await graph.subscribe(receiver.url, "name", pages, include_values="false")
    await graph.call_control("PATCH", f"/pages/{next(iter(pages))}", {"name": "Neu"})
    entry = orjson.loads((await receiver.wait(1))[0][1])["entry"][0]
    assert entry["changed_fields"] == ["name"] and "changes" not in entry


async def test_a_burst_is_delivered_in_batches_of_a_thousand_entries(graph: Any, receiver: Any) -> None:
    pages = await graph.connect_pages()
    await graph.subscribe(receiver.url, "name,phone,website,description,bio", pages)
    burst = await graph.call_control("POST", "/burst", {"edits": 1_200, "seed": 7})
    bodies = [orjson.loads(body)["entry"] for _, body in await receiver.wait(2)]
    assert sorted(len(entries) for entries in bodies) == [200, 1_000]
    assert {entry["id"] for entries in bodies for entry in entries} == set(burst["pages"]) == set(pages)
    everything = [orjson.dumps(entry) for entries in bodies for entry in entries]
    assert len(set(everything)) == 1_200


async def test_a_retry_sends_the_same_body(graph: Any, receiver: Any) -> None:
    pages = await graph.connect_pages()
    await graph.subscribe(receiver.url, "name", pages)
    receiver.statuses = [500, 404, 302]
    page = next(iter(pages))
    await graph.call_control("PATCH", f"/pages/{page}", {"name": "Neu"})
    requests = await receiver.wait(4)
    assert len({body for _, body in requests}) == 1
    path = f"/deliveries?page={page}"
    while (log := (await graph.call_control("GET", path))["deliveries"][0])["status"] == "pending":
        continue
    assert [attempt["outcome"] for attempt in log["history"]] == ["500", "404", "302", "200"]
    assert (log["status"], log["pages"]) == ("delivered", [page])


async def test_a_delivery_that_fails_for_good_keeps_the_subscriptions(graph: Any, receiver: Any) -> None:
    pages = await graph.connect_pages()
    await graph.subscribe(receiver.url, "name", pages)
    receiver.statuses = [503] * 13
    page = next(iter(pages))
    await graph.call_control("PATCH", f"/pages/{page}", {"name": "Lost"})
    await receiver.wait(13)
    while (log := (await graph.call_control("GET", "/deliveries"))["deliveries"][0])["status"] == "pending":
        continue
    assert (log["status"], log["attempts"]) == ("failed", 13)
    await graph.call_control("PATCH", f"/pages/{page}", {"name": "Delivered"})
    assert b"Delivered" in (await receiver.wait(14))[13][1]
    listing = await graph.call_control("GET", "/deliveries?limit=1")
    assert (listing["total"], len(listing["deliveries"])) == (2, 1)


async def test_a_deleted_page_sends_no_webhooks(graph: Any, receiver: Any) -> None:
    pages = await graph.connect_pages()
    await graph.subscribe(receiver.url, "name", pages)
    page = next(iter(pages))
    await graph.call_control("DELETE", f"/pages/{page}")
    await graph.call_control("PATCH", f"/pages/{page}", {"name": "Gone"})
    assert (await graph.call_control("GET", "/deliveries"))["total"] == 0


async def test_deliveries_can_be_dropped_and_duplicated(graph: Any, receiver: Any) -> None:
    pages = await graph.connect_pages()
    await graph.subscribe(receiver.url, "name", pages)
    page = next(iter(pages))
    for faults, name in (({"webhooks_off": True}, "Dropped"), ({"webhooks_duplicated": 2}, "Delivered")):
        await graph.call_control("PUT", "/faults", faults)
        await graph.call_control("PATCH", f"/pages/{page}", {"name": name})
    requests = await receiver.wait(3)
    assert len({body for _, body in requests}) == 1 and b"Delivered" in requests[0][1]
    assert (await graph.call_control("GET", "/deliveries?status=dropped"))["total"] == 1


async def test_subscriptions_can_be_deleted_without_notice_to_the_app(graph: Any, receiver: Any) -> None:
    pages = await graph.connect_pages()
    await graph.subscribe(receiver.url, "name", pages)
    page, token = next(iter(pages.items()))
    assert (await graph.call_control("DELETE", f"/pages/{page}/subscription"))["subscribed"] is None
    assert await graph.get(f"{page}/subscribed_apps", token) == {"data": []}
    assert (await graph.call_control("DELETE", "/subscription"))["subscription"] is None
    assert await graph.get(f"{APP}/subscriptions", graph.app_token) == {"data": []}
