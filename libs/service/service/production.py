"""What a setting's value must not be in production: weak secrets, addresses without https, and the sandbox's addresses.

A `Check` takes the value of a setting as text, and returns why production may not use it, or None. No reason shows the
value.
"""

import re
from collections import Counter
from collections.abc import Callable
from math import log2
from urllib.parse import unquote, urlsplit

Check = Callable[[str], str | None]

MIN_SECRET_LENGTH = 16
MIN_SECRET_BITS = 48.0
"""How many bits a secret must seem to have. 128 random bits, in hexadecimal or in base64, seem to be 60 or more."""
_MAX_JUDGED_CHARACTERS = 512
"""The rest of a longer secret is not judged."""
_HINT = "generate one, e.g. with `openssl rand -base64 32`"
_KNOWN_WORDS = re.compile(
    "passw(?:or|0r)d|secret|s3cr3t|change|example|placeholder|default|merchant|qwerty|asdfgh|zxcvb|letmein|admin"
    "|random|generate|characters|replace|insert|deadbeef",
    re.IGNORECASE,
)
_REPETITION = re.compile(r"(.+?)\1+")
_WORDS = re.compile(r"[a-z]+(?:[-_. ][a-z]+){2,}")


def accept(_value: str) -> None:
    """Accept every value."""


def refuse_sandbox(_value: str) -> str:
    """Refuse every value: the setting is for the sandbox alone."""
    return "production has no sandbox: leave it out"


def check_secret(value: str) -> str | None:
    """Refuse a secret that is short, or that looks like repeated characters, words or a placeholder.

    A secret of at least 128 random bits in hexadecimal, base32 or base64 passes; how likely another one is to be
    guessed cannot be told for certain.
    """
    if len(value) < MIN_SECRET_LENGTH:
        return f"too short for a secret, which has at least {MIN_SECRET_LENGTH} characters: {_HINT}"
    judged = value[:_MAX_JUDGED_CHARACTERS]
    if _WORDS.fullmatch(judged) or estimate_bits(judged) < MIN_SECRET_BITS:
        return f"too easy to guess for a secret: {_HINT}"
    return None


def estimate_bits(secret: str) -> float:
    """Return the entropy of a secret in bits, by how often each of its characters occurs.

    Words of common placeholders, repetitions, and runs such as `aaa`, `abc` and `123` do not count.
    """
    rest = _REPETITION.sub(r"\1", _KNOWN_WORDS.sub("", secret))
    characters = [rest[i] for i in range(len(rest)) if i == 0 or ord(rest[i]) - ord(rest[i - 1]) not in (0, 1)]
    counts = Counter(characters)
    return sum(count * log2(len(characters) / count) for count in counts.values())


def check_named_secrets(value: str) -> str | None:
    """Refuse `name:secret` pairs, separated by commas, of which a secret is weak."""
    for pair in value.split(","):
        name, _, secret = pair.partition(":")
        if reason := check_secret(secret.strip()):
            return f"the key of {name.strip()} is {reason}"
    return None


def check_operator_keys(value: str) -> str | None:
    """Refuse `name:key` or `name:key:connections`, separated by blanks, of which a key is weak."""
    return check_named_secrets(",".join(":".join(entry.split(":")[:2]) for entry in value.split()))


def check_url_password(value: str) -> str | None:
    """Refuse a URL with a weak password. A URL without a password passes."""
    try:
        password = urlsplit(value).password
    except ValueError:
        return "not a URL"
    reason = check_secret(unquote(password)) if password else None
    return reason and f"its password is {reason}"


def check_https(value: str) -> str | None:
    """Refuse a list of URLs, separated by commas, unless each begins with `https://`."""
    urls = [url.strip() for url in value.split(",") if url.strip()]
    return None if all(url.lower().startswith("https://") for url in urls) else "must begin with https://"


def create_default_check(default: str | None) -> Check:
    """Return a check of a platform's own address, which refuses every value other than `default`."""

    def check_default(value: str) -> str | None:
        if value.rstrip("/") == (default or ""):
            return None
        return f"production uses the platform itself ({default}): leave it out" if default else refuse_sandbox(value)

    return check_default
