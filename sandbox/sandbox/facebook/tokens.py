"""Authorization codes and access tokens: short-lived and long-lived user tokens, page tokens and app tokens."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Iterable

from sandbox.facebook.errors import GraphError, build_token_error
from sandbox.facebook.model import Code, Token

CODE_LIFETIME_SECONDS = 600
SHORT_LIFETIME_SECONDS = 5_400
LONG_LIFETIME_SECONDS = 5_183_944
_CODE_RETENTION_SECONDS = 3_600
"""How long expired codes are kept. A kept code is refused as used or expired, a deleted one as unknown."""


def compute_proof(token: str, secret: str) -> str:
    """Compute the appsecret_proof: the HMAC-SHA256 of the token with the app's secret as the key, in hex."""
    return hmac.new(secret.encode(), token.encode(), hashlib.sha256).hexdigest()


class TokenRegistry:
    """Holds all authorization codes and access tokens.

    `save_tokens` is called with new and changed tokens. `save_codes` is called with all codes whenever one of them
    changes. `clock` returns Unix seconds.
    """

    def __init__(
        self, tokens: Iterable[Token], codes: dict[str, Code], save_tokens: Callable[[Iterable[Token]], None],
        save_codes: Callable[[dict[str, Code]], None], clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._by_text = {token.text: token for token in tokens}
        self._page_tokens = {(t.parent, t.page): t for t in self._by_text.values() if t.kind == "PAGE"}
        self._codes = codes
        self._save_tokens = save_tokens
        self._save_codes = save_codes
        self._clock = clock

    def issue_code(self, person: str, redirect_uri: str) -> str:
        """Issue an authorization code for the user. The code is valid only with this redirect URI."""
        now = self._clock()
        oldest = now - _CODE_RETENTION_SECONDS
        self._codes = {text: code for text, code in self._codes.items() if code.expires_at > oldest}
        text = f"AQ{secrets.token_urlsafe(90)}"
        self._codes[text] = Code(person, redirect_uri, now + CODE_LIFETIME_SECONDS)
        self._save_codes(self._codes)
        return text

    def exchange_code(self, text: str, redirect_uri: str) -> Token:
        """Exchange an authorization code for a short-lived user token. Each code can be exchanged once.

        Raises GraphError if the code is unknown, used or expired, or if it belongs to another redirect URI.
        """
        code = self._codes.get(text)
        if code is None:
            raise GraphError(100, "Invalid verification code format.", subcode=36009)
        if code.used:
            raise GraphError(100, "This authorization code has been used.", subcode=36009)
        if code.expires_at <= self._clock():
            raise GraphError(100, "This authorization code has expired.", subcode=36007)
        if code.redirect_uri != redirect_uri:
            message = (
                "Error validating verification code. Please make sure your redirect_uri is identical to the one you "
                "used in the OAuth dialog request"
            )
            raise GraphError(100, message, subcode=36008)
        code.used = True
        self._save_codes(self._codes)
        return self._issue("USER", SHORT_LIFETIME_SECONDS, person=code.person)

    def issue_long_lived_token(self, text: str) -> Token:
        """Issue a long-lived user token in exchange for the user token `text`, which stays valid.

        Raises GraphError if the token is invalid or is not a user token.
        """
        token = self.get_valid_token(text)
        if token.kind != "USER":
            raise GraphError(100, "fb_exchange_token must be the access token of a user")
        return self._issue("USER", LONG_LIFETIME_SECONDS, person=token.person)

    def issue_app_token(self) -> Token:
        """Issue a token of the app itself. It never expires."""
        return self._issue("APP", 0)

    def get_or_issue_page_token(self, parent: Token, page: str) -> Token:
        """Return the token of the Facebook Page `page` that is derived from the user token `parent`.

        A new one is issued only if there is no valid one. The page token of a short-lived user token expires together
        with the user token. The page token of a long-lived user token never expires.
        """
        current = self._page_tokens.get((parent.text, page))
        if current is not None and self.find_error_subcode(current) is None:
            return current
        is_short_lived = parent.expires_at - parent.issued_at < LONG_LIFETIME_SECONDS
        lifetime = parent.expires_at - int(self._clock()) if is_short_lived else 0
        token = self._issue("PAGE", lifetime, person=parent.person, page=page, parent=parent.text)
        self._page_tokens[parent.text, page] = token
        return token

    def get_valid_token(self, text: str) -> Token:
        """Return the token whose text is `text`. Raises GraphError if it is unknown, expired or revoked."""
        token = self.find_token(text)
        if token is None:
            raise build_token_error(None)
        subcode = self.find_error_subcode(token)
        if subcode is not None:
            raise build_token_error(subcode)
        return token

    def find_token(self, text: str) -> Token | None:
        """Return the token whose text is `text`, whether it is valid or not, or None if it is unknown."""
        return self._by_text.get(text)

    def find_error_subcode(self, token: Token) -> int | None:
        """Return the error subcode that says why the token is not valid, or None for a valid token."""
        if token.subcode is not None:
            return token.subcode
        return 463 if 0 < token.expires_at <= self._clock() else None

    def revoke_tokens(self, subcode: int, *, person: str | None = None, page: str | None = None) -> int:
        """Revoke valid tokens, and return their number.

        They are the tokens of the user `person` and of all this user's Facebook Pages, the tokens of the Facebook Page
        `page`, or, if both are given, the user's tokens of this page. `subcode` is the error subcode with which later
        calls with these tokens are refused. Tokens of the app are kept.
        """
        tokens = [
            token for token in self._by_text.values()
            if self.find_error_subcode(token) is None and token.kind != "APP" and person in (None, token.person)
            and page in (None, token.page)
        ]  # fmt: skip
        for token in tokens:
            token.subcode = subcode
        self._save_tokens(tokens)
        return len(tokens)

    def count_valid(self, person: str) -> dict[str, int]:
        """Count the valid tokens of the user, by kind: `user` and `page`."""
        kinds = [t.kind for t in self._by_text.values() if t.person == person and self.find_error_subcode(t) is None]
        return {"user": kinds.count("USER"), "page": kinds.count("PAGE")}

    def _issue(self, kind: str, lifetime: int, *, person: str = "", page: str = "", parent: str = "") -> Token:
        """Issue and save a token.

        `kind` is USER, PAGE or APP. `lifetime` is in seconds; with 0 the token never expires.
        """
        now = int(self._clock())
        text = f"EAA{secrets.token_hex(60)}"
        token = Token(text, kind, now, now + lifetime if lifetime else 0, person, page, parent)
        self._by_text[text] = token
        self._save_tokens([token])
        return token
