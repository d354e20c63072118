"""Renders the HTML pages of the simulated phpMyAdmin, in the form that those of the real one have."""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson
from jinja2 import Environment
from markupsafe import escape

from sandbox.phpmyadmin.errors import ConnectionRefusedByDatabaseError, DatabaseError
from sandbox.phpmyadmin.faults import Setup

WARNING = (
    b"<br />\n<b>Warning</b>:  Undefined array key &quot;theme&quot; in"
    b" <b>/usr/share/phpmyadmin/libraries/classes/ThemeManager.php</b> on line <b>97</b><br />\n"
)
"""A warning of PHP, as a host shows it that does not log it instead."""
TIMEOUT_PAGE = (
    b"<html>\r\n<head><title>504 Gateway Time-out</title></head>\r\n<body>\r\n<center><h1>504 Gateway Time-out</h1>"
)
MAINTENANCE_PAGE = (
    "<!DOCTYPE html><html lang=en><head><title>Maintenance</title></head><body><h1>We are back in a few minutes</h1>"
    "<p>This server is being updated.</p></body></html>"
)


@dataclass(frozen=True)
class LoginForm:
    """What the form for signing in shows: the session's values, a user who was refused, and why."""

    token: str
    session_id: str
    server: str
    username: str = ""
    refusal: ConnectionRefusedByDatabaseError | None = None
    has_lost_cookie: bool = False
    hidden: Mapping[str, str] | None = None
    """Further hidden fields: those of the request instead of whose answer the form is shown."""


class PageRenderer:
    """Renders pages with the templates of the sandbox."""

    def __init__(self, templates: Environment, root_path: str) -> None:
        self._templates = templates
        self._root_path = root_path

    def render_login(self, setup: Setup, form: LoginForm) -> str:
        """Render the form for signing in."""
        return self._render(
            "phpmyadmin_login.html", setup, form=form, has_form=setup.login_kind == "cookie",
            parameters=self._build_parameters(setup, form.server, form.token, is_signed_in=False, user="root"),
            servers=[(str(number), describe_server(str(number))) for number in range(1, setup.servers + 1)],
        )  # fmt: skip

    def render_page(self, setup: Setup, token: str, server: str, user: str) -> str:
        """Render the page that is shown after signing in."""
        parameters = self._build_parameters(setup, server, token, is_signed_in=True, user=user)
        name = "phpmyadmin_second_factor.html" if setup.has_second_factor else "phpmyadmin_page.html"
        return self._render(name, setup, token=token, server=server, parameters=parameters)

    def render_sql_error(self, error: DatabaseError, statement: str) -> bytes:
        """Render what stands in an export instead of rows when the database refuses the statement."""
        return (
            '<div class="alert alert-danger" role="alert"><h1>Error</h1><p><strong>SQL query:</strong>\n'
            f'<a href="#" class="copyQueryBtn" data-text="{escape(statement)}">Copy</a>\n'
            f'</p>\n<p>\n<code class="sql"><pre>\n{escape(statement)}\n</pre></code>\n</p>\n'
            "<p>\n    <strong>MySQL said: </strong></p>\n"
            f"<code>#{error.code} - {escape(error.message)}</code><br></div>"
        ).encode()

    def _render(self, name: str, setup: Setup, **values: object) -> str:
        return self._templates.get_template(name).render(setup=setup, root=self._root_path, **values)

    def _build_parameters(self, setup: Setup, server: str, token: str, *, is_signed_in: bool, user: str) -> str:
        """Return what the page's scripts are told about the session: JavaScript, whose names have no quotes."""
        values: dict[str, object] = {
            "common_query": "", "opendb_url": "index.php?route=/database/structure", "lang": "en", "server": server,
            "table": "", "db": "", "token": token, "text_dir": "ltr", "LimitChars": "50", "pftext": "", "confirm": True,
            "LoginCookieValidity": "1440", "session_gc_maxlifetime": "1440", "logged_in": is_signed_in,
            "is_https": False, "rootPath": f"{self._root_path}/", "arg_separator": "&", "version": setup.version,
            "auth_type": setup.login_kind, "user": user,
        }  # fmt: skip
        return ",".join(f"{name}:{orjson.dumps(value).decode()}" for name, value in values.items())


def describe_server(server: str) -> str:
    """Return the name of a database server in the list of the form."""
    return f'Server {server} "{"MariaDB" if server == "1" else "MySQL"}"'
