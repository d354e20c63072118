"""The Graph API: what it answers about people and pages, and how it says no."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from sandbox.facebook import field_selection as fields
from sandbox.facebook.errors import GraphError
from sandbox.facebook.expected_document import KEYS
from sandbox.facebook.graph_schema import PAGE_FIELDS, WEBHOOK_FIELDS

APP = "123456789012345"


def test_the_names_are_those_of_the_published_lists(references: Path) -> None:
    published = [
        set((references / f"meta_page_{name}_v25.txt").read_text().split()) for name in ("fields", "subscribed_fields")
    ]
    assert published == [PAGE_FIELDS, WEBHOOK_FIELDS]


def test_reading_and_subscribing_know_different_names() -> None:
    assert "emails" in PAGE_FIELDS - WEBHOOK_FIELDS and "email" in WEBHOOK_FIELDS - PAGE_FIELDS
    assert not {"about", "link", "username", "fan_count"} & WEBHOOK_FIELDS


def test_fields_nest_and_take_modifiers() -> None:
    asked = fields.parse("id, name,picture.type(large){url,width},location{city}")
    assert [one.name for one in asked] == ["id", "name", "picture", "location"]
    assert asked[2].modifiers == ".type(large)" and [one.name for one in asked[2].nested] == ["url", "width"]


@pytest.mark.parametrize("text", ["", "name,", "picture{url", "picture}", "na me", "name;drop"])
def test_fields_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(GraphError):
        fields.parse(text)


async def test_accounts_are_read_page_by_page_to_the_end(graph: Any) -> None:
    await graph.control("POST", "/pages", {"count": 47, "seed": 1})
    token = await graph.sign_in()
    seen, sizes, after = [], [], {}
    while True:
        body = await graph.get("me/accounts", token, **after)
        seen += [page["id"] for page in body["data"]]
        sizes.append(len(body["data"]))
        if "next" not in body.get("paging", {}):
            break
        assert "access_token=" in body["paging"]["next"] and "appsecret_proof" not in body["paging"]["next"]
        after = {"after": body["paging"]["cursors"]["after"]}
    assert sizes == [25, 25, 0] and len(set(seen)) == 50


async def test_an_empty_page_of_accounts_may_have_a_next_one(graph: Any) -> None:
    made = (await graph.control("POST", "/pages", {"count": 40, "seed": 1}))["pages"]
    token = await graph.sign_in(pages=made[-1]["id"])
    first = await graph.get("me/accounts", token)
    assert first["data"] == [] and first["paging"]["next"]
    last = await graph.get("me/accounts", token, after=first["paging"]["cursors"]["after"], limit=100)
    assert [page["id"] for page in last["data"]] == [made[-1]["id"]]
    assert sorted(last["data"][0]) == ["access_token", "category", "category_list", "id", "name", "tasks"]


async def test_at_most_a_hundred_accounts_come_at_once(graph: Any) -> None:
    await graph.control("POST", "/pages", {"count": 105, "seed": 1})
    listed = await graph.get("me/accounts", await graph.sign_in(), limit=1_000)
    assert len(listed["data"]) == 100 and listed["paging"]["next"]


async def test_without_its_permission_there_are_no_accounts(graph: Any) -> None:
    token = await graph.sign_in(declined="pages_show_list")
    assert await graph.get("me/accounts", token) == {"data": []}


async def test_a_page_answers_what_is_asked_for_and_filled_in(graph: Any) -> None:
    page, token = next(iter((await graph.pages()).items()))
    await graph.control("PATCH", f"/pages/{page}", {"phone": None, "website": "https://näh.example/"})
    body = await graph.get(page, token, fields="name,phone,website,picture{url},location{city}")
    assert body["id"] == page and "phone" not in body and body["website"] == "https://näh.example/"
    assert list(body["picture"]["data"]) == ["url"]
    assert (await graph.get(page, token)).keys() == {"id", "name"}
    large = await graph.get("me", token, fields="picture.type(large)")
    assert large["picture"]["data"]["width"] == 200


async def test_all_that_the_object_shows_can_be_asked_for_at_once(graph: Any) -> None:
    page, token = next(iter((await graph.pages()).items()))
    found = await graph.get(page, token, fields=",".join(KEYS).replace("picture", "picture{url}"))
    (shown,) = (await graph.control("GET", f"/pages/{page}/document"))["data"]
    assert found == {key: value for key, value in shown.items() if value is not None and key != "email"}


@pytest.mark.parametrize("field", ["email", "created_time", "gender", "secrets"])
async def test_one_bad_field_fails_the_whole_request(graph: Any, field: str) -> None:
    page, token = next(iter((await graph.pages()).items()))
    answer = await graph.ask("GET", page, token, fields=f"name,{field}")
    error = answer.json()["error"]
    assert answer.status_code == 400 and error["code"] == 100 and error["fbtrace_id"]
    assert error["message"] == f"(#100) Tried accessing nonexisting field ({field}) on node type (Page)"


async def test_a_page_tells_little_without_its_permission(graph: Any) -> None:
    page, token = next(iter((await graph.pages(declined="pages_read_engagement")).items()))
    assert (await graph.get(page, token, fields="name"))["name"]
    answer = await graph.ask("GET", page, token, fields="name,about")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, 10)


async def test_pages_of_others_and_pages_gone_are_not_there(graph: Any) -> None:
    pages = await graph.pages()
    (first, token), (second, _), *_ = pages.items()
    errors = [(await graph.ask("GET", second, token)).json()["error"]]
    await graph.control("DELETE", f"/pages/{first}")
    errors.append((await graph.ask("GET", first, token)).json()["error"])
    assert {(error["code"], error["error_subcode"], error["type"]) for error in errors} == {
        (100, 33, "GraphMethodException")
    }
    assert (await graph.ask("GET", "someshop", token)).json()["error"]["code"] == 803
    await graph.control("POST", f"/pages/{first}/restore")
    assert (await graph.get(first, token))["id"] == first


async def test_a_token_may_come_in_a_header(graph: Any, proved: Any) -> None:
    page, token = next(iter((await graph.pages()).items()))
    params = {"fields": "id", "appsecret_proof": proved(token)}
    for scheme, status in (("Bearer", 200), ("OAuth", 200), ("Basic", 400)):
        headers = {"Authorization": f"{scheme} {token}"}
        answer = await graph.http.get(f"/graph/v25.0/{page}", params=params, headers=headers)
        assert answer.status_code == status, answer.text


async def test_unknown_edges_methods_and_tokens_are_refused(graph: Any) -> None:
    page, token = next(iter((await graph.pages()).items()))
    codes = [
        (await graph.ask(method, path, text)).json()["error"]["code"]
        for method, path, text in (
            ("GET", f"{page}/feud", token), ("POST", page, token), ("GET", page, ""), ("GET", page, "EAAx"),
            ("GET", "me", graph.app_token), ("GET", "me", f"{APP}|wrong"),
        )
    ]  # fmt: skip
    assert codes == [100, 100, 104, 190, 2500, 190]


@pytest.mark.parametrize(
    ("asked", "served"), [("v25.0", "v25.0"), ("v26.0", "v26.0"), ("v19.0", "v21.0"), ("", "v21.0")]
)
async def test_an_expired_version_is_answered_by_the_oldest(graph: Any, asked: str, served: str) -> None:
    token = await graph.sign_in()
    graph.version = asked
    answer = await graph.ask("GET", "me", token)
    assert answer.headers["facebook-api-version"] == served and answer.status_code == 200


async def test_a_version_that_never_was_is_an_error(graph: Any) -> None:
    graph.version = "v99.0"
    answer = await graph.ask("GET", "me", "x")
    assert answer.status_code == 400 and answer.json()["error"]["code"] == 2500


async def test_a_batch_answers_each_call_with_its_own_token(graph: Any, proved: Any) -> None:
    pages = await graph.pages()
    items = [
        {"method": "GET", "relative_url": f"{page}?fields=name&appsecret_proof={proved(token)}", "access_token": token}
        for page, token in pages.items()
    ]
    items.append({"method": "GET", "relative_url": f"v25.0/{next(iter(pages))}?fields=email", "access_token": "dead"})
    answer = await graph.ask("POST", "", batch=orjson.dumps(items).decode())
    found = answer.json()
    assert [item["code"] for item in found] == [200, 200, 200, 400]
    assert [orjson.loads(item["body"]).get("id") for item in found] == [*pages, None]
    assert {"name": "facebook-api-version", "value": "v25.0"} in found[0]["headers"]
    statistics = await graph.control("GET", "/statistics")
    assert statistics["batches"] == {"4": 1} and statistics["calls"]["page.get"] == 3


async def test_a_batch_of_more_than_fifty_is_refused_and_items_may_be_null(graph: Any) -> None:
    item = {"method": "GET", "relative_url": "me"}
    answer = await graph.ask("POST", "", batch=orjson.dumps([item] * 51).decode())
    assert answer.status_code == 400 and answer.json()["error"]["type"] == "GraphBatchException"
    await graph.control("PUT", "/faults", {"batch_null_ratio": 1})
    answer = await graph.ask("POST", "", batch=orjson.dumps([item] * 50).decode())
    assert answer.json() == [None] * 50


async def test_the_document_is_the_page_in_canonical_bytes(graph: Any) -> None:
    page = next(iter(await graph.pages()))
    emails = ["eins@example.com", "zwei@example.com"]
    await graph.control("PATCH", f"/pages/{page}", {"name": "Große “L”", "phone": None, "emails": emails})
    raw = (await graph.http.get(f"/control/facebook/pages/{page}/document")).content
    body = orjson.loads(raw)["data"][0]
    assert raw == orjson.dumps({"data": [body]}, option=orjson.OPT_SORT_KEYS) and "Große “L”".encode() in raw
    assert set(body) == {*KEYS, "email"} and body["email"] == "eins@example.com" and body["phone"] is None
    few = orjson.loads((await graph.http.get(f"/control/facebook/pages/{page}/document?fields=name,emails")).content)
    assert few["data"][0].keys() == {"id", "name", "emails", "email"}
    await graph.control("DELETE", f"/pages/{page}")
    assert (await graph.http.get(f"/control/facebook/pages/{page}/document")).content == b'{"data":[]}'
