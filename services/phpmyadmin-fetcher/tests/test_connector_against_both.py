"""The gateway's connector against the simulated phpMyAdmin and a real one: what it offers, and each refusal."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from kinds_of_tables import KEYLESS, build_orders
from platform_sdk.connection_methods import ChosenAccount
from platform_sdk.errors import RequestRejectedError, TransientError
from platform_sdk.tokens import join_login
from platforms.phpmyadmin.connect import PhpMyAdminConnector
from platforms.phpmyadmin.logins import PhpMyAdminLogin, decode_token, encode_token
from real_phpmyadmin import Configuration, StartPhpMyAdmin
from table_copy import HttpAnswer, build_settings, serve_answer
from table_worlds import PASSWORD, RealWorld, SimulatedWorld, TableWorld

pytestmark = pytest.mark.integration

ORDERS = build_orders(3, name="orders_to_offer")
KEYLESS_TABLE = replace(KEYLESS, name="keyless_to_offer")
WAYS_TO_SIGN_IN: dict[str, tuple[dict[str, Any], Configuration]] = {
    "http": ({"login_kind": "http"}, Configuration(servers=[{"auth_type": "http", "verbose": "Shop"}])),
    "config": (
        {"login_kind": "config"},
        Configuration([{"auth_type": "config", "user": "hosted", "password": PASSWORD}]),
    ),
    "several servers": ({"servers": 2}, Configuration(servers=[{"verbose": 'The "first"'}, {"verbose": "Second"}])),
    "no export as JSON": ({"has_json_export": False}, Configuration(has_json=False)),
}
"""Ways to sign in that work: how the simulated phpMyAdmin is set up for them, and a real one."""
IMPOSSIBLE: dict[str, tuple[dict[str, Any], Configuration, str]] = {
    "captcha": (
        {"has_captcha": True},
        Configuration(settings={"CaptchaLoginPublicKey": "public-key", "CaptchaLoginPrivateKey": "private-key"}),
        "the form has a captcha, which no program can solve: ask the host",
    ),
    "second factor": (
        {"has_second_factor": True},
        Configuration([{"pmadb": "control", "userconfig": "pma__userconfig"}], settings={"DBG": {"simple2fa": True}}),
        "signs in with a second factor, which no program can: create a user without one",
    ),
    "single sign-on": (
        {"login_kind": "signon"},
        Configuration([{"auth_type": "signon", "SignonSession": "x", "SignonURL": "https://sign-on.example/login"}]),
        "the address leads to https://sign-on.example: .* a program cannot use it",
    ),
}
"""Ways to sign in that no program can go, and what is said about them."""


def build_connector(*allowed: str) -> PhpMyAdminConnector:
    """Build a connector that may call these hosts, in place of this machine."""
    return PhpMyAdminConnector(build_settings(*(allowed or ("127.0.0.1",))), now=lambda: 1_000)


def build_values(login: PhpMyAdminLogin, **changes: str) -> dict[str, str]:
    """Build what a merchant has entered."""
    entered = {name: str(getattr(login, name)) for name in ("url", "username", "password", "database", "server")}
    return {**entered, **changes}


@asynccontextmanager
async def refused(reason: str) -> AsyncIterator[None]:
    """Expect that credentials are refused with these words."""
    with pytest.raises(RequestRejectedError, match=reason):
        yield


@pytest.fixture
def shop(world: TableWorld) -> TableWorld:
    """Make two tables."""
    world.create(ORDERS)
    world.create(KEYLESS_TABLE)
    if isinstance(world, RealWorld):
        world.mariadb.create_user("hosted", PASSWORD, "SELECT ON shop.*")
    return world


@pytest.fixture
def set_up(start_phpmyadmin: StartPhpMyAdmin, shop: TableWorld) -> Any:
    """Return what sets a world up in another way, and returns its login."""

    def change(setup: dict[str, Any], configuration: Configuration) -> PhpMyAdminLogin:
        if isinstance(shop, SimulatedWorld):
            shop.control("PUT", "/setup", setup)
            return shop.login
        assert isinstance(shop, RealWorld)
        return replace(shop.login, url=start_phpmyadmin(configuration).url)

    yield change
    if isinstance(shop, SimulatedWorld):
        shop.reset()


async def test_tables_are_offered_with_what_tells_their_rows_apart(shop: TableWorld) -> None:
    offered = await build_connector().list_offers(build_values(shop.login))
    by_title = {offer.title: offer for offer in offered.offers}
    keyed, keyless = by_title[ORDERS.name], by_title[KEYLESS_TABLE.name]
    assert keyed.remarks == ("Rows are told apart by id.",)
    assert keyless.remarks[0].startswith("Nothing tells its rows apart")
    options = {option.name: option.choices for option in keyed.options}
    assert options == {"exclude": ("name", "note", "changed"), "changed_column": ("changed",)}
    assert offered.remarks == ()


async def test_chosen_tables_are_granted_with_their_options(shop: TableWorld) -> None:
    connector, values = build_connector(), build_values(shop.login)
    offered = {offer.title: offer.account for offer in (await connector.list_offers(values)).offers}
    options = {"exclude": ("note",), "changed_column": ("changed",)}
    chosen = [ChosenAccount(offered[ORDERS.name], options), ChosenAccount(offered[KEYLESS_TABLE.name])]
    grants = await connector.grant_chosen(values, chosen)
    assert list(grants) == [one.account for one in chosen]
    grant = grants[chosen[0].account]
    assert grant.login is not None and grant.title == f"{ORDERS.name} of shop"
    login, chosen_options = decode_token(join_login(grant.login.secret, grant.access_token))
    assert (login, chosen_options.exclude, chosen_options.changed_column) == (shop.login, ("note",), "changed")
    assert await connector.is_token_valid(chosen[0].account, encode_token(login, chosen_options))
    wrong = encode_token(replace(login, password="wrong"), chosen_options)
    assert not await connector.is_token_valid(chosen[0].account, wrong)


async def test_a_user_who_may_write_and_an_unknown_version_are_remarked_on(simulated: SimulatedWorld) -> None:
    simulated.control("PUT", "/setup", {"privileges": ["ALL PRIVILEGES"], "version": "6.0.0"})
    offered = await build_connector().list_offers(build_values(simulated.login))
    assert [remark.partition(".")[0] for remark in offered.remarks] == [
        "This phpMyAdmin has the version 6",
        "This user may write to the database",
    ]


async def test_a_real_user_who_may_write_is_remarked_on(reality: RealWorld) -> None:
    reality.mariadb.create_user("writer", reality.login.password, "SELECT, INSERT ON shop.*")
    offered = await build_connector().list_offers(build_values(replace(reality.login, username="writer")))
    assert [remark.partition(".")[0] for remark in offered.remarks] == ["This user may write to the database"]


@pytest.mark.parametrize("way", WAYS_TO_SIGN_IN)
async def test_every_way_to_sign_in_that_a_program_can_go_works(set_up: Any, way: str) -> None:
    login = set_up(*WAYS_TO_SIGN_IN[way])
    offered = await build_connector().list_offers(build_values(login))
    accounts = [offer.account for offer in offered.offers if offer.title == ORDERS.name]
    assert list(await build_connector().grant_chosen(build_values(login), [ChosenAccount(accounts[0])])) == accounts


@pytest.mark.parametrize("way", IMPOSSIBLE)
async def test_every_way_to_sign_in_that_no_program_can_go_is_named(set_up: Any, shop: TableWorld, way: str) -> None:
    setup, configuration, reason = IMPOSSIBLE[way]
    if isinstance(shop, RealWorld):
        preferences = json.dumps({"2fa": {"backend": "simple", "settings": []}})
        shop.mariadb.execute(
            "CREATE OR REPLACE DATABASE control",
            "CREATE TABLE control.pma__userconfig (username VARCHAR(64) PRIMARY KEY, timevalue TIMESTAMP,"
            f" config_data TEXT) SELECT 'two' AS username, NOW() AS timevalue, '{preferences}' AS config_data",
        )
        shop.mariadb.create_user("two", shop.login.password, "SELECT ON control.*", "SELECT ON shop.*")
    login = set_up(setup, configuration)
    if isinstance(shop, RealWorld):
        login = replace(login, username="two")
    async with refused(reason):
        await build_connector().list_offers(build_values(login))


async def test_a_wrong_password_is_refused(shop: TableWorld) -> None:
    async with refused("does not accept this user and password"):
        await build_connector().list_offers(build_values(shop.login, password="wrong"))


async def test_with_http_basic_a_wrong_password_is_not_told_from_a_database_that_is_away(set_up: Any) -> None:
    login = set_up(*WAYS_TO_SIGN_IN["http"])
    async with refused("does not accept the user and password, or its database does not answer"):
        await build_connector().list_offers(build_values(login, password="wrong"))


async def test_a_database_that_is_not_there_is_refused_with_those_that_are(shop: TableWorld) -> None:
    async with refused("Database: there is no nowhere that this user may see; it may see shop"):
        await build_connector().list_offers(build_values(shop.login, database="nowhere"))


async def test_a_server_that_is_not_there_is_refused(set_up: Any) -> None:
    login = set_up(*WAYS_TO_SIGN_IN["several servers"])
    async with refused("has no server 7: its servers are 1, 2"):
        await build_connector().list_offers(build_values(login, server="7"))


async def test_where_there_is_one_server_another_number_is_refused(shop: TableWorld) -> None:
    async with refused("has no server 7"):
        await build_connector().list_offers(build_values(shop.login, server="7"))


async def test_a_database_that_is_away_is_no_refusal(world: TableWorld) -> None:
    world.set_away(is_away=True)
    try:
        with pytest.raises(TransientError, match=r"error 2002"):
            await build_connector().list_offers(build_values(world.login))
    finally:
        world.set_away(is_away=False)


async def test_a_table_without_the_right_to_read_it_is_refused_when_it_is_chosen(shop: TableWorld) -> None:
    login, connector = shop.login, build_connector()
    if isinstance(shop, RealWorld):
        # It is seen, because the user may add rows, and may not be read.
        shop.mariadb.create_user("adder", login.password, f"INSERT ON shop.{ORDERS.name}")
        login = replace(login, username="adder")
    offered = {offer.title: offer.account for offer in (await connector.list_offers(build_values(login))).offers}
    if isinstance(shop, SimulatedWorld):
        shop.control("PUT", "/faults", {"refused_tables": [f"shop.{ORDERS.name}"]})
    try:
        async with refused(r"may not read this table \(error 1142\): the right to SELECT is missing"):
            await connector.grant_chosen(build_values(login), [ChosenAccount(offered[ORDERS.name])])
    finally:
        if isinstance(shop, SimulatedWorld):
            shop.reset()


async def test_private_addresses_are_refused_unless_they_are_allowed(shop: TableWorld) -> None:
    async with refused("127.0.0.1 has no public address"):
        await build_connector("db.internal").list_offers(build_values(shop.login))


async def test_a_public_address_without_https_is_refused() -> None:
    login = PhpMyAdminLogin("http://8.8.8.8/phpmyadmin", "reader", "x", "1", "shop")
    async with refused("8.8.8.8 must be called with https"):
        await build_connector().list_offers(build_values(login))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (HttpAnswer(200, "<html><body>Welcome to our shop</body></html>"), "shows no phpMyAdmin: write the one"),
        (HttpAnswer(404, "<html>Nothing here</html>"), "there is no page at this address"),
        (HttpAnswer(302, "", "https://elsewhere.example/"), "leads to https://elsewhere.example: write that address"),
        (HttpAnswer(401, "", authenticate="Negotiate"), "neither a form nor HTTP Basic"),
        (HttpAnswer(200, "x" * 5_000_000), "its page is too large"),
    ],
    ids=["another page", "no page", "a redirect", "another sign-in", "a large page"],
)
async def test_what_is_no_phpmyadmin_is_named(answer: HttpAnswer, reason: str) -> None:
    async with serve_answer(answer) as url, refused(reason):
        await build_connector().list_offers(build_values(PhpMyAdminLogin(url, "reader", "x", "1", "shop")))
