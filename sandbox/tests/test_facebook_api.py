"""The Graph API: reading people and pages, errors, versions and batches."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from sandbox.facebook.errors import GraphError
from sandbox.facebook.expected_document import DEFAULT_FIELDS
from sandbox.facebook.field_selection import parse_fields
from sandbox.facebook.graph_schema import PAGE_FIELDS, WEBHOOK_FIELDS

APP = "123456789012345"


def test_the_field_names_equal_the_published_lists(references: Path) -> None:
    published = [
        set((references / f"meta_page_{name}_v25.txt").read_text().split()) for name in ("fields", "subscribed_fields")
    ]
    assert published == [PAGE_FIELDS, WEBHOOK_FIELDS]


def test_readable_fields_differ_from_webhook_fields() -> None:
    assert "emails" in PAGE_FIELDS - WEBHOOK_FIELDS and "email" in WEBHOOK_FIELDS - PAGE_FIELDS
    assert not {"about", "link", "username", "fan_count"} & WEBHOOK_FIELDS


def test_fields_can_be_nested_and_have_modifiers() -> None:
    selection = parse_fields("id, name,picture.type(large){url,width},location{city}")
    assert [field.name for field in selection] == ["id", "name", "picture", "location"]
    assert selection[2].modifiers == ".type(large)"
    assert [field.name for field in selection[2].nested] == ["url", "width"]


@pytest.mark.parametrize("text", ["", "name,", "picture{url", "picture}", "na me", "name;drop"])
def test_a_syntax_error_in_fields_is_refused(text: str) -> None:
    with pytest.raises(GraphError):
        parse_fields(text)


async def test_accounts_are_listed_page_by_page_to_the_end(graph: Any) -> None:
    await graph.call_control("POST", "/pages", {"count": 47, "seed": 1})
    token = await graph.sign_in()
    ids, sizes, after = [], [], {}
    while True:
        body = await graph.get("me/accounts", token, **after)
        ids += [page["id"] for page in body["data"]]
        sizes.append(len(body["data"]))
        if "next" not in body.get("paging", {}):
            break
        assert "access_token=" in body["paging"]["next"] and "appsecret_proof" not in body["paging"]["next"]
        after = {"after": body["paging"]["cursors"]["after"]}
    assert sizes == [25, 25, 0] and len(set(ids)) == 50


async def test_an_empty_page_of_accounts_may_have_a_next_one(graph: Any) -> None:
    pages = (await graph.call_control("POST", "/pages", {"count": 40, "seed": 1}))["pages"]
    token = await graph.sign_in(pages=pages[-1]["id"])
    first = await graph.get("me/accounts", token)
    assert first["data"] == [] and first["paging"]["next"]
    last = await graph.get("me/accounts", token, after=first["paging"]["cursors"]["after"], limit=100)
    assert [page["id"] for page in last["data"]] == [pages[-1]["id"]]
    assert sorted(last["data"][0]) == ["access_token", "category", "category_list", "id", "name", "tasks"]


async def test_a_list_contains_at_most_a_hundred_accounts(graph: Any) -> None:
    await graph.call_control("POST", "/pages", {"count": 105, "seed": 1})
    accounts = await graph.get("me/accounts", await graph.sign_in(), limit=1_000)
    assert len(accounts["data"]) == 100 and accounts["paging"]["next"]


async def test_without_its_permission_the_list_of_accounts_is_empty(graph: Any) -> None:
    token = await graph.sign_in(declined="pages_show_list")
    assert await graph.get("me/accounts", token) == {"data": []}


async def test_a_page_contains_the_selected_fields_that_have_a_value(graph: Any) -> None:
    page, token = next(iter((await graph.connect_pages()).items()))
    await graph.call_control("PATCH", f"/pages/{page}", {"phone": None, "website": "https://näh.example/"})
    body = await graph.get(page, token, fields="name,phone,website,picture{url},location{city}")
    assert body["id"] == page and "phone" not in body and body["website"] == "https://näh.example/"
    assert list(body["picture"]["data"]) == ["url"]
    assert (await graph.get(page, token)).keys() == {"id", "name"}
    large = await graph.get("me", token, fields="picture.type(large)")
    assert large["picture"]["data"]["width"] == 200


async def test_all_fields_of_the_document_can_be_read_in_one_call(graph: Any) -> None:
    page, token = next(iter((await graph.connect_pages()).items()))
    node = await graph.get(page, token, fields=",".join(DEFAULT_FIELDS).replace("picture", "picture{url}"))
    (expected,) = (await graph.call_control("GET", f"/pages/{page}/document"))["data"]
    assert node == {key: value for key, value in expected.items() if value is not None and key != "email"}


@pytest.mark.parametrize("field", ["email", "created_time", "gender", "secrets"])
async def test_one_unknown_field_fails_the_whole_request(graph: Any, field: str) -> None:
    page, token = next(iter((await graph.connect_pages()).items()))
    answer = await graph.request("GET", page, token, fields=f"name,{field}")
    error = answer.json()["error"]
    assert answer.status_code == 400 and error["code"] == 100 and error["fbtrace_id"]
    assert error["message"] == f"(#100) Tried accessing nonexisting field ({field}) on node type (Page)"


async def test_without_its_permission_only_basic_fields_can_be_read(graph: Any) -> None:
    page, token = next(iter((await graph.connect_pages(declined="pages_read_engagement")).items()))
    assert (await graph.get(page, token, fields="name"))["name"]
    answer = await graph.request("GET", page, token, fields="name,about")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, 10)


async def test_deleted_pages_and_pages_of_others_are_not_found(graph: Any) -> None:
    pages = await graph.connect_pages()
    (first, token), (second, _), *_ = pages.items()
    errors = [(await graph.request("GET", second, token)).json()["error"]]
    await graph.call_control("DELETE", f"/pages/{first}")
    errors.append((await graph.request("GET", first, token)).json()["error"])
    assert {(error["code"], error["error_subcode"], error["type"]) for error in errors} == {
        (100, 33, "GraphMethodException")
    }
    assert (await graph.request("GET", "someshop", token)).json()["error"]["code"] == 803
    await graph.call_control("POST", f"/pages/{first}/restore")
    assert (await graph.get(first, token))["id"] == first


async def test_a_token_can_be_sent_in_a_header(graph: Any, compute_proof: Any) -> None:
    page, token = next(iter((await graph.connect_pages()).items()))
    params = {"fields": "id", "appsecret_proof": compute_proof(token)}
    for scheme, status in (("Bearer", 200), ("OAuth", 200), ("Basic", 400)):
        headers = {"Authorization": f"{scheme} {token}"}
        answer = await graph.http.get(f"/graph/v25.0/{page}", params=params, headers=headers)
        assert answer.status_code == status, answer.text


async def test_unknown_edges_methods_and_tokens_are_refused(graph: Any) -> None:
    page, token = next(iter((await graph.connect_pages()).items()))
    codes = [
        (await graph.request(method, path, text)).json()["error"]["code"]
        for method, path, text in (
            ("GET", f"{page}/feud", token), ("POST", page, token), ("GET", page, ""), ("GET", page, "EAAx"),
            ("GET", "me", graph.app_token), ("GET", "me", f"{APP}|wrong"),
        )
    ]  # fmt: skip
    assert codes == [100, 100, 104, 190, 2500, 190]


@pytest.mark.parametrize(
    ("requested", "resolved"), [("v25.0", "v25.0"), ("v26.0", "v26.0"), ("v19.0", "v21.0"), ("", "v21.0")]
)
async def test_the_oldest_version_answers_for_an_expired_one(graph: Any, requested: str, resolved: str) -> None:
    token = await graph.sign_in()
    graph.version = requested
    answer = await graph.request("GET", "me", token)
    assert answer.headers["facebook-api-version"] == resolved and answer.status_code == 200


async def test_a_version_that_never_existed_is_an_error(graph: Any) -> None:
    graph.version = "v99.0"
    answer = await graph.request("GET", "me", "x")
    assert answer.status_code == 400 and answer.json()["error"]["code"] == 2500


async def test_each_call_of_a_batch_uses_its_own_token(graph: Any, compute_proof: Any) -> None:
    pages = await graph.connect_pages()
    urls = {token: f"{page}?fields=name&appsecret_proof={compute_proof(token)}" for page, token in pages.items()}
    items = [{"method": "GET", "relative_url": url, "access_token": token} for token, url in urls.items()]
    items.append({"method": "GET", "relative_url": f"v25.0/{next(iter(pages))}?fields=email", "access_token": "dead"})
    answer = await graph.request("POST", "", batch=orjson.dumps(items).decode())
    results = answer.json()
    assert [result["code"] for result in results] == [200, 200, 200, 400]
    assert [orjson.loads(result["body"]).get("id") for result in results] == [*pages, None]
    assert {"name": "facebook-api-version", "value": "v25.0"} in results[0]["headers"]
    statistics = await graph.call_control("GET", "/statistics")
    assert statistics["batches"] == {"4": 1} and statistics["calls"]["page.get"] == 3


async def test_a_batch_of_more_than_fifty_calls_is_refused_and_results_can_be_null(graph: Any) -> None:
    item = {"method": "GET", "relative_url": "me"}
    answer = await graph.request("POST", "", batch=orjson.dumps([item] * 51).decode())
    assert answer.status_code == 400 and answer.json()["error"]["type"] == "GraphBatchException"
    await graph.call_control("PUT", "/faults", {"batch_null_ratio": 1})
    answer = await graph.request("POST", "", batch=orjson.dumps([item] * 50).decode())
    assert answer.json() == [None] * 50


async def test_the_document_contains_the_page_in_canonical_bytes(graph: Any) -> None:
    page = next(iter(await graph.connect_pages()))
    emails = ["eins@example.com", "zwei@example.com"]
    await graph.call_control("PATCH", f"/pages/{page}", {"name": "Große “L”", "phone": None, "emails": emails})
    raw = (await graph.http.get(f"/control/facebook/pages/{page}/document")).content
    body = orjson.loads(raw)["data"][0]
    assert raw == orjson.dumps({"data": [body]}, option=orjson.OPT_SORT_KEYS) and "Große “L”".encode() in raw
    assert set(body) == {*DEFAULT_FIELDS, "email"} and body["email"] == "eins@example.com" and body["phone"] is None
    short = orjson.loads((await graph.http.get(f"/control/facebook/pages/{page}/document?fields=name,emails")).content)
    assert short["data"][0].keys() == {"id", "name", "emails", "email"}
    await graph.call_control("DELETE", f"/pages/{page}")
    assert (await graph.http.get(f"/control/facebook/pages/{page}/document")).content == b'{"data":[]}'
