"""The internal listeners of gateway and scheduler, asked as the caller `operator`."""

from typing import Any, Self

import httpx

from merchant_sync.access import Access
from merchant_sync.parts import StackError

TIMEOUT = httpx.Timeout(30.0, connect=5.0)


class Refused(StackError):
    """It answered, and what it answered is no."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Inside:
    """Both of them. What does not answer is a StackError that names its setting; a refusal is `Refused`."""

    def __init__(self, access: Access) -> None:
        self._gateway, self._scheduler, key = access.need("GATEWAY_INTERNAL_URL", "SCHEDULER_URL", "INTERNAL_KEY")
        self._http = httpx.Client(timeout=TIMEOUT, headers={"Authorization": f"Bearer {key}"})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def overview(self) -> dict[str, Any]:
        """The ledger as a whole."""
        return self._scheduled("/overview")

    def connections(
        self, *, platform: str | None = None, state: str | None = None, limit: int = 100
    ) -> list[dict[str, Any]]:
        """The first connections by name."""
        asked = {"platform": platform, "state": state, "limit": limit}
        query = {name: value for name, value in asked.items() if value is not None}
        listed: list[dict[str, Any]] = self._scheduled("/connections", **query)["connections"]
        return listed

    def connection(self, name: str) -> dict[str, Any]:
        """One connection with its latest syncs."""
        return self._scheduled(f"/connections/{name}")

    def sync(self, sync_id: str) -> dict[str, Any] | None:
        """One sync; None while the scheduler has not heard of it."""
        try:
            return self._scheduled(f"/syncs/{sync_id}")
        except Refused as refused:
            if refused.status == 404:
                return None
            raise

    def checkup(self, name: str) -> dict[str, Any]:
        """How a connection stands at its platform."""
        return self._asked("GET", self._gateway, "GATEWAY_INTERNAL_URL", f"/internal/connections/{name}/checkup")

    def wish(self, name: str, records: dict[str, list[str]] | None) -> str:
        """Start a sync: of these records, or of everything. Its id."""
        path = f"/internal/connections/{name}/sync"
        told = self._asked("POST", self._gateway, "GATEWAY_INTERNAL_URL", path, json={"records": records})
        return str(told["sync_id"])

    def _scheduled(self, path: str, **query: Any) -> dict[str, Any]:
        return self._asked("GET", self._scheduler, "SCHEDULER_URL", path, params=query)

    def _asked(self, method: str, base: str, setting: str, path: str, **more: Any) -> dict[str, Any]:
        try:
            answer = self._http.request(method, base.rstrip("/") + path, **more)
        except httpx.HTTPError as error:
            raise StackError(f"{base} ({setting}) does not answer: {type(error).__name__} {error}") from error
        if answer.status_code in (401, 403):
            raise Refused(
                answer.status_code,
                f"{base} refuses INTERNAL_KEY: it must be operator's in the INTERNAL_KEYS of gateway and scheduler.",
            )
        if answer.is_error:
            raise Refused(answer.status_code, f"{base} answers {answer.status_code}: {_reason(answer)}")
        told: dict[str, Any] = answer.json()
        return told


def _reason(answer: httpx.Response) -> str:
    try:
        told = answer.json()
    except ValueError:
        return answer.text[:200]
    return str(told.get("reason") or told.get("detail") or told.get("state") or told)
