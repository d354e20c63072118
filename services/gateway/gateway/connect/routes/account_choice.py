"""Signing in by credentials that give access to many accounts: a second page lists them, and some are chosen."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from gateway.connect.account_choice import NOTHING_CHOSEN, AccountChoice
from gateway.connect.offer_documents import AccountsOffered, build_offered_document
from gateway.connect.paths import describe_missing_settings, get_choice_path, get_sign_in_path
from gateway.connect.purposes import Purpose
from gateway.connect.rate_limit import RATE_LIMITED
from gateway.connect.routes.credentials_form import CredentialsForm
from gateway.connect.sealed_credentials import CredentialsSealer
from gateway.connect.sign_in_responses import AccountsConnected, build_connected_document, respond_connected
from gateway.pages.forms import (
    TOKEN_FIELD,
    is_json,
    read_form,
    read_long_form,
    read_long_json,
)
from gateway.pages.openapi_descriptions import (
    OPTIONAL_SESSION,
    describe_form,
    describe_form_or_json,
    describe_page,
    describe_problems,
    describe_redirect,
    describe_route,
)
from gateway.pages.responses import is_page_wanted, render_page, respond_problem
from gateway.sessions.cookies import OPTIONAL_SESSION_COOKIE, Cookies
from gateway.sessions.sessions import Sessions
from platform_sdk.adapters import PlatformAdapter
from platform_sdk.connection_methods import AccountOffers, ChosenAccount, CredentialsWithChoice
from platform_sdk.errors import RequestRejectedError, TransientError

ACCOUNTS_MEMBER = "accounts"
ACCOUNT_FIELD, SEALED_FIELD, OPTION_PREFIX = "account", "_credentials", "option"
MAX_SHOWN = 500
"""The most accounts that the page lists. JSON has them all."""
_NOT_OURS = "this was not sent by our form; open it again"
_WRONG_ACCOUNTS = (
    f"`{ACCOUNTS_MEMBER}` is no object that has for each account an object of its options, each with a list of texts"
)


def create_choice_routes(
    adapter: PlatformAdapter,
    method: CredentialsWithChoice,
    choice: AccountChoice,
    sealer: CredentialsSealer,
    sessions: Sessions,
    cookies: Cookies,
    form: CredentialsForm,
) -> APIRouter:
    """Return `POST /{platform}/connect`, which takes credentials and offers accounts, and `POST …/connect/accounts`.

    The latter takes the page's form, in which accounts are chosen. A program sends its choice with the credentials.
    """
    routes = APIRouter(tags=["Signing in"])
    page = _ChoicePage(adapter, sealer, cookies, form)

    async def offer(request: Request, values: Mapping[str, str], sealed: str = "", reason: str = "") -> Response:
        offers = await choice.list_offers(values)
        connected = await choice.find_connected(await sessions.find(request), offers)
        if is_page_wanted(request):
            return page.respond(request, offers, connected, sealed or page.seal(request, values), reason=reason)
        return JSONResponse(build_offered_document(offers, connected).model_dump(mode="json"))

    async def connect(request: Request, values: Mapping[str, str], chosen: Sequence[ChosenAccount]) -> Response:
        connected = await choice.connect(values, chosen, sessions.identify_visitor(request))
        response = respond_connected(request, connected, build_connected_document(adapter, connected))
        cookies.set_session(response, connected.session.cookie)
        return response

    @routes.post(get_sign_in_path(adapter, Purpose.CONNECT), **_describe_credentials(adapter, method))
    async def offer_accounts(request: Request) -> Response:
        if not adapter.is_configured:
            return respond_problem(request, 503, describe_missing_settings(adapter))
        fields: dict[str, str] = {}
        try:
            accounts = None
            if is_json(request):
                fields, accounts = _split_members(await read_long_json(request))
            else:
                fields = await read_form(request)
            if not form.is_sender(request, fields):
                return respond_problem(request, 403, _NOT_OURS, again=form.path)
            values = form.parse_values(fields)
            if accounts is None:
                return await offer(request, values)
            return await connect(request, values, _parse_accounts(accounts))
        except RequestRejectedError as error:
            return form.respond_refusal(request, fields, error)
        except TransientError as error:
            return respond_problem(request, 502, str(error), again=form.path)

    @routes.post(get_choice_path(adapter), **_describe_choice(adapter))
    async def connect_accounts(request: Request) -> Response:
        if not adapter.is_configured:
            return respond_problem(request, 503, describe_missing_settings(adapter))
        values: dict[str, str] = {}
        try:
            lists = await read_long_form(request)
            fields = {name: items[0] for name, items in lists.items()}
            if is_json(request) or not form.is_sender(request, fields):
                return respond_problem(request, 403, _NOT_OURS, again=form.path)
            sealed = fields.get(SEALED_FIELD, "")
            values = form.parse_values(page.unseal(request, sealed))
            chosen = _parse_chosen(lists)
            if not chosen and is_page_wanted(request):
                return await offer(request, values, sealed, NOTHING_CHOSEN)
            return await connect(request, values, chosen)
        except RequestRejectedError as error:
            return form.respond_refusal(request, values, error)
        except TransientError as error:
            return respond_problem(request, 502, str(error), again=form.path)

    return routes


class _ChoicePage:
    """The page with the offered accounts of one platform. The credentials are in it sealed."""

    def __init__(
        self, adapter: PlatformAdapter, sealer: CredentialsSealer, cookies: Cookies, form: CredentialsForm
    ) -> None:
        self._adapter = adapter
        self._sealer = sealer
        self._cookies = cookies
        self._form = form

    def seal(self, request: Request, values: Mapping[str, str]) -> str:
        return self._sealer.seal(values, self._form.build_token(request))

    def unseal(self, request: Request, sealed: str) -> dict[str, str]:
        return self._sealer.unseal(sealed, self._form.build_token(request))

    def respond(
        self, request: Request, offers: AccountOffers, connected: Collection[str], sealed: str, *, reason: str
    ) -> Response:
        response = render_page(
            "choose.html",
            {
                "title": self._adapter.manifest.title,
                "noun": self._adapter.manifest.account_noun,
                "path": get_choice_path(self._adapter),
                "again": self._form.path,
                "offers": offers.offers[:MAX_SHOWN],
                "hidden_count": max(0, len(offers.offers) - MAX_SHOWN),
                "can_choose": any(not offer.refusal for offer in offers.offers[:MAX_SHOWN]),
                "remarks": offers.remarks,
                "connected": connected,
                "reason": reason,
                "sealed_field": SEALED_FIELD,
                "sealed": sealed,
                "account_field": ACCOUNT_FIELD,
                "option_prefix": OPTION_PREFIX,
                "connect_token": self._form.build_token(request),
            },
            status=400 if reason else 200,
        )
        # The cookie lasts as long as what is sealed for it.
        self._cookies.set_form(response, self._cookies.get_form(request))
        return response


def _split_members(members: Mapping[str, Any]) -> tuple[dict[str, str], object]:
    """Return the credentials in a JSON object, and its member `accounts`; None where it has none."""
    fields = {name: value for name, value in members.items() if name != ACCOUNTS_MEMBER}
    if not all(isinstance(value, str) for value in fields.values()):
        raise RequestRejectedError(400, f"a member besides `{ACCOUNTS_MEMBER}` is not a text")
    return fields, members.get(ACCOUNTS_MEMBER)


def _parse_accounts(accounts: object) -> list[ChosenAccount]:
    """Return what a program has chosen: by account the choices for its options. Raises RequestRejectedError."""
    if not isinstance(accounts, dict):
        raise RequestRejectedError(400, _WRONG_ACCOUNTS)
    return [ChosenAccount(account, _parse_options(options)) for account, options in accounts.items()]


def _parse_options(options: object) -> dict[str, tuple[str, ...]]:
    if not isinstance(options, dict):
        raise RequestRejectedError(400, _WRONG_ACCOUNTS)
    parsed: dict[str, tuple[str, ...]] = {}
    for name, choices in options.items():
        if not isinstance(choices, list) or not all(isinstance(choice, str) for choice in choices):
            raise RequestRejectedError(400, _WRONG_ACCOUNTS)
        parsed[name] = tuple(choices)
    return parsed


def _parse_chosen(lists: Mapping[str, Sequence[str]]) -> list[ChosenAccount]:
    """Return what a person has chosen. The page sends the options of all accounts, also of those not chosen."""
    options: dict[str, dict[str, tuple[str, ...]]] = {}
    for field, choices in lists.items():
        prefix, _, rest = field.partition(":")
        name, _, account = rest.partition(":")
        # The first entry of a list is empty, for no choice.
        if prefix == OPTION_PREFIX and any(choices):
            options.setdefault(account, {})[name] = tuple(filter(None, choices))
    return [ChosenAccount(account, options.get(account, {})) for account in lists.get(ACCOUNT_FIELD, ())]


_CHOICES = {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}}
_ACCOUNTS = {
    "type": "object",
    "description": "The accounts to connect, each with the choices for its options by name. Left out: they are listed",
    "additionalProperties": _CHOICES,
}


def _describe_credentials(adapter: PlatformAdapter, method: CredentialsWithChoice) -> dict[str, Any]:
    fields, optional = CredentialsForm.describe_fields(method)
    body = describe_form_or_json(
        fields, form_only={TOKEN_FIELD: "That of the form"}, json_only={ACCOUNTS_MEMBER: _ACCOUNTS}, optional=optional
    )
    return describe_route(
        f"Connect {adapter.manifest.title} by credentials: list the accounts, or connect some of them",
        describe_page(
            AccountsOffered | AccountsConnected, "The accounts to choose from; with `accounts`, what is connected."
        ),
        describe_problems(_build_problems(adapter)),
        dependencies=[OPTIONAL_SESSION_COOKIE],
        openapi_extra=body | OPTIONAL_SESSION,
    )


def _describe_choice(adapter: PlatformAdapter) -> dict[str, Any]:
    fields = {
        TOKEN_FIELD: "That of the page",
        SEALED_FIELD: "The credentials, as the page has them",
        ACCOUNT_FIELD: "An account to connect; once for each of them",
    }
    success = describe_redirect(303, "A browser: to the page of what was connected.")
    offered = describe_page(AccountsConnected, "What is connected.")
    return describe_route(
        f"Connect the chosen accounts of {adapter.manifest.title}; options are `{OPTION_PREFIX}:<name>:<account>`",
        success,
        offered,
        describe_problems(_build_problems(adapter)),
        dependencies=[OPTIONAL_SESSION_COOKIE],
        openapi_extra=describe_form(fields) | OPTIONAL_SESSION,
    )


def _build_problems(adapter: PlatformAdapter) -> Mapping[int, str]:
    title = adapter.manifest.title
    return {
        400: f"{title} does not take these credentials, or something is malformed or not offered; nothing was stored.",
        403: "It was not sent by the form of this page.",
        502: f"{title} does not answer.",
        503: f"{title} is not configured here, or a part of the service does not answer now.",
        **RATE_LIMITED,
    }
