"""Codes and tokens as Facebook's login gives them: short-lived, long-lived, and those of pages."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Iterable

from sandbox.facebook.errors import GraphError, dead_token
from sandbox.facebook.model import Code, Token

CODE_SECONDS = 600
SHORT_SECONDS = 5_400
LONG_SECONDS = 5_183_944


def proof(token: str, secret: str) -> str:
    """appsecret_proof: hex of the HMAC-SHA256 of the token, under the app's secret."""
    return hmac.new(secret.encode(), token.encode(), hashlib.sha256).hexdigest()


class Tokens:
    """All codes and tokens. `keep` is called with every token that is new or changed, `keep_codes` with all codes."""

    def __init__(
        self, found: Iterable[Token], codes: dict[str, Code], keep: Callable[[Iterable[Token]], None],
        keep_codes: Callable[[dict[str, Code]], None], clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._by_text = {token.text: token for token in found}
        self._of_page = {(t.parent, t.page): t for t in self._by_text.values() if t.kind == "PAGE"}
        self._codes = codes
        self._keep = keep
        self._keep_codes = keep_codes
        self._clock = clock

    def authorize(self, person: str, redirect_uri: str) -> str:
        """The person agrees: a code for the app."""
        now = self._clock()
        self._codes = {text: code for text, code in self._codes.items() if code.expires_at > now - 3_600}
        text = f"AQ{secrets.token_urlsafe(90)}"
        self._codes[text] = Code(person, redirect_uri, now + CODE_SECONDS)
        self._keep_codes(self._codes)
        return text

    def exchange(self, text: str, redirect_uri: str) -> Token:
        """A short-lived token for a code, once. Raises GraphError."""
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
        self._keep_codes(self._codes)
        return self._issue("USER", SHORT_SECONDS, person=code.person)

    def extend(self, text: str) -> Token:
        """A long-lived token for a person's token that is still good. Raises GraphError."""
        token = self.find(text)
        if token.kind != "USER":
            raise GraphError(100, "fb_exchange_token must be the access token of a user")
        return self._issue("USER", LONG_SECONDS, person=token.person)

    def for_app(self) -> Token:
        """A token of the app itself; it does not expire."""
        return self._issue("APP", 0)

    def for_page(self, parent: Token, page: str) -> Token:
        """The page's token under a person's token, the same one as long as it is good. It expires with a short-lived
        parent and never with a long-lived one.
        """
        found = self._of_page.get((parent.text, page))
        if found is not None and self.problem(found) is None:
            return found
        short = parent.expires_at - parent.issued_at < LONG_SECONDS
        seconds = parent.expires_at - int(self._clock()) if short else 0
        made = self._issue("PAGE", seconds, person=parent.person, page=page, parent=parent.text)
        self._of_page[parent.text, page] = made
        return made

    def find(self, text: str) -> Token:
        """The token, if it is good now. Raises GraphError."""
        token = self.known(text)
        if token is None:
            raise dead_token(None)
        subcode = self.problem(token)
        if subcode is not None:
            raise dead_token(subcode)
        return token

    def known(self, text: str) -> Token | None:
        """The token, dead or alive."""
        return self._by_text.get(text)

    def problem(self, token: Token) -> int | None:
        """The subcode that a call with the token is answered with, None while it is good."""
        if token.subcode is not None:
            return token.subcode
        return 463 if 0 < token.expires_at <= self._clock() else None

    def revoke(self, subcode: int, *, person: str | None = None, page: str | None = None) -> int:
        """Kill all tokens of a person, or of a page; how many were alive."""
        dying = [
            token for token in self._by_text.values()
            if self.problem(token) is None and token.kind != "APP" and person in (None, token.person)
            and page in (None, token.page)
        ]  # fmt: skip
        for token in dying:
            token.subcode = subcode
        self._keep(dying)
        return len(dying)

    def alive(self, person: str) -> dict[str, int]:
        """How many tokens of each kind the person has given that are good now."""
        found = [t.kind for t in self._by_text.values() if t.person == person and self.problem(t) is None]
        return {"user": found.count("USER"), "page": found.count("PAGE")}

    def _issue(self, kind: str, seconds: int, *, person: str = "", page: str = "", parent: str = "") -> Token:
        now = int(self._clock())
        text = f"EAA{secrets.token_hex(60)}"
        made = Token(text, kind, now, now + seconds if seconds else 0, person, page, parent)
        self._by_text[text] = made
        self._keep([made])
        return made
