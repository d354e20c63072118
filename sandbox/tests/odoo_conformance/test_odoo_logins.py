"""Who may call: keys, wrong keys, removed keys, and the rights of users."""

import pytest

from odoo_client import Login, Odoo, OdooFault
from samples import Fruits, make_prefix
from worlds import World, connect, open_transport

EMPLOYEE = "base.group_user"
PRODUCT_MANAGER = "product.group_product_manager"
STOCK_MANAGER = "stock.group_stock_manager"
REMOTE = ("jsonrpc", "xmlrpc")


@pytest.fixture(scope="session")
def employee(world: World) -> Login:
    """A user without any further right."""
    return world.create_user(EMPLOYEE)


@pytest.mark.parametrize("transport", REMOTE)
def test_a_right_key_is_answered_with_the_id_of_the_user(world: World, transport: str) -> None:
    assert open_transport(world, transport, world.login).authenticate() == world.login.uid


@pytest.mark.parametrize("transport", REMOTE)
def test_a_wrong_key_and_a_wrong_login_are_answered_alike(world: World, employee: Login, transport: str) -> None:
    database = world.login.database
    for login in (Login(database, employee.login, "wrong"), Login(database, make_prefix(), "wrong")):
        assert open_transport(world, transport, login).authenticate() is False
    assert open_transport(world, transport, employee).authenticate() == employee.uid, "which forgets the failures"


@pytest.mark.parametrize("transport", REMOTE)
def test_a_call_with_a_wrong_key_is_denied(world: World, employee: Login, transport: str) -> None:
    wrong = Login(employee.database, employee.login, "wrong", employee.uid)
    with pytest.raises(OdooFault) as refused:
        connect(world, transport, wrong).search("product.template", [], limit=1)
    assert "Access Denied" in refused.value.message
    if transport == "jsonrpc":
        assert refused.value.full_name == "odoo.exceptions.AccessDenied"
    else:
        assert refused.value.code == 3
    assert open_transport(world, transport, employee).authenticate() == employee.uid


def test_json_2_denies_a_wrong_key_by_status(world: World, employee: Login) -> None:
    if "json2" not in world.transports:
        pytest.skip(f"version {world.version} has no JSON-2")
    wrong = Login(employee.database, employee.login, "wrong", employee.uid)
    with pytest.raises(OdooFault) as refused:
        connect(world, "json2", wrong).search("product.template", [], limit=1)
    assert refused.value.code == 401


def test_a_key_tells_its_owner_its_name_and_when_it_expires_and_never_the_key(world: World) -> None:
    login, number = world.create_key(world.create_user(EMPLOYEE), days=1)
    view = connect(world, "jsonrpc", login)
    fields = view.call("res.users.apikeys", "fields_get", attributes=["type"])
    asked = [name for name in ("name", "scope", "user_id", "expiration_date") if name in fields]
    assert ("expiration_date" in asked) == (world.version >= 18)
    assert not {"key", "index"} & set(fields)
    (row,) = view.search_read("res.users.apikeys", [("id", "=", number)], *asked)
    assert (row["user_id"][0], row["name"][:1]) == (login.uid, "T")
    if world.version >= 18:
        assert len(row["expiration_date"]) == 19


def test_a_user_sees_only_their_own_keys(world: World) -> None:
    login, number = world.create_key(world.create_user(EMPLOYEE))
    other = connect(world, "jsonrpc", world.create_user(EMPLOYEE))
    assert number not in other.search("res.users.apikeys", [])
    assert number in connect(world, "jsonrpc", login).search("res.users.apikeys", [])


def test_a_removed_key_that_was_used_still_calls_and_only_the_login_notices(world: World) -> None:
    owner = world.create_user(EMPLOYEE)
    login, number = world.create_key(owner)
    transport = open_transport(world, "jsonrpc", login)
    view = Odoo(transport, {})
    assert transport.authenticate() == login.uid
    assert view.search("product.template", [], limit=1) != [0]
    world.remove_key(owner, number)
    assert transport.authenticate() is False
    assert view.search("product.template", [], limit=1) != [0]


def test_no_call_deletes_a_key(world: World, odoo: Odoo) -> None:
    _, number = world.create_key(world.create_user(EMPLOYEE))
    with pytest.raises(OdooFault) as refused:
        odoo.unlink("res.users.apikeys", number)
    assert refused.value.name == "AccessError"


