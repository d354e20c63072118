"""The app's own addresses, as Facebook calls them: the challenge of a subscription, and its two callbacks."""

import secrets
from typing import Any

import httpx

_SECONDS = 10.0


class Callbacks:
    """Calls to the app. Redirects are not followed."""

    def __init__(self) -> None:
        self._http = httpx.AsyncClient(timeout=_SECONDS)

    async def challenge(self, url: str, verify_token: str) -> str | None:
        """Ask the webhook's address for the challenge; None when it answers that, else what was wrong."""
        number = str(secrets.randbelow(10**9) + 10**8)
        params = {"hub.mode": "subscribe", "hub.challenge": number, "hub.verify_token": verify_token}
        try:
            answer = await self._http.get(httpx.URL(url).copy_merge_params(params))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return f"CURL error: {type(error).__name__}"
        if answer.status_code != 200:
            return f"HTTP Status Code = {answer.status_code}; HTTP Message = {answer.reason_phrase}"
        return None if answer.text == number else "the answer is not the challenge"

    async def post(self, url: str, signed_request: str) -> dict[str, Any]:
        """Post a signed request as a form: the `status` that was answered, and the `answer` if it is JSON."""
        try:
            answer = await self._http.post(url, data={"signed_request": signed_request})
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return {"status": None, "answer": type(error).__name__}
        try:
            return {"status": answer.status_code, "answer": answer.json()}
        except ValueError:
            return {"status": answer.status_code, "answer": None}

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()
