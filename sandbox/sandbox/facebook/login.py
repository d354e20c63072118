"""Facebook Login: what the dialog asks and decides, tokens for codes, and what debug_token says of a token."""

import hmac
import time
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from sandbox.facebook.calls import Body, Call, Caller
from sandbox.facebook.errors import GraphError, dead_token
from sandbox.facebook.graph_schema import PERMISSIONS
from sandbox.facebook.model import Person, Token
from sandbox.facebook.state import Facebook
from sandbox.facebook.tokens import proof

_DATA_ACCESS_SECONDS = 90 * 86_400
_PAGE_PERMISSIONS = ("pages_", "business_")


@dataclass(frozen=True, slots=True)
class Question:
    """What an app asks a person in the dialog."""

    client_id: str
    redirect_uri: str
    scopes: tuple[str, ...]
    rerequest: bool
    response_type: str

    def problem(self, facebook: Facebook) -> str | None:
        """Why the dialog does not even open."""
        if self.client_id != facebook.app_id:
            return "Invalid App ID: the provided app ID does not look like a valid app ID."
        target, allowed = urlsplit(self.redirect_uri), facebook.app.redirect_uris or [self.redirect_uri]
        if target.scheme not in ("http", "https") or not target.netloc or self.redirect_uri not in allowed:
            return "URL blocked: this redirect URI is not among the app's valid OAuth redirect URIs."
        if self.response_type != "code":
            return f"Unsupported response_type: {self.response_type}"
        unknown = [scope for scope in self.scopes if scope not in PERMISSIONS]
        return f"Invalid Scopes: {', '.join(unknown)}" if unknown else None

    def asked_of(self, person: Person) -> list[str]:
        """The permissions that the person is asked for: neither granted yet nor declined, unless asked again."""
        settled = {"granted"} if self.rerequest else {"granted", "declined"}
        return [s for s in self.scopes if person.permissions.get(s) not in settled and s != "public_profile"]


def question(params: dict[str, str]) -> Question:
    """The question in the parameters of the dialog's address."""
    scopes = [scope.strip() for scope in params.get("scope", "").split(",")]
    return Question(
        params.get("client_id", ""), params.get("redirect_uri", ""), tuple(scope for scope in scopes if scope),
        params.get("auth_type") == "rerequest", params.get("response_type", "code"),
    )  # fmt: skip


def agree(facebook: Facebook, person: Person, asked: Question, pages: Iterable[str], declined: Iterable[str]) -> str:
    """The person continues with these pages and without those permissions: a code. Tokens of a page that is not given
    any more die.
    """
    refused = set(declined)
    person.permissions |= dict.fromkeys(asked.asked_of(person), "granted")
    person.permissions |= {scope: "declined" for scope in asked.scopes if scope in refused}
    own = {page.id for page in facebook.pages_of(person)}
    ticked = [page for page in dict.fromkeys(pages) if page in own]
    for page in set(person.ticked) - set(ticked):
        facebook.tokens.revoke(492, person=person.id, page=page)
    person.ticked = ticked
    facebook.keep(people=[person])
    return facebook.tokens.authorize(person.id, asked.redirect_uri)


def access_token(facebook: Facebook, call: Call) -> Body:
    """A token for a code, for a token that is to live longer, or for the app itself."""
    params = call.params
    if params.get("client_id") != facebook.app_id:
        raise GraphError(101, "Error validating application. Cannot get application info due to a system error.")
    if not hmac.compare_digest(params.get("client_secret", "").encode(), facebook.secret.encode()):
        raise GraphError(1, "Error validating client secret.")
    grant = params.get("grant_type", "authorization_code")
    if grant == "client_credentials":
        return {"access_token": facebook.tokens.for_app().text, "token_type": "bearer"}
    if grant == "fb_exchange_token":
        token = facebook.tokens.extend(call.need("fb_exchange_token"))
    elif grant == "authorization_code":
        token = facebook.tokens.exchange(call.need("code"), call.need("redirect_uri"))
    else:
        raise GraphError(100, f"Invalid grant_type: {grant}")
    return {
        "access_token": token.text, "token_type": "bearer", "expires_in": token.expires_at - token.issued_at,
    }  # fmt: skip


def debug_token(facebook: Facebook, call: Call, caller: Caller) -> Body:
    """What is known of `input_token`; for a token of the app only."""
    if caller.token.kind != "APP":
        raise GraphError(100, "(#100) You must provide an app access token, or a user access token that is an owner "
                         "or developer of the app")  # fmt: skip
    token = facebook.tokens.known(call.need("input_token"))
    if token is None:
        error = {"code": 190, "message": "Invalid OAuth access token."}
        return {"data": {"error": error, "is_valid": False, "scopes": []}}
    return {"data": _described(facebook, token)}


def _described(facebook: Facebook, token: Token) -> Body:
    person = facebook.people.get(token.person)
    permissions = person.permissions.items() if person is not None else ()
    scopes = [scope for scope, status in permissions if status == "granted"]
    body: Body = {
        "app_id": facebook.faults.token_app_id or facebook.app_id, "type": token.kind, "is_valid": True,
        "application": facebook.app.name, "expires_at": token.expires_at, "issued_at": token.issued_at,
        "data_access_expires_at": token.issued_at + _DATA_ACCESS_SECONDS, "scopes": [*scopes, "public_profile"],
    }  # fmt: skip
    if person is not None:
        given = [scope for scope in scopes if scope.startswith(_PAGE_PERMISSIONS)]
        body["granular_scopes"] = [{"scope": scope, "target_ids": person.ticked} for scope in given]
        body["user_id"] = person.id
    if token.page:
        body["profile_id"] = token.page
    subcode = facebook.tokens.problem(token)
    if subcode is not None:
        error = dead_token(subcode)
        body |= {"is_valid": False, "error": {"code": 190, "subcode": subcode, "message": str(error)}}
    return body


def authenticated(facebook: Facebook, call: Call) -> Token:
    """The token that a call carries, with its proof. Raises GraphError."""
    text = call.params.get("access_token", "")
    if not text:
        raise GraphError(104, "An access token is required to request this resource.")
    token = _token(facebook, text)
    said = call.params.get("appsecret_proof")
    if said is None and facebook.app.require_proof and token.kind != "APP":
        message = "API calls from the server require an appsecret_proof argument"
        raise GraphError(100, message, kind="GraphMethodException")
    if said is not None and not hmac.compare_digest(said.encode(), proof(text, facebook.secret).encode()):
        message = "Invalid appsecret_proof provided in the API argument"
        raise GraphError(100, message, kind="GraphMethodException")
    return token


def _token(facebook: Facebook, text: str) -> Token:
    if text == f"{facebook.app_id}|{facebook.secret}":
        return Token(text, "APP", int(time.time()))
    if "|" in text:
        raise GraphError(190, "Invalid OAuth access token signature.")
    return facebook.tokens.find(text)
