"""What goes over the wire: versions, answers, errors, and what answers where nothing is."""

from dataclasses import dataclass
from typing import Any

import pytest

from odoo_client import NOTHING_TO_MARSHAL, Json2, JsonRpc, Odoo, OdooFault, XmlRpc
from samples import Box, Fruits, make_prefix
from worlds import World, connect

TRANSPORTS = ("jsonrpc", "xmlrpc", "json2")


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest, world: World) -> str:
    """One of the transports that the version has."""
    if request.param not in world.transports:
        pytest.skip(f"version {world.version} has no {request.param}")
    return str(request.param)


@pytest.fixture
def jsonrpc(world: World) -> JsonRpc:
    """JSON-RPC as an administrator."""
    return JsonRpc(world.http, world.login)


@pytest.fixture
def xmlrpc(world: World) -> XmlRpc:
    """XML-RPC as an administrator."""
    return XmlRpc(world.http, world.login)


def get_error_code(world: World) -> int:
    """Return the number in every error of JSON-RPC, which means nothing."""
    return 200 if world.version < 19 else 0


def is_json(content_type: str) -> bool:
    """Return whether the header says that the body is JSON."""
    return content_type.partition(";")[0] == "application/json"


def test_the_version_is_told_without_a_login(world: World, jsonrpc: JsonRpc, xmlrpc: XmlRpc) -> None:
    asked = {"jsonrpc": "2.0", "method": "call", "params": {}}
    answer = world.http.post("web/webclient/version_info", json=asked).json()
    told = [answer["result"], jsonrpc.call_service("common", "version"), xmlrpc.call_service("common", "version")]
    assert told[0] == told[1] == told[2]
    assert told[0]["server_version_info"][:3] == [world.version, 0, 0]
    assert told[0]["server_serie"] == f"{world.version}.0"
    assert told[0]["server_version"].startswith(f"{world.version}.0")
    assert told[0]["protocol_version"] == 1


def test_before_19_a_page_answers_where_json_2_would_be(world: World) -> None:
    answers = [
        world.http.get("web/version"),
        world.http.post("json/2/res.partner/search", json={"domain": []}, headers={"Authorization": "bearer x"}),
    ]
    if world.version >= 19:
        assert [answer.status_code for answer in answers] == [200, 401]
        assert answers[0].json()["version"] == f"{world.version}.0"
        return
    for answer in answers:
        assert not is_json(answer.headers["content-type"]) and answer.status_code in (200, 404)


def test_an_answer_of_json_rpc_has_the_id_of_its_call(world: World, jsonrpc: JsonRpc) -> None:
    login = world.login
    answer = jsonrpc.post("common", "authenticate", login.database, login.login, login.key, {})
    assert (answer.status_code, is_json(answer.headers["content-type"])) == (200, True)
    assert answer.json() == {"jsonrpc": "2.0", "id": 7, "result": login.uid}


def test_an_error_of_json_rpc_is_in_an_answer_of_200(world: World, jsonrpc: JsonRpc) -> None:
    login = world.login
    answer = jsonrpc.post("object", "execute_kw", login.database, login.uid, login.key, "nosuch", "read", [[1]], {})
    assert answer.status_code == 200
    error = answer.json()["error"]
    assert (error["code"], error["message"]) == (get_error_code(world), "Odoo Server Error")
    assert error["data"]["name"] == "odoo.exceptions.UserError"
    assert error["data"]["message"] == "Object nosuch doesn't exist"
    assert error["data"]["arguments"] == ["Object nosuch doesn't exist"]
    assert error["data"]["context"] == {} and "Traceback" in error["data"]["debug"]


def test_a_method_that_returns_nothing_has_no_result_in_json_rpc(world: World, jsonrpc: JsonRpc, box: Box) -> None:
    login, quant = world.login, box.count(5)
    answer = jsonrpc.post(
        "object", "execute_kw", login.database, login.uid, login.key, "stock.quant", "action_apply_inventory",
        [[quant]], {},
    )  # fmt: skip
    assert answer.json() == {"jsonrpc": "2.0", "id": 7}
    assert box.list_quants() == [5.0]


def test_a_method_that_returns_nothing_is_a_fault_of_xml_rpc_after_it_was_carried_out(
    world: World, xmlrpc: XmlRpc, box: Box
) -> None:
    login, quant = world.login, box.count(5)
    with pytest.raises(OdooFault) as refused:
        xmlrpc.call_service(
            "object", "execute_kw", login.database, login.uid, login.key, "stock.quant", "action_apply_inventory",
            [[quant]],
        )  # fmt: skip
    assert refused.value.code == 1 and NOTHING_TO_MARSHAL in refused.value.message
    assert box.list_quants() == [5.0]


def test_json_2_answers_null_where_there_is_nothing(world: World, box: Box) -> None:
    if "json2" not in world.transports:
        pytest.skip(f"version {world.version} has no JSON-2")
    answer = Json2(world.http, world.login).post("stock.quant", "action_apply_inventory", {"ids": [box.count(5)]})
    assert (answer.status_code, answer.json()) == (200, None)
    assert box.list_quants() == [5.0]


