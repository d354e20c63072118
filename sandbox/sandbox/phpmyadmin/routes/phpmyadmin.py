"""The pages and the export of the simulated phpMyAdmin, under `/phpmyadmin`."""

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox.phpmyadmin.database import ResultSet
from sandbox.phpmyadmin.errors import ConnectionRefusedByDatabaseError, DatabaseError
from sandbox.phpmyadmin.export_stream import ExportResponse, apply_faults, read_rows
from sandbox.phpmyadmin.exports import CSV_TYPE, JSON_END, JSON_TYPE, CsvWriter, JsonWriter, build_json_begin
from sandbox.phpmyadmin.faults import NO_FAULTS, Faults
from sandbox.phpmyadmin.rendering import MAINTENANCE_PAGE, LoginForm, PageRenderer, describe_server
from sandbox.phpmyadmin.state import USERNAME, PhpMyAdminState
from sandbox.phpmyadmin.web_sessions import DatabaseLogin, WebSession

ROOT_PATH = "/phpmyadmin"
SIGN_ON_URL = "https://sign-on.example/login"
_SESSION_COOKIE = "phpMyAdmin"
_MAX_PASSWORD = 1000
_FIRST_SERVER = "1"
_EXPORT_FIELDS = ("what", "export_type", "sql_query")
_TYPE_ERROR_PAGE = (
    "<html><head><title>Internal error: TypeError: PhpMyAdmin\\Export::getFilenameAndMimetype(): Argument #5"
    " ($filenameTemplate) must be of type string, null given</title></head></html>"
)


def build_routes(state: PhpMyAdminState, renderer: PageRenderer) -> list[Route]:
    """Build the routes under `/phpmyadmin`. All pages are at `index.php`, whose parameter `route` says which."""
    endpoint = _Endpoint(state, renderer)
    return [
        Route(ROOT_PATH, _redirect_to_folder, methods=["GET"]),
        *(Route(f"{ROOT_PATH}/{name}", endpoint.answer, methods=["GET", "POST"]) for name in ("", "index.php")),
    ]


async def _redirect_to_folder(_: Request) -> Response:
    return RedirectResponse(f"{ROOT_PATH}/", 301)


@dataclass
class _Call:
    """One request: its route, its parameters, its session, and whether this has been started by the request."""

    request: Request
    route: str
    query: Mapping[str, str]
    form: Mapping[str, str]
    session: WebSession
    is_new: bool

    @property
    def server(self) -> str:
        """The number of the database server that is meant; the first one without any."""
        return self.form.get("server") or self.query.get("server") or _FIRST_SERVER


