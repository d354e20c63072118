"""Signs messages as Standard Webhooks 1.0.0 says (standardwebhooks.com), with symmetric secrets."""

import hmac
import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import sha256
from uuid import UUID

SECRET_PREFIX = "whsec_"
SECRET_BYTES = 32


def generate_secret() -> str:
    """Return a new secret, as receivers get it: `whsec_` and base64."""
    return SECRET_PREFIX + b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def format_message_id(message: UUID) -> str:
    """Return the id of a message as receivers see it. It is the same in all attempts, so they know what they have."""
    return f"msg_{message.hex}"


def build_signed_headers(message: UUID, body: bytes, keys: Iterable[str], now: datetime) -> Mapping[str, str]:
    """Return the headers of an attempt at `now` to send a message, signed once with each of the secrets `keys`."""
    message_id, timestamp = format_message_id(message), str(int(now.timestamp()))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{_sign(signed, key)}" for key in keys),
    }


def _sign(content: bytes, key: str) -> str:
    digest = hmac.new(b64decode(key.removeprefix(SECRET_PREFIX)), content, sha256).digest()
    return b64encode(digest).decode()