def test_an_archived_user_cannot_log_in(world: World, odoo: Odoo) -> None:
    login = world.create_user(EMPLOYEE)
    odoo.write("res.users", login.uid, active=False)
    assert open_transport(world, "jsonrpc", login).authenticate() is False


READ = ("product.template", "product.product", "product.tag", "stock.quant", "stock.warehouse", "stock.location",
        "res.company", "ir.attachment")  # fmt: skip


@pytest.mark.parametrize("model", READ)
def test_an_employee_reads(world: World, employee: Login, model: str) -> None:
    view = connect(world, "jsonrpc", employee)
    assert isinstance(view.search(model, [], limit=1), list)
    assert view.call(model, "check_access_rights", operation="read", raise_exception=False) is True


@pytest.mark.parametrize("model", ["product.template", "product.tag", "product.category"])
def test_an_employee_does_not_write(world: World, employee: Login, model: str) -> None:
    view = connect(world, "jsonrpc", employee)
    assert view.call(model, "check_access_rights", operation="write", raise_exception=False) is False
    with pytest.raises(OdooFault) as refused:
        view.create(model, name=make_prefix())
    assert refused.value.full_name == "odoo.exceptions.AccessError"
    assert f"({model})" in refused.value.message
    assert refused.value.message.startswith("You are not allowed to create '")


def test_external_ids_are_for_administrators(world: World, employee: Login) -> None:
    with pytest.raises(OdooFault) as refused:
        connect(world, "jsonrpc", employee).search("ir.model.data", [], limit=1)
    assert refused.value.name == "AccessError"
    assert refused.value.message.startswith("You are not allowed to access 'Model Data' (ir.model.data) records.")


def test_a_refused_right_is_fault_4_of_xml_rpc(world: World, employee: Login, fruits: Fruits) -> None:
    with pytest.raises(OdooFault) as refused:
        connect(world, "xmlrpc", employee).write("product.template", fruits.ids["apple"], name="x")
    assert refused.value.code == 4
    assert refused.value.message.startswith("You are not allowed to modify 'Product' (product.template) records.")


def test_a_refused_right_is_403_of_json_2(world: World, employee: Login, fruits: Fruits) -> None:
    if "json2" not in world.transports:
        pytest.skip(f"version {world.version} has no JSON-2")
    with pytest.raises(OdooFault) as refused:
        connect(world, "json2", employee).write("product.template", fruits.ids["apple"], name="x")
    assert (refused.value.code, refused.value.full_name) == (403, "odoo.exceptions.AccessError")


def test_a_product_manager_writes_products_and_no_stock(world: World, fruits: Fruits) -> None:
    view = connect(world, "jsonrpc", world.create_user(EMPLOYEE, PRODUCT_MANAGER))
    number = view.create("product.template", name=make_prefix())
    assert view.write("product.template", number, list_price=3) is True
    assert view.call("stock.quant", "check_access_rights", operation="create", raise_exception=False) is False


def test_a_stock_manager_counts(world: World, odoo: Odoo) -> None:
    view = connect(world, "jsonrpc", world.create_user(EMPLOYEE, STOCK_MANAGER))
    for operation in ("read", "write", "create"):
        assert view.call("stock.quant", "check_access_rights", operation=operation, raise_exception=False) is True


def test_the_rights_on_records_are_asked_for_since_18(world: World, employee: Login) -> None:
    if world.version < 18:
        pytest.skip("17 has no has_access")
    view = connect(world, "jsonrpc", employee)
    assert view.call("product.template", "has_access", [], operation="read") is True
    assert view.call("product.template", "has_access", [], operation="write") is False


def test_five_wrong_keys_deny_the_address_for_a_minute(world: World) -> None:
    if not world.is_simulated:
        pytest.skip("everybody else at the real server would be denied as well")
    login = world.create_user(EMPLOYEE)
    wrong = open_transport(world, "jsonrpc", Login(login.database, login.login, "wrong"))
    right = open_transport(world, "jsonrpc", login)
    for _ in range(4):
        assert wrong.authenticate() is False
    assert right.authenticate() == login.uid
    for _ in range(5):
        assert wrong.authenticate() is False
    assert right.authenticate() is False
    world.forget_failures()
    assert right.authenticate() == login.uid
