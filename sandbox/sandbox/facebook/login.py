"""Facebook Login: the permissions that the login dialog shows, the exchange of codes for tokens, and debug_token."""

import hmac
import time
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from sandbox.facebook.calls import Body, Call, Caller
from sandbox.facebook.errors import GraphError, build_token_error
from sandbox.facebook.graph_schema import PERMISSIONS
from sandbox.facebook.model import Person, Token
from sandbox.facebook.state import FacebookState
from sandbox.facebook.tokens import compute_proof

_DATA_ACCESS_SECONDS = 90 * 86_400
_PAGE_PERMISSION_PREFIXES = ("pages_", "business_")


@dataclass(frozen=True, slots=True)
class LoginRequest:
    """The parameters with which an app opens the login dialog.

    With `rerequest`, the dialog also asks for permissions that the user declined before.
    """

    client_id: str
    redirect_uri: str
    scopes: tuple[str, ...]
    rerequest: bool
    response_type: str

    def find_problem(self, facebook: FacebookState) -> str | None:
        """Return the reason why the dialog cannot be shown, or None if it can."""
        if self.client_id != facebook.app_id:
            return "Invalid App ID: the provided app ID does not look like a valid app ID."
        target, allowed = urlsplit(self.redirect_uri), facebook.app.redirect_uris or [self.redirect_uri]
        if target.scheme not in ("http", "https") or not target.netloc or self.redirect_uri not in allowed:
            return "URL blocked: this redirect URI is not among the app's valid OAuth redirect URIs."
        if self.response_type != "code":
            return f"Unsupported response_type: {self.response_type}"
        unknown = [scope for scope in self.scopes if scope not in PERMISSIONS]
        return f"Invalid Scopes: {', '.join(unknown)}" if unknown else None

    def select_scopes_to_ask(self, person: Person) -> list[str]:
        """Select the permissions that the dialog asks the user for.

        Granted permissions are left out. Declined ones are left out too, unless `rerequest` is set.
        """
        decided = {"granted"} if self.rerequest else {"granted", "declined"}
        return [s for s in self.scopes if person.permissions.get(s) not in decided and s != "public_profile"]


def parse_login_request(params: dict[str, str]) -> LoginRequest:
    """Parse the query parameters of the dialog's URL."""
    scopes = [scope.strip() for scope in params.get("scope", "").split(",")]
    return LoginRequest(
        params.get("client_id", ""), params.get("redirect_uri", ""), tuple(scope for scope in scopes if scope),
        params.get("auth_type") == "rerequest", params.get("response_type", "code"),
    )  # fmt: skip


def approve_login_and_issue_code(
    facebook: FacebookState, person: Person, request: LoginRequest, page_ids: Iterable[str], declined: Iterable[str]
) -> str:
    """Record that the user accepts the login dialog, and return the authorization code.

    The app gets access to the Facebook Pages `page_ids`, and the requested permissions except the `declined` ones. The
    tokens of pages that the user does not select any more are revoked. If the user selects no page at all, this login
    gives none, and the tokens of earlier ones stay valid.
    """
    declined_scopes = set(declined)
    person.permissions |= dict.fromkeys(request.select_scopes_to_ask(person), "granted")
    person.permissions |= {scope: "declined" for scope in request.scopes if scope in declined_scopes}
    own_ids = {page.id for page in facebook.list_undeleted_pages(person)}
    selected_ids = [page_id for page_id in dict.fromkeys(page_ids) if page_id in own_ids]
    for page_id in set(person.ticked) - set(selected_ids) if selected_ids else ():
        facebook.tokens.revoke_tokens(492, person=person.id, page=page_id)
    person.ticked = selected_ids
    facebook.save(people=[person])
    return facebook.tokens.issue_code(person.id, request.redirect_uri)


