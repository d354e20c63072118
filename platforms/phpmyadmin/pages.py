"""Reads the pages of a phpMyAdmin: their forms, and what their scripts are told about the session."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

_PARAMETERS_BEGIN, _PARAMETERS_END = "ommonParams.setAll({", "})"
_LOGGED_IN = re.compile(r"\blogged_in\"?:\s*\"?(true|false|1|)\b")
_TOKEN = re.compile(r"\btoken\"?:\s*\"([0-9a-f]{16,64})\"")
_VERSION = re.compile(r"\bversion\"?:\s*\"([0-9][^\"]{0,40})\"")
_SERVER = re.compile(r"\bserver\"?:\s*\"?(\d+)")
_ERROR_CODE = re.compile(r"\([0-9A-Z]{5}/(\d{4})\)")
_STATEMENT_ERROR_CODE = re.compile(r"<code>#(\d{4}) - (?:[^<]|<(?!/?code))*+</code>(?:<br ?/?>|\s)*</div>\s*\Z")
"""An error ends the answer. A value of a row that holds such a text is none."""
_LOGIN_FORM, _LOGIN_BODY = "login_form", "loginform"
"""The ids of the form for signing in, and of the body of every page for people who have not signed in completely."""


@dataclass
class Form:
    """A form: its id, where it is sent, its fields with their values, and the choices of its lists by field."""

    id: str
    action: str
    fields: dict[str, str] = field(default_factory=dict)
    choices: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class SitePage:
    """A page of a phpMyAdmin.

    `token` goes with every form; it is empty where the page has none. `is_signed_in` is None on a page that does not
    say. `version` is e.g. `5.2.1`, `server` the number of the database server. `error_code` is the number of the
    database's error at signing in; where one is signed in, it may be that of an earlier attempt.
    """

    login_form: Form | None
    token: str
    is_signed_in: bool | None
    version: str
    server: str
    has_captcha: bool
    has_second_factor: bool
    error_code: int | None

    @property
    def is_phpmyadmin(self) -> bool:
        """Whether the page is one of a phpMyAdmin."""
        return self.login_form is not None or self.is_signed_in is not None


class _FormReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.forms: list[Form] = []
        self.has_captcha = False
        self.body_id = ""
        self._form: Form | None = None
        self._list = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take in a form, a field of the open form, or the box of a captcha."""
        values = {name: value or "" for name, value in attrs}
        if "data-sitekey" in values:
            self.has_captcha = True
        if tag == "body":
            self.body_id = values.get("id", "")
        name = values.get("name", "")
        if tag == "form":
            self._form = Form(values.get("id", ""), values.get("action", ""))
            self.forms.append(self._form)
        elif self._form is not None and tag == "input" and name:
            self._form.fields[name] = values.get("value", "")
        elif self._form is not None and tag == "select" and name:
            self._list = name
            self._form.choices[name] = []
        elif self._form is not None and tag == "option" and self._list:
            self._form.choices[self._list].append(values.get("value", ""))
            if "selected" in values:
                self._form.fields[self._list] = values.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        """Close the open form or list."""
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._list = ""


def parse_page(html: str) -> SitePage:
    """Return what is known of a page. Any text is taken for a page; `SitePage.is_phpmyadmin` says whether it is one."""
    reader = _FormReader()
    reader.feed(html)
    forms = {form.id: form for form in reader.forms}
    login = forms.get(_LOGIN_FORM) or next((form for form in reader.forms if "pma_username" in form.fields), None)
    _, _, rest = html.partition(_PARAMETERS_BEGIN)
    told, end, _ = rest.partition(_PARAMETERS_END)
    if not end:
        told = ""
    logged_in, version, server = _LOGGED_IN.search(told), _VERSION.search(told), _SERVER.search(told)
    is_signed_in = False if login is not None else logged_in[1] in ("true", "1") if logged_in else None
    code = _ERROR_CODE.search(html)
    return SitePage(
        login_form=login,
        token=_find_token(told, reader.forms),
        is_signed_in=is_signed_in,
        version=re.sub(r"[^0-9.].*", "", version[1]) if version else "",
        server=server[1] if server else "",
        has_captcha=login is not None and reader.has_captcha,
        has_second_factor=bool(is_signed_in) and reader.body_id == _LOGIN_BODY,
        error_code=int(code[1]) if code else None,
    )


def find_statement_error(text: str) -> int | None:
    """Return the number of the database's error in an answer to a statement; None where it has none."""
    code = _STATEMENT_ERROR_CODE.search(text)
    return int(code[1]) if code else None


def _find_token(told: str, forms: list[Form]) -> str:
    token = _TOKEN.search(told)
    if token:
        return token[1]
    return next((form.fields["token"] for form in forms if form.fields.get("token")), "")
