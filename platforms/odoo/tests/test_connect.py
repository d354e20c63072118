"""A database is connected only after everything that is needed of it was tried."""

from datetime import UTC, datetime

import httpx
import pytest

from platform_sdk.errors import RequestRejectedError, TransientError
from platform_sdk.public_addresses import Resolver
from platforms.odoo.checks import KEYS
from platforms.odoo.connect import OdooAccounts, OdooConnector, create_adapter
from platforms.odoo.http import create_http_client
from platforms.odoo.logins import TransportName, decode_login
from platforms.odoo.refusals import MAX_REFUSALS, SECONDS, RefusalLimit
from platforms.odoo.settings import Settings
from platforms.odoo.tests.server import DATABASE, KEY, LOGIN, UID, URL, SimulatedOdoo

NOW = int(datetime(2026, 11, 30, tzinfo=UTC).timestamp() * 1000)
ACCOUNT = "odoo.example.com/shop"


def connect(odoo: SimulatedOdoo) -> OdooConnector:
    return OdooConnector(odoo.open_http, lambda: NOW)


def fill_form(**values: str) -> dict[str, str]:
    return {"url": f"{URL}/web", "database": DATABASE, "login": LOGIN, "key": KEY, **values}


async def refuse(odoo: SimulatedOdoo, **values: str) -> str:
    with pytest.raises(RequestRejectedError) as raised:
        await connect(odoo).check_credentials(fill_form(**values))
    assert KEY not in raised.value.reason
    return raised.value.reason


async def test_a_database_is_granted_with_what_was_found_out() -> None:
    grants = await connect(SimulatedOdoo()).check_credentials(fill_form(key=f" {KEY}\n"))
    (account, grant), *others = grants.items()
    assert (account, others, grant.title) == (ACCOUNT, [], "Acme (shop)")
    login = decode_login(grant.access_token)
    assert (login.transport, login.version, login.uid, login.key) == (TransportName.JSONRPC, "18.0", UID, KEY)
    assert KEY not in repr(grant) and KEY not in repr(login)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"url": "ftp://x"}, "Address of Odoo: write"),
        ({"database": "a/b"}, "Database: a database has letters"),
        ({"database": "other"}, "has no database other"),
        ({"key": "wrong"}, "does not accept this login and API key"),
        ({"login": "somebody"}, "does not accept this login and API key"),
    ],
)
async def test_a_refusal_says_which_value_to_correct(values: dict[str, str], reason: str) -> None:
    assert reason in await refuse(SimulatedOdoo(), **values)


async def test_rights_that_are_missing_are_named() -> None:
    reason = await refuse(SimulatedOdoo(denied={"stock.quant", "account.tax"}))
    assert "may not read account.tax, stock.quant" in reason


async def test_apps_that_are_missing_are_named() -> None:
    assert "app Sales, Inventory is not installed" in await refuse(SimulatedOdoo(missing={"stock.quant", "sale.order"}))


async def test_a_user_without_a_warehouse_is_refused() -> None:
    assert "no warehouse" in await refuse(SimulatedOdoo(rows={"stock.warehouse": []}))


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ([], None),
        ([{"scope": "rpc", "expiration_date": False}], None),
        ([{"scope": "rpc", "expiration_date": "2026-12-10 10:00:00"}], "2026-12-10T10:00:00+00:00"),
        ([{"scope": False, "expiration_date": "2026-12-10 10:00:00"}], "2026-12-10T10:00:00+00:00"),
        ([{"scope": "rpc", "expiration_date": "2026-11-10 10:00:00"}], None),
        ([{"scope": "odoo.plugin", "expiration_date": "2026-12-10 10:00:00"}], None),
    ],
)
async def test_the_expiry_of_the_key_is_read_where_odoo_tells_it(
    keys: list[dict[str, object]], expected: str | None
) -> None:
    odoo = SimulatedOdoo(rows={KEYS: keys}, fields={KEYS: {"expiration_date": {"type": "datetime"}}})
    grants = await connect(odoo).check_credentials(fill_form())
    until = grants[ACCOUNT].readable_until
    assert (until and datetime.fromtimestamp(until / 1000, UTC).isoformat()) == expected