def grant_token(facebook: FacebookState, call: Call) -> Body:
    """Answer a call to the token endpoint `/oauth/access_token`. `grant_type` decides which token is issued.

    - authorization_code: a short-lived token for an authorization code.
    - fb_exchange_token: a long-lived token for a short-lived one.
    - client_credentials: a token of the app itself.

    Raises GraphError if the request is refused.
    """
    params = call.params
    if params.get("client_id") != facebook.app_id:
        raise GraphError(101, "Error validating application. Cannot get application info due to a system error.")
    if not hmac.compare_digest(params.get("client_secret", "").encode(), facebook.secret.encode()):
        raise GraphError(1, "Error validating client secret.")
    grant = params.get("grant_type", "authorization_code")
    if grant == "client_credentials":
        return {"access_token": facebook.tokens.issue_app_token().text, "token_type": "bearer"}
    if grant == "fb_exchange_token":
        token = facebook.tokens.issue_long_lived_token(call.require("fb_exchange_token"))
    elif grant == "authorization_code":
        token = facebook.tokens.exchange_code(call.require("code"), call.require("redirect_uri"))
    else:
        raise GraphError(100, f"Invalid grant_type: {grant}")
    return {
        "access_token": token.text, "token_type": "bearer", "expires_in": token.expires_at - token.issued_at,
    }  # fmt: skip


def inspect_token(facebook: FacebookState, call: Call, caller: Caller) -> Body:
    """Answer a call to `/debug_token`: describe the token in the parameter `input_token`.

    Raises GraphError unless the call itself is made with a token of the app.
    """
    if caller.token.kind != "APP":
        raise GraphError(100, "(#100) You must provide an app access token, or a user access token that is an owner "
                         "or developer of the app")  # fmt: skip
    token = facebook.tokens.find_token(call.require("input_token"))
    if token is None:
        error = {"code": 190, "message": "Invalid OAuth access token."}
        return {"data": {"error": error, "is_valid": False, "scopes": []}}
    return {"data": _describe_token(facebook, token)}


def _describe_token(facebook: FacebookState, token: Token) -> Body:
    person = facebook.people.get(token.person)
    permissions = person.permissions.items() if person is not None else ()
    scopes = [scope for scope, status in permissions if status == "granted"]
    body: Body = {
        "app_id": facebook.faults.token_app_id or facebook.app_id, "type": token.kind, "is_valid": True,
        "application": facebook.app.name, "expires_at": token.expires_at, "issued_at": token.issued_at,
        "data_access_expires_at": token.issued_at + _DATA_ACCESS_SECONDS, "scopes": [*scopes, "public_profile"],
    }  # fmt: skip
    if person is not None:
        page_scopes = [scope for scope in scopes if scope.startswith(_PAGE_PERMISSION_PREFIXES)]
        body["granular_scopes"] = [{"scope": scope, "target_ids": person.ticked} for scope in page_scopes]
        body["user_id"] = person.id
    if token.page:
        body["profile_id"] = token.page
    subcode = facebook.tokens.find_error_subcode(token)
    if subcode is not None:
        error = build_token_error(subcode)
        body |= {"is_valid": False, "error": {"code": 190, "subcode": subcode, "message": str(error)}}
    return body


def authenticate_call(facebook: FacebookState, call: Call) -> Token:
    """Check the access token of a call and its `appsecret_proof`, a hash of the token with the app's secret as the key.

    Returns the token. Raises GraphError if the token or the proof is invalid, or is missing although it is required.
    """
    text = call.params.get("access_token", "")
    if not text:
        raise GraphError(104, "An access token is required to request this resource.")
    token = _resolve_token(facebook, text)
    proof = call.params.get("appsecret_proof")
    if proof is None and facebook.app.require_proof and token.kind != "APP":
        message = "API calls from the server require an appsecret_proof argument"
        raise GraphError(100, message, kind="GraphMethodException")
    if proof is not None and not hmac.compare_digest(proof.encode(), compute_proof(text, facebook.secret).encode()):
        message = "Invalid appsecret_proof provided in the API argument"
        raise GraphError(100, message, kind="GraphMethodException")
    return token


def _resolve_token(facebook: FacebookState, text: str) -> Token:
    if text == f"{facebook.app_id}|{facebook.secret}":
        return Token(text, "APP", int(time.time()))
    if "|" in text:
        raise GraphError(190, "Invalid OAuth access token signature.")
    return facebook.tokens.get_valid_token(text)
