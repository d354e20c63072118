"""The deauthorize callback and the data deletion callback: signed requests that Facebook posts to the app.

The deauthorize callback is posted when a Facebook user removes the app, the data deletion callback when a user asks for
the deletion of the user's data.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from sandbox.facebook.model import Person
from sandbox.facebook.state import FacebookState
from sandbox.facebook.webhooks import build_signed_request

PostSignedRequest = Callable[[str, str], Awaitable[dict[str, Any]]]
"""Posts a signed request (second argument) to a URL. Returns the HTTP `status` and the `answer` of the app."""

_LOG_LENGTH = 50
"""The number of callbacks that are kept in the log of each user."""


async def remove_app_and_notify(facebook: FacebookState, person: Person, post: PostSignedRequest) -> dict[str, Any]:
    """Remove the app's access to a user, then post a signed request to the app's deauthorize callback.

    The access consists of the user's permissions and tokens, and of the subscriptions of the user's Facebook Pages.
    `post` posts the signed request. Returns the entry about this callback in the user's log.
    """
    facebook.remove_app(person)
    return await _post_and_log_callback(facebook, person, post, "deauthorize", facebook.app.deauthorize_url)


async def request_data_deletion(facebook: FacebookState, person: Person, post: PostSignedRequest) -> dict[str, Any]:
    """Ask the app to delete the user's data, by a signed request to its data deletion callback.

    If the user still uses the app, the app's access is removed first. The app then receives the deauthorize callback
    before the data deletion callback. `post` posts the signed requests. Returns the entry about the data deletion
    callback in the user's log. Its `answer` is the app's answer, with `url` and `confirmation_code`.
    """
    if person.permissions:
        await remove_app_and_notify(facebook, person, post)
    return await _post_and_log_callback(facebook, person, post, "deletion", facebook.app.deletion_url)


async def _post_and_log_callback(
    facebook: FacebookState, person: Person, post: PostSignedRequest, kind: str, url: str
) -> dict[str, Any]:
    result = (
        await post(url, build_signed_request(person.id, facebook.secret)) if url else {"status": None, "answer": None}
    )
    entry = {"kind": kind, "at": int(time.time()), "url": url, **result}
    person.letters = [*person.letters, entry][-_LOG_LENGTH:]
    facebook.save(people=[person])
    return entry