@pytest.mark.parametrize("odoo", [SimulatedOdoo(), SimulatedOdoo(denied={KEYS})])
async def test_an_odoo_that_does_not_tell_the_expiry_is_connected_all_the_same(odoo: SimulatedOdoo) -> None:
    grants = await connect(odoo).check_credentials(fill_form())
    assert grants[ACCOUNT].readable_until is None


async def test_a_key_is_valid_as_long_as_odoo_takes_it() -> None:
    odoo = SimulatedOdoo()
    connector = connect(odoo)
    token = (await connector.check_credentials(fill_form()))[ACCOUNT].access_token
    assert await connector.is_token_valid(ACCOUNT, token)
    odoo.key = "another"
    assert not await connector.is_token_valid(ACCOUNT, token)
    odoo.respond = lambda _: httpx.Response(502)
    with pytest.raises(TransientError):
        await connector.is_token_valid(ACCOUNT, token)


async def test_so_few_wrong_keys_are_tried_that_odoo_goes_on_taking_the_right_one() -> None:
    odoo = SimulatedOdoo()
    connector = connect(odoo)
    for _ in range(MAX_REFUSALS):
        with pytest.raises(RequestRejectedError, match="does not accept"):
            await connector.check_credentials(fill_form(key="wrong"))
    count = len(odoo.requests)
    with pytest.raises(RequestRejectedError, match="wait a minute") as raised:
        await connector.check_credentials(fill_form())
    assert (len(odoo.requests), raised.value.status) == (count, 429)


def test_refusals_count_for_a_minute_and_for_one_database() -> None:
    now = [0.0]
    limit = RefusalLimit(lambda: now[0])
    for _ in range(MAX_REFUSALS):
        limit.check("a")
        limit.record("a")
    limit.check("b")
    with pytest.raises(RequestRejectedError):
        limit.check("a")
    now[0] = SECONDS
    limit.check("a")


@pytest.mark.parametrize("url", ["http://127.0.0.1:8069", "https://10.0.0.1", "https://169.254.169.254"])
async def test_an_address_that_is_not_public_is_never_called(url: str) -> None:
    resolver = Resolver(1)
    connector = OdooConnector(lambda: create_http_client((), resolver.resolve), lambda: NOW)
    with pytest.raises(RequestRejectedError, match="has no public address"):
        await connector.check_credentials(fill_form(url=url))
    resolver.close()


def test_the_adapter_needs_no_settings_and_has_no_webhooks() -> None:
    adapter = create_adapter(Settings(_env_file=None), httpx.AsyncClient(), lambda: NOW)
    assert (adapter.is_configured, adapter.webhooks, adapter.own_accounts) == (True, None, None)


def test_an_account_leads_to_its_sign_in() -> None:
    accounts = OdooAccounts(Settings(_env_file=None, odoo_allowed_hosts="127.0.0.1:8069"))
    assert accounts.build_account_url(ACCOUNT) == "https://odoo.example.com/web?db=shop"
    assert accounts.build_account_url("127.0.0.1:8069/a") == "http://127.0.0.1:8069/web?db=a"
    assert accounts.build_account_url("h.example.com:80/a") == "http://h.example.com:80/web?db=a"


@pytest.mark.parametrize(
    ("resource", "text", "expected"),
    [
        ("products", "12", "12"),
        ("stock", "12-8", "12-8"),
        ("stock", "12", None),
        ("products", "12-8", None),
        ("products", "0", None),
        ("products", "x", None),
        ("rows", "12", None),
    ],
)
def test_a_record_is_named_by_its_number(resource: str, text: str, expected: str | None) -> None:
    assert OdooAccounts(Settings(_env_file=None)).parse_record_id(ACCOUNT, resource, text) == expected
