"""What a visitor of a running stack reads: stored objects, and the sandbox's truth about a shop."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import httpx
import orjson
from botocore.config import Config
from botocore.exceptions import ClientError, ResponseStreamingError
from urllib3.exceptions import ProtocolError

from merchant_sync.access import Access
from merchant_sync.parts import StackError
from merchant_sync.urls import detours

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class StoredObject:
    """An object and the facts that travel with it; metadata names in lower case, as stores differ in that."""

    body: bytes
    metadata: dict[str, str]

    @property
    def document(self) -> Any:
        """The JSON in it."""
        return orjson.loads(self.body)


@dataclass(frozen=True)
class Connected:
    """What a merchant has after connecting a shop: the answer, and the browser with its session."""

    shop: str
    browser: httpx.Client
    answer: dict[str, Any]

    @property
    def sync_id(self) -> str:
        """The first sync's id."""
        return str(self.answer["sync_id"])

    @property
    def key(self) -> str:
        """Where the shop's snapshot is stored."""
        return f"{self.shop}/shopify_data.json"

    def sync(self, sync_id: str | None = None) -> dict[str, Any]:
        """A sync (the first one, unless another is named) as the merchant is shown it."""
        shown: dict[str, Any] = _told(self.browser.get(f"/syncs/{sync_id or self.sync_id}", headers=JSON)).json()
        return shown


@dataclass(frozen=True)
class ConnectedPages:
    """What a merchant has after connecting Facebook Pages: the answer, and the browser with its session."""

    browser: httpx.Client
    answer: dict[str, Any]

    @property
    def pages(self) -> list[dict[str, str]]:
        """The pages: id, name, connection, sync_id of each."""
        listed: list[dict[str, str]] = self.answer["pages"]["data"]
        return listed

    def sync(self, sync_id: str) -> dict[str, Any]:
        """A sync as the merchant is shown it."""
        shown: dict[str, Any] = _told(self.browser.get(f"/syncs/{sync_id}", headers=JSON)).json()
        return shown


def bucket(access: Access) -> "S3Client":
    """A client for the object store of an installation."""
    key, secret, _ = access.need("SPACES_ACCESS_KEY", "SPACES_SECRET_KEY", "SPACES_BUCKET")
    return boto3.client(
        "s3",
        endpoint_url=access.bucket_endpoint,
        region_name=access.get("SPACES_REGION"),
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            connect_timeout=5,
            read_timeout=30,
            s3={"addressing_style": "path"},
        ),
    )


JSON = {"Accept": "application/json"}


def _told(answer: httpx.Response) -> httpx.Response:
    """The answer, if it is a good one; a StackError with what it says otherwise."""
    if answer.status_code >= 300:
        raise StackError(f"{answer.request.method} {answer.url}: {answer.status_code} {answer.text[:300]}")
    return answer


class Visit:
    """A running installation as seen from outside. `gateway_url` is the address that the gateway calls its own; where
    it is reached by another one, requests go that way."""

    def __init__(self, access: Access) -> None:
        self.gateway_url = next(iter(access.origins), access.gateway_url)
        self.sandbox_url = access.need("SANDBOX_PUBLIC_URL")[0].rstrip("/")
        self._origins, self._gateway = access.origins, access.gateway_url
        self._objects = bucket(access)
        self._bucket = access.get("SPACES_BUCKET")
        self.http = self.browser(timeout=120)

    def browser(self, timeout: float = 30) -> httpx.Client:
        """A new browser, nobody's yet."""
        return httpx.Client(base_url=self.gateway_url, timeout=timeout, mounts=detours(self._origins, self._gateway))

    def object(self, key: str) -> StoredObject | None:
        """The object at `key`, None when there is none.

        The local store, unlike S3, breaks off a read while the object is being replaced; then it is read again.
        """
        while True:
            with suppress(ResponseStreamingError, ProtocolError):
                return self._read(key)

    def _read(self, key: str) -> StoredObject | None:
        try:
            answer = self._objects.get_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404", "NotFound"):
                return None
            raise
        metadata = {name.lower(): value for name, value in answer["Metadata"].items()}
        return StoredObject(answer["Body"].read(), metadata)

    def delete(self, key: str) -> None:
        """Delete the object at `key`."""
        self._objects.delete_object(Bucket=self._bucket, Key=key)

    def put(self, key: str, body: bytes) -> None:
        """Put an object at `key`, without metadata."""
        self._objects.put_object(Bucket=self._bucket, Key=key, Body=body)

    def control(self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: Any) -> Any:
        """Tell the sandbox's control endpoint something about a shop; its JSON answer, None where it gives none."""
        return self._control(method, f"shops{path}", body, query)

    def control_facebook(self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: Any) -> Any:
        """Tell the sandbox's control endpoint something about its Facebook; its JSON answer."""
        return self._control(method, f"facebook{path}", body, query)

    def _control(self, method: str, path: str, body: Mapping[str, Any] | None, query: Mapping[str, Any]) -> Any:
        address = f"{self.sandbox_url}/control/{path}"
        answer = _told(self.http.request(method, address, json=body, params=query))
        return answer.json() if answer.content else None

    def connect(self, shop: str, browser: httpx.Client | None = None) -> Connected:
        """Connect a shop of the sandbox as a browser does: login, consent, callback."""
        browser = browser or self.browser()
        login = browser.get(f"/shopify/{shop}/login")
        if not login.has_redirect_location:
            raise StackError(f"The login did not lead to a consent page: {login.status_code} {login.text[:300]}")
        consent = self.http.post(login.headers["location"], data={"decision": "accept"})
        if not consent.has_redirect_location:
            raise StackError(f"The consent did not lead back: {consent.status_code} {consent.text[:300]}")
        answer = _told(browser.get(consent.headers["location"], headers=JSON))
        return Connected(shop, browser, answer.json())

    def page_login(
        self, user: str, browser: httpx.Client | None = None, **decision: str
    ) -> tuple[httpx.Client, httpx.Response]:
        """Go from the login of Facebook Pages over the dialog back to the gateway, as `user` of the sandbox.

        `decision` is what the dialog's form says: `decision`, `pages`, `declined`. The browser, and what it is shown.
        """
        browser = browser or self.browser(timeout=60)
        login = browser.get("/facebook/login")
        if not login.has_redirect_location:
            raise StackError(f"The login did not lead to a dialog: {login.status_code} {login.text[:300]}")
        dialog = httpx.URL(login.headers["location"]).copy_add_param("user", user)
        consent = self.http.post(dialog, data={"decision": "accept", **decision})
        if not consent.has_redirect_location:
            raise StackError(f"The dialog did not lead back: {consent.status_code} {consent.text[:300]}")
        return browser, browser.get(consent.headers["location"], headers=JSON)

    def connect_pages(self, user: str, browser: httpx.Client | None = None, **decision: str) -> ConnectedPages:
        """Connect the Facebook Pages of a user of the sandbox as a browser does."""
        browser, answer = self.page_login(user, browser, **decision)
        return ConnectedPages(browser, _told(answer).json())

    def page_truth(self, page: str) -> Any:
        """The document of a sandbox page as it should be stored."""
        return self.http.get(f"{self.sandbox_url}/control/facebook/pages/{page}/document").raise_for_status().json()

    def truth(self, shop: str) -> Any:
        """The document of a sandbox shop as it should be stored."""
        return self.http.get(f"{self.sandbox_url}/control/shops/{shop}/document").raise_for_status().json()