class _Endpoint:
    def __init__(self, state: PhpMyAdminState, renderer: PageRenderer) -> None:
        self._state = state
        self._renderer = renderer

    async def answer(self, request: Request) -> Response:
        """Answer one request. Those of one session are answered one after the other, as PHP does."""
        await asyncio.sleep(self._state.faults.seconds_per_answer)
        failure = self._build_failure()
        if failure is not None:
            return failure
        if self._state.setup.login_kind == "signon":
            return RedirectResponse(SIGN_ON_URL, 302)
        call = await self._read_call(request)
        session = call.session
        session.open_requests += 1
        statistics = self._state.statistics
        statistics.peak_parallel_requests = max(statistics.peak_parallel_requests, session.open_requests)
        is_kept = False
        await session.lock.acquire()
        try:
            response = await self._answer_call(call)
            is_kept = isinstance(response, ExportResponse)
        finally:
            if not is_kept:
                _release(session)
        return response

    def _build_failure(self) -> Response | None:
        faults = self._state.faults
        if not faults.use_up_failure():
            return None
        headers = {"Retry-After": str(faults.retry_after)} if faults.retry_after is not None else {}
        return HTMLResponse(MAINTENANCE_PAGE, faults.fail_status, headers)

    async def _read_call(self, request: Request) -> _Call:
        query = dict(request.query_params)
        text = (await request.body()).decode(errors="replace") if request.method == "POST" else ""
        form = dict(parse_qsl(text, keep_blank_values=True))
        session = self._state.sessions.find(request.cookies.get(_SESSION_COOKIE, ""))
        is_new = session is None
        if session is None:
            session = self._state.sessions.start()
        return _Call(request, form.get("route") or query.get("route") or "/", query, form, session, is_new)

    async def _answer_call(self, call: _Call) -> Response:
        is_login = self._state.setup.login_kind == "cookie" and "pma_username" in call.form
        kind = "login" if is_login else call.route.strip("/") if call.route in ("/export", "/logout") else "page"
        self._state.statistics.requests[kind] += 1
        if is_login:
            return self._sign_in(call)
        if call.route == "/logout":
            return self._sign_out(call)
        refusal = self._check_signed_in(call)
        if refusal is not None:
            self._state.statistics.signed_out += 1
            return refusal
        if kind == "export" and call.request.method == "POST" and not self._state.setup.has_second_factor:
            return await self._export(call)
        return self._show_page(call)

    def _check_signed_in(self, call: _Call) -> Response | None:
        """Return the answer for a session that is not signed in, or that the database does not accept any more."""
        match self._state.setup.login_kind:
            case "cookie":
                return self._check_cookies(call)
            case "http":
                return self._check_basic(call)
            case _:
                return self._check_configured(call)

    def _check_cookies(self, call: _Call) -> Response | None:
        server, session = call.server, call.session
        if not session.is_login(server, call.request.cookies.get(f"pmaAuth-{server}", "")):
            if call.route == "/export":
                # The real one forgets the logins at other servers as well.
                session.logins.clear()
            return self._show_login_form(call)
        try:
            self._state.check_login(session.logins[server])
        except ConnectionRefusedByDatabaseError as refusal:
            del session.logins[server]
            return self._show_login_form(call, refusal=refusal, loses_login=True)
        return None

    def _check_basic(self, call: _Call) -> Response | None:
        scheme, _, encoded = call.request.headers.get("authorization", "").partition(" ")
        try:
            name, _, password = base64.b64decode(encoded).decode().partition(":")
            if scheme.lower() == "basic":
                self._state.check_login(DatabaseLogin(name, password))
                return None
        except (ValueError, ConnectionRefusedByDatabaseError):
            pass
        page = self._renderer.render_login(self._state.setup, LoginForm(call.session.token, "", call.server))
        realm = f'Basic realm="phpMyAdmin {describe_server(call.server).partition(" ")[0]}"'
        return self._finish(call, HTMLResponse(page, 401, {"WWW-Authenticate": realm}))

    def _check_configured(self, call: _Call) -> Response | None:
        try:
            self._state.check_login(DatabaseLogin(USERNAME, self._state.password))
        except ConnectionRefusedByDatabaseError as refusal:
            form = LoginForm(call.session.token, call.session.id, call.server, refusal=refusal)
            return self._finish(call, HTMLResponse(self._renderer.render_login(self._state.setup, form)))
        return None

    def _sign_in(self, call: _Call) -> Response:
        """Answer the form for signing in. Without the session's token it is as if nothing had been sent."""
        form, session = call.form, call.session
        if call.is_new or form.get("token") != session.token:
            self._state.statistics.logins["ignored"] += 1
            lost = form.get("set_session") not in (None, session.id)
            return self._show_login_form(call, has_lost_cookie=lost)
        password = form.get("pma_password", "")
        if self._state.setup.has_captcha or not password or len(password) > _MAX_PASSWORD:
            self._state.statistics.logins["ignored"] += 1
            return self._show_login_form(call)
        server = call.server if call.server in self._state.list_servers() else _FIRST_SERVER
        credentials = DatabaseLogin(form["pma_username"], password)
        try:
            self._state.check_login(credentials)
        except ConnectionRefusedByDatabaseError as refusal:
            self._state.statistics.logins["refused"] += 1
            call.session = self._state.sessions.renew(session)
            return self._show_login_form(call, refusal=refusal, username=credentials.username, loses_login=True)
        self._state.statistics.logins["accepted"] += 1
        call.session = self._state.sessions.renew(session)
        call.session.logins[server] = credentials
        more = f"&server={server}" if server != _FIRST_SERVER else ""
        return self._finish(call, _redirect(f"index.php?route=/&route=%2F{more}"), server)

    def _sign_out(self, call: _Call) -> Response:
        response = _redirect("index.php?route=/")
        if call.form.get("token") != call.session.token:
            return self._finish(call, response)
        self._state.sessions.end(call.session)
        _forget_login(response, call.server)
        return response

    def _show_login_form(
        self, call: _Call, *, refusal: ConnectionRefusedByDatabaseError | None = None, username: str = "",
        has_lost_cookie: bool = False, loses_login: bool = False,
    ) -> Response:  # fmt: skip
        hidden = {name: call.form[name] for name in ("db", "table") if call.form.get(name)}
        server = call.server if call.server in self._state.list_servers() else _FIRST_SERVER
        form = LoginForm(call.session.token, call.session.id, server, username, refusal, has_lost_cookie, hidden)
        response = HTMLResponse(self._renderer.render_login(self._state.setup, form))
        if loses_login:
            _forget_login(response, call.server)
        return self._finish(call, response)

    def _show_page(self, call: _Call) -> Response:
        server = call.server if call.server in self._state.list_servers() else _FIRST_SERVER
        page = self._renderer.render_page(self._state.setup, call.session.token, server, USERNAME)
        return self._finish(call, HTMLResponse(page), server)

    def _finish(self, call: _Call, response: Response, server: str = "") -> Response:
        """Add the cookies that come with each answer. `server` is the one at which somebody is signed in."""
        _set_cookie(response, "pma_lang", "en")
        _set_cookie(response, _SESSION_COOKIE, call.session.id)
        if server in call.session.logins:
            _set_cookie(response, f"pmaUser-{server}", call.session.seal_login(server))
            _set_cookie(response, f"pmaAuth-{server}", call.session.seal_login(server))
        return response

    async def _export(self, call: _Call) -> Response:
        form, state = call.form, self._state
        if not all(form.get(name) for name in _EXPORT_FIELDS) or form.get("output_format") != "sendit":
            return self._show_page(call)
        if "filename_template" not in form:
            return self._finish(call, HTMLResponse(_TYPE_ERROR_PAGE))
        if form["what"] not in ("json", "csv") or (form["what"] == "json" and not state.setup.has_json_export):
            return self._show_page(call)
        if state.faults.count_down("end_sessions_after_exports"):
            state.sessions.end_all()
            call.session, call.is_new = state.sessions.start(), True
            return self._show_login_form(call)
        if state.faults.count_down("alter_after_exports"):
            state.add_further_column()
        statement = form["sql_query"]
        state.statistics.statements.append(statement)
        faults = state.faults if state.faults.use_up_export(statement) else NO_FAULTS
        return await self._send_export(call, statement, faults)

    async def _send_export(self, call: _Call, statement: str, faults: Faults) -> Response:
        result: ResultSet | None = None
        is_json = call.form["what"] == "json"
        try:
            if faults.error_code is not None:
                raise DatabaseError(faults.error_code, "The database refuses the statement")
            result = await asyncio.to_thread(self._state.execute, call.server, statement, call.form.get("db", ""))
            pieces = self._write_rows(call, result, faults)
        except DatabaseError as error:
            self._state.statistics.errors[error.code] += 1
            pieces = self._write_error(error, statement, is_json=is_json)

        async def close() -> None:
            if result is not None:
                result.stop()
                result.close()
            _release(session)

        session = call.session
        name = f"export.{'json' if is_json else 'csv'}"
        headers = {
            "Content-Type": JSON_TYPE if is_json else CSV_TYPE,
            "Content-Disposition": f'attachment; filename="{name}"',
        }
        pieces = apply_faults(pieces, faults, self._state.statistics)
        response = ExportResponse(pieces, headers, close, breaks=faults.cut_breaks_connection)
        self._finish(call, response, call.server)
        return response

    async def _write_rows(self, call: _Call, result: ResultSet, faults: Faults) -> AsyncIterator[bytes]:
        form, statistics = call.form, self._state.statistics
        if form["what"] == "csv":
            writer = CsvWriter(
                result.names, null=form.get("csv_null", "NULL"), separator=form.get("csv_separator", ","),
                has_names=bool(form.get("csv_columns")),
            )  # fmt: skip
            async for piece in read_rows(result, writer, faults, statistics):
                yield piece
            return
        yield build_json_begin(self._state.setup.version)
        json_writer = JsonWriter(result.names, is_unicode=bool(form.get("json_unicode")))
        async for piece in read_rows(result, json_writer, faults, statistics):
            yield piece
        yield JSON_END

    async def _write_error(self, error: DatabaseError, statement: str, *, is_json: bool) -> AsyncIterator[bytes]:
        begin = build_json_begin(self._state.setup.version) if is_json else b""
        yield begin + self._renderer.render_sql_error(error, statement)


def _release(session: WebSession) -> None:
    session.open_requests -= 1
    session.lock.release()


def _redirect(target: str) -> Response:
    return Response(b"", 302, {"Location": f"{ROOT_PATH}/{target}"})


def _set_cookie(response: Response, name: str, value: str) -> None:
    response.set_cookie(name, value, path=f"{ROOT_PATH}/", httponly=True, samesite="strict")


def _forget_login(response: Response, server: str) -> None:
    response.set_cookie(f"pmaAuth-{server}", "deleted", path=f"{ROOT_PATH}/", max_age=0, expires=0)