def test_all_transports_read_the_same_values(world: World, fruits: Fruits) -> None:
    fields = [
        "name", "categ_id", "product_tag_ids", "list_price", "barcode", "description_sale", "write_date", "sale_ok",
    ]  # fmt: skip
    domain = [("name", "like", f"{fruits.prefix} ")]
    answers = [
        connect(world, transport).search_read("product.template", domain, *fields, order="id")
        for transport in world.transports
    ]
    assert len(answers[0]) == 4
    assert all(answer == answers[0] for answer in answers)


def test_all_transports_write_and_read_back_the_same(world: World, transport: str) -> None:
    odoo, text = connect(world, transport), "é 🎁 <b>&amp;\n\"'"
    number = odoo.create("product.template", name=make_prefix(), description_sale=text, list_price=2.5)
    assert odoo.write("product.template", number, weight=0.25) is True
    row = odoo.read("product.template", number, "description_sale", "list_price", "weight")
    assert (row["description_sale"], row["list_price"], row["weight"]) == (text, 2.5, 0.25)
    answer = odoo.call("product.template", "load", fields=[".id", "name"], data=[[str(number), "loaded"]])
    assert answer == {"ids": [number], "messages": [], "nextrow": 0}


@dataclass(frozen=True)
class Mistake:
    """A wrong call, and how it is answered: the exception, the fault of XML-RPC and the status of JSON-2."""

    model: str
    method: str
    named: dict[str, Any]
    name: str
    fault: int
    status: int


PRODUCTS = "product.template"
MISTAKES = {
    "a model that is not": Mistake("nosuch", "search", {"domain": []}, "UserError", 2, 404),
    "a method that is not": Mistake("res.partner", "nosuch", {"ids": [1]}, "AttributeError", 1, 404),
    "a field that is not": Mistake("res.partner", "read", {"ids": [1], "fields": ["nosuch"]}, "ValueError", 1, 500),
    "a record that is not": Mistake(
        PRODUCTS, "write", {"ids": [99_999_999], "vals": {"name": "x"}}, "MissingError", 2, 404
    ),
    "a value that is missing": Mistake(PRODUCTS, "create", {"vals_list": [{"name": False}]}, "ValidationError", 2, 422),
    "a parameter that is not": Mistake(PRODUCTS, "search", {"domain": [], "nosuch": 1}, "TypeError", 1, 422),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_an_error_has_its_name_and_the_code_of_the_transport(world: World, transport: str, case: str) -> None:
    mistake = MISTAKES[case]
    with pytest.raises(OdooFault) as refused:
        connect(world, transport).call(mistake.model, mistake.method, **mistake.named)
    codes = {"jsonrpc": get_error_code(world), "xmlrpc": mistake.fault, "json2": mistake.status}
    assert refused.value.code == codes[transport]
    if transport == "jsonrpc":
        assert refused.value.name == mistake.name


@pytest.mark.parametrize("method", ["_search", "_private"])
def test_a_method_that_begins_with_an_underscore_cannot_be_called(odoo: Odoo, method: str) -> None:
    with pytest.raises(OdooFault) as refused:
        odoo.call("res.partner", method, [1])
    assert refused.value.name in ("AccessError", "AttributeError", "NotFound")


def test_a_database_that_is_not_there_is_told_in_the_message(world: World, jsonrpc: JsonRpc, xmlrpc: XmlRpc) -> None:
    login = world.login
    for arguments in (
        ("common", "authenticate", "nosuch", login.login, login.key, {}),
        ("object", "execute_kw", "nosuch", login.uid, login.key, "res.partner", "search", [[]], {}),
    ):
        with pytest.raises(OdooFault) as refused:
            jsonrpc.call_service(*arguments)
        assert refused.value.full_name in ("psycopg2.OperationalError", "builtins.KeyError")
        assert "nosuch" in refused.value.message
        with pytest.raises(OdooFault) as refused:
            xmlrpc.call_service(*arguments)
        assert refused.value.code == 1 and "nosuch" in refused.value.message


def test_control_characters_are_left_out_of_the_answers_of_xml_rpc(world: World) -> None:
    number = connect(world, "jsonrpc").create("product.template", name=make_prefix(), description_sale="a\x01b\tc\nd")
    assert connect(world, "jsonrpc").get("product.template", number, "description_sale") == "a\x01b\tc\nd"
    assert connect(world, "xmlrpc").get("product.template", number, "description_sale") == "ab\tc\nd"


def test_what_is_no_json_is_refused_with_a_page(world: World) -> None:
    headers = {"Content-Type": "application/json"}
    answer = world.http.post("jsonrpc", content="no json", headers=headers)
    assert (answer.status_code, is_json(answer.headers["content-type"])) == (400, False)
