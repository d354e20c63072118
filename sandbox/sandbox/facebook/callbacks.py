"""The deauthorize and the data deletion callback: signed requests that Facebook posts to the app.

A person who removes the app triggers the first. A person who asks for the deletion of the data triggers the second.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from sandbox.facebook.model import Person
from sandbox.facebook.state import FacebookState
from sandbox.facebook.webhooks import build_signed_request

PostSignedRequest = Callable[[str, str], Awaitable[dict[str, Any]]]
"""Posts a signed request to a URL and returns `status` and `answer`."""

_LOG_LENGTH = 50
"""How many callbacks are remembered for each person."""


async def remove_app(facebook: FacebookState, person: Person, post: PostSignedRequest) -> dict[str, Any]:
    """Remove the app for a person: revoke all tokens, then call the deauthorize callback. Returns its log entry."""
    facebook.remove_app(person)
    return await _call(facebook, person, post, "deauthorize", facebook.app.deauthorize_url)


async def delete_data(facebook: FacebookState, person: Person, post: PostSignedRequest) -> dict[str, Any]:
    """Ask the app to delete the person's data.

    If the person still uses the app, it is removed first: the app receives the deauthorize callback and then the
    deletion callback. Returns the log entry of the deletion callback; its `answer` holds `url` and
    `confirmation_code`.
    """
    if person.permissions:
        await remove_app(facebook, person, post)
    return await _call(facebook, person, post, "deletion", facebook.app.deletion_url)


async def _call(
    facebook: FacebookState, person: Person, post: PostSignedRequest, kind: str, url: str
) -> dict[str, Any]:
    result = (
        await post(url, build_signed_request(person.id, facebook.secret)) if url else {"status": None, "answer": None}
    )
    entry = {"kind": kind, "at": int(time.time()), "url": url, **result}
    person.letters = [*person.letters, entry][-_LOG_LENGTH:]
    facebook.save(people=[person])
    return entry
