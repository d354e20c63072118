"""The form in which a merchant enters credentials: shows it, and checks what is sent in it."""

from collections.abc import Mapping

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from pydantic import Field

from gateway.connect.paths import get_sign_in_path
from gateway.connect.purposes import Purpose
from gateway.pages.forms import has_form_token, is_json, is_same_origin
from gateway.pages.responses import ResponseModel, is_page_wanted, render_page, respond_problem
from gateway.sessions.browser_keys import BrowserKeys
from gateway.sessions.cookies import Cookies, create_cookie_value
from platform_sdk.adapters import PlatformAdapter
from platform_sdk.connection_methods import Credentials, CredentialsWithChoice
from platform_sdk.errors import RequestRejectedError


class CredentialFieldDocument(ResponseModel):
    """A field of the form for a merchant's credentials. The value of a secret field is never shown again."""

    name: str
    label: str
    hint: str
    secret: bool
    required: bool
    default: str = Field(description="Its value where it is left out or empty")


class CredentialFields(ResponseModel):
    """The fields of the credentials, to be sent as a form or as JSON."""

    fields: list[CredentialFieldDocument]


class CredentialsForm:
    """The form for the credentials of one platform: shows it, and checks it when it is submitted."""

    def __init__(
        self, adapter: PlatformAdapter, method: Credentials, cookies: Cookies, keys: BrowserKeys, purpose: Purpose
    ) -> None:
        self._title = adapter.manifest.title
        self.path = get_sign_in_path(adapter, purpose)
        """The path at which the form is shown, and to which it is sent."""
        self._connects = purpose is Purpose.CONNECT
        self._chooses = self._connects and isinstance(method, CredentialsWithChoice)
        self._fields = method.fields
        self._cookies = cookies
        self._keys = keys

    def respond(self, request: Request) -> Response:
        """Return the empty form: an HTML page for a browser, otherwise its fields as JSON."""
        if is_page_wanted(request):
            return self._render({field.name: field.default for field in self._fields})
        fields = [
            CredentialFieldDocument(
                name=field.name,
                label=field.label,
                hint=field.hint,
                secret=field.secret,
                required=field.required,
                default=field.default,
            )
            for field in self._fields
        ]
        return JSONResponse(CredentialFields(fields=fields).model_dump(mode="json"))

    def respond_refusal(self, request: Request, fields: Mapping[str, str], error: RequestRejectedError) -> Response:
        """Return the response that shows `error`, the reason why the submitted credentials were refused.

        For a browser it is the form, filled with `fields` except secrets; otherwise JSON.
        """
        if is_page_wanted(request):
            return self._render(fields, reason=error.reason, status=error.status)
        return respond_problem(request, error.status, error.reason)

    def is_sender(self, request: Request, fields: dict[str, str]) -> bool:
        """Return whether the fields come from a permitted sender.

        A form must be the gateway's own in this browser. JSON must not come from a page of another site. JSON needs no
        form token: browsers let a page of another site send JSON only if the gateway allows it by CORS, which it does
        for `GET` alone.
        """
        if is_json(request):
            return "sec-fetch-site" not in request.headers or is_same_origin(request)
        value = self._cookies.get_form(request)
        return bool(value) and is_same_origin(request) and has_form_token(fields, self._keys.build_form_token(value))

    def build_token(self, request: Request) -> str:
        """Return the token of the forms that this browser is shown now, by its form cookie."""
        return self._keys.build_form_token(self._cookies.get_form(request))

    @staticmethod
    def describe_fields(method: Credentials) -> tuple[dict[str, str], list[str]]:
        """Return the descriptions of the fields by name, and the names of those that may be left out."""
        fields = {field.name: f"{field.label}: {field.hint}" if field.hint else field.label for field in method.fields}
        return fields, [field.name for field in method.fields if field.default or not field.required]

    def parse_values(self, fields: Mapping[str, str]) -> dict[str, str]:
        """Return the credentials by field name, from the submitted `fields`.

        Spaces around a value are removed, except from secrets; a value that is left out or empty is the field's
        default. Raises RequestRejectedError when a required field is missing or empty.
        """
        values: dict[str, str] = {}
        for field in self._fields:
            value = fields.get(field.name, "")
            values[field.name] = (value if field.secret else value.strip()) or field.default
        missing = [field.label for field in self._fields if field.required and not values[field.name]]
        if missing:
            raise RequestRejectedError(400, f"{missing[0]} is missing")
        return values

    def _render(self, fields: Mapping[str, str], *, reason: str = "", status: int = 200) -> Response:
        value = create_cookie_value()
        response = render_page(
            "connect.html",
            {
                "title": self._title,
                "connects": self._connects,
                "chooses": self._chooses,
                "path": self.path,
                "fields": self._fields,
                "values": {field.name: "" if field.secret else fields.get(field.name, "") for field in self._fields},
                "reason": reason,
                # The name `form_token` is the session's, for the page's button to sign out.
                "connect_token": self._keys.build_form_token(value),
            },
            status=status,
        )
        self._cookies.set_form(response, value)
        return response
