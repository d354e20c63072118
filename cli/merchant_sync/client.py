"""Use a running installation from outside: the gateway, the stored objects, the sandbox."""

import hashlib
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import boto3
import httpx
import orjson
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ResponseStreamingError
from urllib3.exceptions import ProtocolError

from merchant_sync.access import Access
from merchant_sync.origins import build_mounts
from merchant_sync.parts import StackError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class StoredObject:
    """An object of the bucket. Metadata names are in lower case, because object stores differ in the case they use."""

    body: bytes
    metadata: dict[str, str]

    @property
    def document(self) -> Any:
        """The parsed JSON of the object."""
        return orjson.loads(self.body)

    def is_whole(self, previous: "StoredObject | None") -> bool:
        """Return whether the body is the one that the metadata names by its SHA-256.

        If it names none, the object is whole when the `previous` read gave the same one.
        """
        named = self.metadata.get("sha256")
        return self == previous if named is None else named == hashlib.sha256(self.body).hexdigest()


READS_OF_AN_OBJECT = 50
"""How often an object is read, every 0.1 s. One that is being replaced is whole again after one or two reads."""


def create_bucket_client(access: Access) -> "S3Client":
    """Return a client for the object store of an installation."""
    key, secret, _ = access.require_settings("SPACES_ACCESS_KEY", "SPACES_SECRET_KEY", "SPACES_BUCKET")
    return boto3.client(
        "s3",
        endpoint_url=access.bucket_endpoint,
        region_name=access.get_setting("SPACES_REGION"),
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        # None: botocore trusts the authorities that it comes with, or those of AWS_CA_BUNDLE.
        verify=access.get_setting("SPACES_CA_FILE") or None,
        config=Config(
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            connect_timeout=5,
            read_timeout=30,
            s3={"addressing_style": "path"},
        ),
    )


JSON = {"Accept": "application/json"}
_FORM_TOKEN = re.compile(r'name="form_token" value="(\w+)"')


def ensure_success(response: httpx.Response) -> httpx.Response:
    """Return the response if its status is below 300. Raises StackError with the response's text otherwise."""
    if response.status_code >= 300:
        raise StackError(f"{response.request.method} {response.url}: {response.status_code} {response.text[:300]}")
    return response


class Visit:
    """A visit to a running installation: does what merchants and readers of the bucket do.

    `bucket` is the bucket's name. `gateway_url` is the gateway's own URL, as in its redirects. When the gateway is
    reached at another URL from here, requests for `gateway_url` are sent to that other URL. `access` is how the
    installation is reached.
    """

    def __init__(self, access: Access) -> None:
        self.access = access
        self.gateway_url = next(iter(access.origins), access.gateway_url)
        self.sandbox_url = access.require_settings("SANDBOX_PUBLIC_URL")[0].rstrip("/")
        self.data_api_url = access.get_setting("DATA_API_URL")
        self._origins, self._gateway = access.origins, access.gateway_url
        self._objects = create_bucket_client(access)
        self.bucket = access.get_setting("SPACES_BUCKET")
        self.http = self.create_browser(timeout=120)

    def create_browser(self, timeout: float = 30) -> httpx.Client:
        """Return a new HTTP client that acts as a browser without a session."""
        return httpx.Client(
            base_url=self.gateway_url, timeout=timeout, mounts=build_mounts(self._origins, self._gateway)
        )

    def load_object(self, key: str) -> StoredObject | None:
        """Return the object at `key`; None when there is no object.

        Raises StackError when the object store is not reached, refuses the keys, or keeps a body that is not the
        one its metadata names.
        """
        previous: StoredObject | None = None
        for _ in range(READS_OF_AN_OBJECT):
            # The local store, unlike S3, may break off or mix up a read while the object is being replaced, and then
            # shows a moment without metadata.
            with self._explain_errors(), suppress(ResponseStreamingError, ProtocolError):
                stored = self._load_object(key)
                if stored is None or stored.is_whole(previous):
                    return stored
                previous = stored
            time.sleep(0.1)
        raise StackError(f"{key}: what the bucket holds is not what its metadata names by `sha256`")

    @contextmanager
    def _explain_errors(self) -> Iterator[None]:
        """Raise an error of the object store as a StackError that says what to give."""
        try:
            yield
        except (ClientError, BotoCoreError, OSError) as error:
            raise StackError(
                f"{self._objects.meta.endpoint_url}: {error}. Give this command the SPACES_ACCESS_KEY, "
                "SPACES_SECRET_KEY and SPACES_BUCKET that the spaces-writer has, and its SPACES_CA_FILE if it has one."
            ) from None

    def _load_object(self, key: str) -> StoredObject | None:
        try:
            response = self._objects.get_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404", "NotFound"):
                return None
            raise
        metadata = {name.lower(): value for name, value in response["Metadata"].items()}
        return StoredObject(response["Body"].read(), metadata)

    def delete_object(self, key: str) -> None:
        """Delete the object at `key`."""
        self._objects.delete_object(Bucket=self.bucket, Key=key)

    def put_object(self, key: str, body: bytes) -> None:
        """Put an object at `key`, without metadata."""
        self._objects.put_object(Bucket=self.bucket, Key=key, Body=body)

    def call_sandbox(self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: Any) -> Any:
        """Call the control API of the sandbox (which simulates the platforms), at `path` under `/control/`.

        Return the JSON of the response; None when the response is empty. Raises StackError when the call is refused.
        """
        address = f"{self.sandbox_url}/control/{path}"
        response = ensure_success(self.http.request(method, address, json=body, params=query))
        return response.json() if response.content else None

    def submit_consent_form(self, login: httpx.Response, **form: str) -> str:
        """Submit the consent form to which a login redirects; return the URL of the redirect back to the gateway.

        `form` has additional fields of the consent form. The field `decision` is `accept` unless `form` replaces it.
        Raises StackError when the login or the consent form does not redirect.
        """
        if not login.has_redirect_location:
            raise StackError(f"The login did not redirect to the platform: {login.status_code} {login.text[:300]}")
        consent = self.http.post(login.headers["location"], data={"decision": "accept", **form})
        if not consent.has_redirect_location:
            raise StackError(f"The platform did not redirect back: {consent.status_code} {consent.text[:300]}")
        return consent.headers["location"]

    def submit_button(self, browser: httpx.Client, connection: str, action: str, **fields: str) -> httpx.Response:
        """Send the form of a button on the page of the merchant's connections; return the gateway's redirect.

        `action` is the end of the form's path, such as `disconnect`. Raises StackError when the gateway refuses it.
        """
        answer = self.post_form(browser, connection, action, fields)
        if not answer.has_redirect_location:
            raise StackError(f"{action} of {connection} is refused: {answer.status_code} {answer.text[:300]}")
        return answer

    def post_form(
        self, browser: httpx.Client, connection: str, action: str, fields: Mapping[str, str], accept: str = "text/html"
    ) -> httpx.Response:
        """Send a form about the merchant's connection, as its page does, and return the gateway's answer."""
        page = browser.get("/connections", headers={"Accept": "text/html"}).text
        token = _FORM_TOKEN.search(page)
        form = {"form_token": token[1] if token else "", **fields}
        headers = {"Sec-Fetch-Site": "same-origin", "Accept": accept}
        return browser.post(f"/connections/{quote(connection)}/{action}", data=form, headers=headers)

    def load_sync(self, browser: httpx.Client, sync_id: str) -> dict[str, Any]:
        """Return a sync as the gateway shows it to the merchant who is logged in with this browser."""
        shown: dict[str, Any] = ensure_success(browser.get(f"/syncs/{sync_id}", headers=JSON)).json()
        return shown
