"""What is posted to the app when a person takes leave of it: a signed request, and what the app answers."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from sandbox.facebook.model import Person
from sandbox.facebook.state import Facebook
from sandbox.facebook.webhooks import signed_request

Post = Callable[[str, str], Awaitable[dict[str, Any]]]
_KEPT = 50


async def remove_app(facebook: Facebook, person: Person, post: Post) -> dict[str, Any]:
    """The person removes the app: all tokens die, then the deauthorize callback is told. What became of that."""
    facebook.remove_app(person)
    return await _send(facebook, person, post, "deauthorize", facebook.app.deauthorize_url)


async def delete_data(facebook: Facebook, person: Person, post: Post) -> dict[str, Any]:
    """The person asks for the data to be deleted, and removes the app first if it is still there: two callbacks, one
    after the other. What became of the second; `answer` holds `url` and `confirmation_code`.
    """
    if person.permissions:
        await remove_app(facebook, person, post)
    return await _send(facebook, person, post, "deletion", facebook.app.deletion_url)


async def _send(facebook: Facebook, person: Person, post: Post, kind: str, url: str) -> dict[str, Any]:
    outcome = await post(url, signed_request(person.id, facebook.secret)) if url else {"status": None, "answer": None}
    letter = {"kind": kind, "at": int(time.time()), "url": url, **outcome}
    person.letters = [*person.letters, letter][-_KEPT:]
    facebook.keep(people=[person])
    return letter
