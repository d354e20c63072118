"""What a fetcher does after a phpMyAdmin has refused a user and password, or could not be signed in at."""

from functools import partial
from uuid import uuid4

import httpx
import pytest

from phpmyadmin_fetcher.login_sessions import LoginSessions
from phpmyadmin_fetcher.source import PhpMyAdminSource
from platform_sdk.errors import ConnectionEndedError, RetryLaterError
from platform_sdk.session import FULL, SyncContext
from platform_sdk.tokens import AccessToken
from platforms.phpmyadmin.logins import PhpMyAdminLogin, TableOptions, encode_token
from platforms.phpmyadmin.session import PhpMyAdminSession

LOGIN = PhpMyAdminLogin("https://db.example.com/pma", "merchant", "any password", "1", "shop")
FORM = """<html><head><title>phpMyAdmin</title></head><body>
<form method="post" id="login_form" action="index.php?route=/">
<input type="hidden" name="set_session" value="s"><input name="pma_username"><input name="pma_password" type="password">
<input type="hidden" name="server" value="1"><input type="hidden" name="token" value="t"></form>{error}</body></html>"""
REFUSAL = '<div class="alert alert-danger">mysqli::real_connect(): (HY000/1045): Access denied</div>'


class Host:
    """A phpMyAdmin that refuses every password, and the gateway beside it. `seconds` is the time.

    With `is_busy` it answers every request with 503.
    """

    def __init__(self) -> None:
        self.sign_ins = 0
        self.seconds = 1000.0
        self.reported = 0
        self.has_ended = False
        self.is_busy = False
        self.token = AccessToken(
            "phpmyadmin:db.example.com/pma/1/shop/orders", 1, encode_token(LOGIN, TableOptions()), frozenset(), 2**50
        )
        http = httpx.AsyncClient(transport=httpx.MockTransport(self.answer))
        logins = LoginSessions(partial(PhpMyAdminSession, http), rows_per_second=10_000, elapsed=lambda: self.seconds)
        self.source = PhpMyAdminSource(logins, max_bytes=2**20)

    def answer(self, request: httpx.Request) -> httpx.Response:
        if self.is_busy:
            return httpx.Response(503)
        is_sign_in = request.method == "POST"
        self.sign_ins += is_sign_in
        return httpx.Response(200, html=FORM.format(error=REFUSAL if is_sign_in else ""))

    async def report_refusal(self, _: AccessToken) -> AccessToken:
        self.reported += 1
        raise ConnectionEndedError("reauthorise")

    async def request_token(self) -> AccessToken:
        if self.has_ended:
            raise ConnectionEndedError("reauthorise")
        return self.token

    async def read(self) -> None:
        context = SyncContext(self.token, uuid4(), FULL, self.report_refusal, self.request_token)
        async for _ in self.source.read_all(context, None):
            raise AssertionError("nothing can be read")


@pytest.fixture
def host() -> Host:
    return Host()


async def test_a_refusal_is_reported_at_once(host: Host) -> None:
    with pytest.raises(ConnectionEndedError):
        await host.read()
    assert (host.sign_ins, host.reported) == (1, 1)


async def test_another_table_of_the_login_ends_without_a_second_try(host: Host) -> None:
    with pytest.raises(ConnectionEndedError):
        await host.read()
    host.has_ended = True
    with pytest.raises(ConnectionEndedError):
        await host.read()
    assert (host.sign_ins, host.reported) == (1, 1)


async def test_a_sign_in_of_the_merchant_within_a_minute_is_not_taken_for_refused(host: Host) -> None:
    with pytest.raises(ConnectionEndedError):
        await host.read()
    host.seconds += 20
    with pytest.raises(RetryLaterError) as waiting:
        await host.read()
    assert (waiting.value.seconds, host.sign_ins, host.reported) == (40, 1, 1)
    host.seconds += 40
    with pytest.raises(ConnectionEndedError):
        await host.read()
    assert (host.sign_ins, host.reported) == (2, 2)


async def test_a_wait_after_a_sign_in_that_failed_names_why_it_failed(host: Host) -> None:
    host.is_busy = True
    for _ in range(2):
        with pytest.raises(RetryLaterError, match="HTTP 503"):
            await host.read()
    assert host.sign_ins == 0
