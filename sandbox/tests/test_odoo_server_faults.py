"""The faults of the simulated Odoo, and how its transports answer."""

import xmlrpc.client
from typing import Any

import httpx
import pytest

NEW = {"name": "New"}


async def count_named(odoo_server: Any, name: str) -> int:
    """Return how many products have a name."""
    return int(await odoo_server.call("product.template", "search_count", [("name", "=", name)]))


async def test_requests_fail_with_a_status_and_a_time_to_wait(odoo_server: Any) -> None:
    await odoo_server.control("PUT", "/faults", {"fail_requests": 1, "fail_status": 503, "retry_after": 7})
    response = await odoo_server.http.post("/jsonrpc", json={})
    assert (response.status_code, response.headers["retry-after"]) == (503, "7")
    assert await odoo_server.authenticate() == 2


async def test_a_page_comes_in_place_of_json(odoo_server: Any) -> None:
    await odoo_server.control("PUT", "/faults", {"html_requests": 1})
    response = await odoo_server.http.post("/jsonrpc", json={})
    assert response.status_code == 200 and response.headers["content-type"].startswith("text/html")


async def test_two_writers_at_once_are_an_error_and_nothing_is_written(odoo_server: Any) -> None:
    await odoo_server.control("PUT", "/faults", {"concurrency_errors": 1})
    assert await odoo_server.call("product.template", "create", NEW) == "psycopg2.errors.SerializationFailure"
    assert await count_named(odoo_server, "New") == 0
    assert isinstance(await odoo_server.call("product.template", "create", NEW), int)


async def test_for_load_two_writers_at_once_are_a_message(odoo_server: Any) -> None:
    await odoo_server.control("PUT", "/faults", {"concurrency_errors": 1, "methods": ["product.template.load"]})
    assert await odoo_server.call("product.template", "write", [1], {"name": "Written"}) is True
    answer = await odoo_server.call("product.template", "load", ["id", "name"], [["__test__.one", "New"]])
    assert answer["ids"] is False and "could not serialize access" in answer["messages"][0]["message"]


async def test_a_call_is_carried_out_although_no_answer_arrives(odoo_server: Any) -> None:
    await odoo_server.control("PUT", "/faults", {"hidden_calls": 1, "methods": ["create"]})
    with pytest.raises(httpx.RemoteProtocolError):
        await odoo_server.call("product.template", "create", NEW)
    assert await count_named(odoo_server, "New") == 1


async def test_an_answer_ends_in_the_middle(odoo_server: Any) -> None:
    await odoo_server.control("PUT", "/faults", {"cut_calls": 1, "spared_calls": 1})
    await odoo_server.call("product.template", "search_read", [], ["name"])
    with pytest.raises(httpx.RemoteProtocolError):
        await odoo_server.call("product.template", "search_read", [], ["name"])
    assert len(await odoo_server.call("product.template", "search_read", [], ["name"])) > 0


async def test_calls_are_counted_by_model_and_method_and_errors_by_name(odoo_server: Any) -> None:
    await odoo_server.control("DELETE", "/statistics")
    await odoo_server.call("product.template", "search_count", [])
    await odoo_server.call("product.template", "search_count", [("nosuch", "=", 1)])
    report = await odoo_server.control("GET", "/statistics")
    assert report["calls"] == {"product.template.search_count": 2}
    assert report["errors"] == {"builtins.ValueError": 1} and report["requests"] == {"jsonrpc": 2}


async def test_a_method_without_a_result_has_none_in_json_rpc_and_a_fault_in_xml_rpc(odoo_server: Any) -> None:
    login = (odoo_server.database, odoo_server.user, odoo_server.key)
    call = (*login, "product.tag", "create", [{"name": "A tag"}])
    tag = (await odoo_server.post("object", "execute_kw", *call))["result"]
    quant = (await odoo_server.call("stock.quant", "search", []))[0]
    counting = (*login, "stock.quant", "action_apply_inventory", [[quant]])
    assert await odoo_server.post("object", "execute_kw", *counting) == {"jsonrpc": "2.0", "id": 1}
    body = xmlrpc.client.dumps(counting, "execute_kw")
    answer = await odoo_server.http.post("/xmlrpc/2/object", content=body)
    with pytest.raises(xmlrpc.client.Fault, match="cannot marshal None") as fault:
        xmlrpc.client.loads(answer.content)
    assert fault.value.faultCode == 1 and isinstance(tag, int)


@pytest.mark.parametrize(("version", "status"), [(17, 404), (18, 200)])
async def test_versions_before_19_answer_json_2_with_a_page(odoo_server: Any, version: int, status: int) -> None:
    await odoo_server.control("PUT", "/setup", {"version": version})
    response = await odoo_server.http.post("/json/2/product.template/search_read", json={})
    assert response.status_code == status and response.headers["content-type"].startswith("text/html")
    assert (await odoo_server.http.get("/web/version")).status_code == 404


async def test_json_2_names_parameters_and_tells_errors_by_status(odoo_server: Any) -> None:
    await odoo_server.control("PUT", "/setup", {"version": 19})
    http, headers = odoo_server.http, {"Authorization": f"bearer {odoo_server.key}"}

    async def post(path: str, **body: Any) -> tuple[int, Any]:
        response = await http.post(f"/json/2/{path}", json=body, headers=headers)
        return response.status_code, response.json()

    assert (await http.get("/web/version")).json()["version_info"][0] == 19
    assert await post("product.template/search", domain=[("id", "=", 1)]) == (200, [1])
    assert (await post("product.template/create", vals_list=[NEW]))[1] == [41]
    assert await post("product.template/write", ids=[41], vals={"name": "Newer"}) == (200, True)
    assert (await post("product.template/nosuch"))[0] == 404
    assert (await post("no.such/search"))[0] == 404
    assert (await post("product.template/search", ids=[1], domain=[]))[0] == 422
    assert (await post("product.template/search", nosuch=1))[0] == 422
    status, error = await post("product.template/write", ids=[999_999], vals={})
    assert (status, error["name"]) == (404, "odoo.exceptions.MissingError")
    headers["Authorization"] = "bearer wrong"
    assert (await post("product.template/search", domain=[]))[0] == 401


async def test_json_2_needs_the_name_of_the_database_where_there_are_several(odoo_server: Any) -> None:
    await odoo_server.control("PUT", "/setup", {"version": 19})
    await odoo_server.control("PUT", "/databases/second", {"products": 1})
    headers = {"Authorization": f"bearer {odoo_server.key}"}
    path = "/json/2/product.template/search_count"
    assert (await odoo_server.http.post(path, json={"domain": []}, headers=headers)).status_code == 404
    headers["X-Odoo-Database"] = "second"
    assert (await odoo_server.http.post(path, json={"domain": []}, headers=headers)).status_code == 200


async def test_a_database_that_there_is_not_is_an_error(odoo_server: Any) -> None:
    answer = await odoo_server.post("common", "authenticate", "none", "admin", "key", {})
    data = answer["error"]["data"]
    assert data["name"] == "psycopg2.OperationalError" and 'database "none" does not exist' in data["message"]
