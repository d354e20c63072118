"""A session at a phpMyAdmin: signs in by its form, sends statements as exports, signs out. All of its protocol is here.

Source: phpMyAdmin 5.0 to 5.2. `GET index.php` shows the form with a token. `POST index.php?route=/` with user, password
and that token answers 302 and cookies, or shows the form again. A session that has signed in has a new token.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from platform_sdk.errors import LargeAnswerError, PermanentError, ThrottledError, TransientError
from platform_sdk.http import TraceCall, read_body
from platform_sdk.public_addresses import AddressRefusedError
from platforms.phpmyadmin.errors import (
    ACCESS_DENIED_CODES,
    CutAnswerError,
    JsonUnavailableError,
    NotPhpMyAdminError,
    SignedOutError,
    SignInImpossibleError,
    SignInRefusedError,
    SignInUnclearError,
    SlowAnswerError,
)
from platforms.phpmyadmin.exports import NULL, CsvParser, ExportParser, JsonParser, TailBuffer
from platforms.phpmyadmin.logins import PhpMyAdminLogin
from platforms.phpmyadmin.pages import SitePage, parse_page
from platforms.phpmyadmin.quoting import Statement
from platforms.phpmyadmin.statements import END
from platforms.phpmyadmin.values import TextRow

PAGE_SECONDS = 20.0
"""The longest time for a page, with its redirects."""
MAX_PAGE_BYTES = 1024 * 1024
MAX_REDIRECTS = 4
MAX_RETRY_AFTER_SECONDS = 3600.0
"""A host that asks to wait longer is asked again before."""
KNOWN_VERSIONS = ("5.0", "5.1", "5.2")
_BUSY_STATUSES = frozenset({429, 503})
_GRANTS_COLUMN = "Grants for"
_HEADERS = {"Accept-Encoding": "identity", "Accept-Language": "en"}


@dataclass(frozen=True)
class StatementLimits:
    """How large an answer to a statement may be, in bytes, and how long it may take, in seconds."""

    max_bytes: int
    seconds: float


@dataclass(frozen=True)
class StatementAnswer:
    """The rows of an answer, without the last one, which proves that they are all. `size` is in bytes."""

    rows: list[TextRow]
    size: int


class PhpMyAdminSession:
    """A session of one login. One request at a time is sent: a phpMyAdmin lets the requests of a session wait anyway.

    `http` connects to allowed addresses only and follows no redirects. `trace` opens the trace span of a request; None
    where requests are not traced.
    """

    def __init__(self, http: httpx.AsyncClient, login: PhpMyAdminLogin, *, trace: TraceCall | None = None) -> None:
        self.login = login
        self.version = ""
        """The version of the phpMyAdmin, e.g. `5.2.1`; empty before the first page and where no page says it."""
        self._http = http
        self._trace = trace
        self._cookies = httpx.Cookies()
        self._auth: httpx.BasicAuth | None = None
        self._token = ""
        self._is_signed_in = False
        self._uses_csv = False

    @property
    def is_signed_in(self) -> bool:
        """Whether the session has signed in, and no answer has said since that it has ended."""
        return self._is_signed_in

    async def sign_in(self) -> None:
        """Sign in. Nothing is tried twice: who has a wrong password is soon locked out.

        Raises `SignInRefusedError`, `SignInUnclearError`, `SignInImpossibleError` or `NotPhpMyAdminError`,
        `ThrottledError` when the phpMyAdmin asks to wait, and `TransientError` when it or its database does not answer.
        """
        page = await self._open_first_page()
        if page.login_form is not None:
            page = await self._submit_login_form(page)
        if page.has_second_factor:
            raise SignInImpossibleError(
                "this user signs in with a second factor, which no program can: create a user without one"
            )
        if not page.is_signed_in:
            _raise_for_database(page)
            raise NotPhpMyAdminError("the address shows no page of a phpMyAdmin after signing in")
        if page.server not in ("", self.login.server):
            # A number that it does not have leads to its first server.
            raise NotPhpMyAdminError(f"the phpMyAdmin has no server {self.login.server}")
        self._is_signed_in, self._token = True, page.token

    async def sign_out(self) -> None:
        """End the session. What goes wrong with that is of no consequence: it ends by itself after a while."""
        if not self._is_signed_in:
            return
        self._is_signed_in = False
        fields = {"token": self._token, "server": self.login.server}
        with suppress(TransientError, PermanentError, ThrottledError, TimeoutError):
            async with asyncio.timeout(PAGE_SECONDS), self._stream("POST", "index.php?route=/logout", fields):
                pass

    async def fetch(self, statement: Statement, limits: StatementLimits) -> StatementAnswer:
        """Return all rows of a statement. Raises the errors of `read`."""
        rows: list[TextRow] = []
        size = 0
        async for piece in self.read(statement, limits):
            rows += piece.rows
            size += piece.size
        return StatementAnswer(rows, size)

    async def fetch_grants(self, statement: Statement, limits: StatementLimits) -> list[str]:
        """Return the rights of the user as the database writes them.

        The answer holds the hash of the password as well. It is never kept or logged.
        """
        answer = [piece async for piece in self._read_rows(statement, limits)]
        values = (value for piece in answer for row in piece.rows for name, value in row.items() if value)
        return [value.partition(" IDENTIFIED ")[0] for value in values]

    async def read(self, statement: Statement, limits: StatementLimits) -> AsyncIterator[StatementAnswer]:
        """Yield the rows of a statement as they arrive. All of them count only when the generator has ended.

        Raises `SignedOutError` when the session has ended, `CutAnswerError` when the answer is not whole,
        `StatementRefusedError` when the database refuses, `ThrottledError` when the phpMyAdmin asks to wait,
        `LargeAnswerError` or `SlowAnswerError` when a limit is passed, and `TransientError` when none comes.
        """
        is_ended = False
        async for piece in self._read_rows(statement, limits):
            if is_ended and piece.rows:
                raise CutAnswerError("rows come behind the last one")
            if piece.rows and piece.rows[-1].get(END) == "1":
                is_ended = True
                piece = StatementAnswer(piece.rows[:-1], piece.size)
            if any(row.get(END) != "0" for row in piece.rows):
                raise CutAnswerError("the answer has rows of another kind")
            yield piece
        if not is_ended:
            raise CutAnswerError("the answer ends before its last row: the database's connection was lost")

    async def fetch_single(self, statement: Statement, limits: StatementLimits) -> TextRow:
        """Return the only row of a statement that adds up a table, or asks the server for one thing.

        Raises the errors of `read`.
        """
        rows = [row async for piece in self._read_rows(statement, limits) for row in piece.rows]
        if len(rows) != 1:
            raise CutAnswerError("the answer is cut off")
        return rows[0]

    async def _read_rows(self, statement: Statement, limits: StatementLimits) -> AsyncIterator[StatementAnswer]:
        if not self._uses_csv:
            try:
                async for piece in self._read_export(statement, limits, _JSON_FIELDS, JsonParser()):
                    yield piece
                return
            except JsonUnavailableError:
                self._uses_csv = True
        async for piece in self._read_export(statement, limits, _CSV_FIELDS, CsvParser()):
            yield piece

    async def _read_export(
        self, statement: Statement, limits: StatementLimits, fields: Mapping[str, str], parser: ExportParser
    ) -> AsyncIterator[StatementAnswer]:
        form = {
            **_EXPORT_FIELDS,
            **fields,
            "server": self.login.server,
            "db": self.login.database,
            "token": self._token,
            "sql_query": statement,
        }
        size, tail = 0, TailBuffer()
        try:
            async with (
                asyncio.timeout(limits.seconds),
                self._stream("POST", "index.php?route=/export", form) as response,
            ):
                await self._check_export(response)
                async for received in response.aiter_bytes():
                    size += len(received)
                    if size > limits.max_bytes:
                        raise LargeAnswerError(f"an answer is larger than {limits.max_bytes} bytes")
                    tail.add(received)
                    yield StatementAnswer(parser.parse_piece(received), len(received))
                yield StatementAnswer(parser.finish(), 0)
        except CutAnswerError:
            tail.raise_for_error()
            raise
        except TimeoutError:
            raise SlowAnswerError(f"no whole answer within {limits.seconds:.0f} s") from None

    async def _check_export(self, response: httpx.Response) -> None:
        """Check that an answer is an export, and not a page: the only thing that the headers tell."""
        if response.headers.get("content-disposition", "").startswith("attachment"):
            return
        page = parse_page((await read_body(response, MAX_PAGE_BYTES) or b"").decode(errors="replace"))
        if page.login_form is not None or page.is_signed_in is False:
            self._is_signed_in = False
            _raise_for_database(page)
            raise SignedOutError("the session has ended")
        if self._uses_csv:
            raise TransientError("a page has come instead of an export")
        raise JsonUnavailableError("a page has come instead of an export")

    async def _open_first_page(self) -> SitePage:
        response, page = await self._fetch_page("GET", "index.php", {"server": self.login.server})
        if response.status_code == 401:
            # The host or the phpMyAdmin itself asks for the user by HTTP.
            if "basic" not in response.headers.get("www-authenticate", "").lower():
                raise SignInImpossibleError(
                    "the address asks for a sign-in that is neither a form nor HTTP Basic: ask its host for one"
                )
            self._auth = httpx.BasicAuth(self.login.username, self.login.password)
            response, page = await self._fetch_page("GET", "index.php", {"server": self.login.server})
            if response.status_code in (401, 403):
                raise SignInUnclearError()
        if not page.is_phpmyadmin:
            raise NotPhpMyAdminError(
                "the address shows no phpMyAdmin: write the one at which you sign in, without index.php"
            )
        return page

    async def _submit_login_form(self, page: SitePage) -> SitePage:
        form = page.login_form
        assert form is not None
        if page.has_captcha:
            raise SignInImpossibleError(
                "the form has a captcha, which no program can solve: ask the host for an address without one"
            )
        servers = form.choices.get("server")
        if servers and self.login.server not in servers:
            listed = ", ".join(value for value in servers if value)
            raise NotPhpMyAdminError(f"the phpMyAdmin has no server {self.login.server}: its servers are {listed}")
        fields = {
            **form.fields,
            "pma_username": self.login.username,
            "pma_password": self.login.password,
            "server": self.login.server,
        }
        _, answered = await self._fetch_page("POST", "index.php?route=/", fields)
        if answered.login_form is None:
            return answered
        _raise_for_database(answered)
        raise SignInImpossibleError(
            "the phpMyAdmin shows its form again and gives no error of the database: ask its host whether this user"
            " may sign in from here"
        )

    async def _fetch_page(self, method: str, path: str, fields: Mapping[str, str]) -> tuple[httpx.Response, SitePage]:
        """Return the page that a request leads to, after redirects within the same phpMyAdmin."""
        try:
            async with asyncio.timeout(PAGE_SECONDS):
                response = await self._request(method, path, fields)
                for _ in range(MAX_REDIRECTS):
                    if not response.has_redirect_location:
                        break
                    response = await self._request("GET", self._check_redirect(response), {})
        except TimeoutError:
            raise TransientError(f"no answer within {PAGE_SECONDS:.0f} s") from None
        if response.status_code == 404:
            raise NotPhpMyAdminError("there is no page at this address: write the one at which you sign in")
        page = parse_page(response.text)
        self.version = page.version or self.version
        return response, page

    def _check_redirect(self, response: httpx.Response) -> str:
        """Return the address that a redirect leads to. Raises when it leads to another place: credentials stay here."""
        target = response.request.url.join(response.headers["location"])
        here, there = urlsplit(self.login.url), urlsplit(str(target))
        if (here.scheme, here.netloc) != (there.scheme, there.netloc):
            origin = f"{there.scheme}://{there.netloc}"
            raise NotPhpMyAdminError(
                f"the address leads to {origin}: write that address if the phpMyAdmin is there;"
                " if it is a sign-in for all of the host's services, a program cannot use it"
            )
        return str(target)

    async def _request(self, method: str, path: str, fields: Mapping[str, str]) -> httpx.Response:
        async with self._stream(method, path, fields) as response:
            body = await read_body(response, MAX_PAGE_BYTES)
            if body is None:
                raise NotPhpMyAdminError("the address shows no phpMyAdmin: its page is too large")
            return httpx.Response(
                response.status_code, headers=_drop_encoding(response.headers), content=body, request=response.request
            )

    @asynccontextmanager
    async def _stream(self, method: str, path: str, fields: Mapping[str, str]) -> AsyncIterator[httpx.Response]:
        """Send a request and yield its response, whose body has not been read yet."""
        url = path if path.startswith("http") else f"{self.login.url}/{path}"
        options: dict[str, Any] = {"data": dict(fields)} if method == "POST" else {"params": fields or None}
        request = self._http.build_request(method, url, headers=_HEADERS, **options)
        self._cookies.set_cookie_header(request)
        try:
            # The address alone, because what is behind it tells names of databases.
            with self._trace(method, self.login.url) if self._trace else nullcontext() as span:
                response = await self._http.send(request, stream=True, auth=self._auth)
                try:
                    if span is not None:
                        span.set_attribute("http.response.status_code", response.status_code)
                    self._cookies.extract_cookies(response)
                    _raise_for_status(response)
                    yield response
                finally:
                    await response.aclose()
        except AddressRefusedError as error:
            raise NotPhpMyAdminError(str(error)) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise TransientError(f"the phpMyAdmin is not reached: {type(error).__name__}") from None


_EXPORT_FIELDS = {
    "table": "",
    "export_type": "raw",
    "export_method": "quick",
    "quick_or_custom": "custom",
    "output_format": "sendit",
    "filename_template": "export",
    "charset": "utf-8",
    "compression": "none",
    "allrows": "1",
    "template_id": "",
    "maxsize": "",
}
_JSON_FIELDS = {"what": "json", "json_structure_or_data": "data", "json_unicode": "something"}
_CSV_FIELDS = {
    "what": "csv",
    "csv_separator": ",",
    "csv_enclosed": '"',
    "csv_escaped": '"',
    "csv_terminated": "AUTO",
    "csv_null": NULL,
    "csv_columns": "something",
    "csv_structure_or_data": "data",
}


def _raise_for_database(page: SitePage) -> None:
    """Raise for the error with which the database has refused the connection of a phpMyAdmin, if the page tells one.

    A phpMyAdmin shows the form for signing in as well when its database is away.
    """
    if page.error_code in ACCESS_DENIED_CODES:
        raise SignInRefusedError
    if page.error_code is not None:
        raise TransientError(f"the database behind the phpMyAdmin does not answer (error {page.error_code})")


def _raise_for_status(response: httpx.Response) -> None:
    status = response.status_code
    if status in _BUSY_STATUSES:
        text = response.headers.get("retry-after", "")
        retry_after = min(float(text), MAX_RETRY_AFTER_SECONDS) if text.isdecimal() else None
        raise ThrottledError(f"the phpMyAdmin answers HTTP {status}", retry_after=retry_after)
    if response.is_server_error:
        raise TransientError(f"the phpMyAdmin answers HTTP {status}")


def _drop_encoding(headers: httpx.Headers) -> httpx.Headers:
    """Return the headers of a body that has been decoded."""
    kept = headers.copy()
    kept.pop("content-encoding", None)
    kept.pop("content-length", None)
    return kept
