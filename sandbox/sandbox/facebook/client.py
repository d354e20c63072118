"""HTTP calls from Facebook to the app: the webhook verification challenge, and the signed callbacks."""

import secrets
from typing import Any

import httpx

_TIMEOUT_SECONDS = 10.0


class CallbackClient:
    """Sends HTTP requests to URLs of the app, as Facebook does: verification challenges and signed callbacks.

    Redirects are not followed.
    """

    def __init__(self) -> None:
        self._http = httpx.AsyncClient(timeout=_TIMEOUT_SECONDS)

    async def find_callback_problem(self, url: str, verify_token: str) -> str | None:
        """Send the verification challenge, a random number that the app must send back, to a webhook URL.

        `verify_token` is the text by which the app recognises the challenge as its own. Returns None if the app sends
        the number back, otherwise a description of the problem.
        """
        challenge = str(secrets.randbelow(10**9) + 10**8)
        params = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": verify_token}
        try:
            response = await self._http.get(httpx.URL(url).copy_merge_params(params))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return f"CURL error: {type(error).__name__}"
        if response.status_code != 200:
            return f"HTTP Status Code = {response.status_code}; HTTP Message = {response.reason_phrase}"
        return None if response.text == challenge else "the answer is not the challenge"

    async def post_signed_request(self, url: str, signed_request: str) -> dict[str, Any]:
        """Post a signed request, the text that tells the app about one user, as a form to a callback URL of the app.

        Returns the HTTP `status` and, as `answer`, the parsed JSON body, or None if the body is not JSON. If the app
        cannot be reached, `status` is None and `answer` is the name of the exception.
        """
        try:
            response = await self._http.post(url, data={"signed_request": signed_request})
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return {"status": None, "answer": type(error).__name__}
        try:
            return {"status": response.status_code, "answer": response.json()}
        except ValueError:
            return {"status": response.status_code, "answer": None}

    async def close(self) -> None:
        """Close all HTTP connections."""
        await self._http.aclose()
