"""The gateway's few GraphQL documents for Shopify, and the answers of Shopify as it reads them."""

from typing import Any

from pydantic import BaseModel, Field

ALIVE = "query Alive { shop { id } }"
SCOPES = "query Scopes { currentAppInstallation { accessScopes { handle } } }"
SUBSCRIPTIONS = """
query Subscriptions($after: String) {
  webhookSubscriptions(first: 100, after: $after) {
    nodes { id topic uri }
    pageInfo { hasNextPage endCursor }
  }
}"""
SUBSCRIBE = """
mutation Subscribe($topic: WebhookSubscriptionTopic!, $uri: String!) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: {uri: $uri, format: JSON}) {
    userErrors { message }
  }
}"""
MOVE = """
mutation Move($id: ID!, $uri: String!) {
  webhookSubscriptionUpdate(id: $id, webhookSubscription: {uri: $uri}) {
    userErrors { message }
  }
}"""
DOCUMENTS = (ALIVE, SCOPES, SUBSCRIPTIONS, SUBSCRIBE, MOVE)


class TokenAnswer(BaseModel):
    """What the token endpoint gives: the last three fields for expiring tokens only, seconds of life."""

    access_token: str = Field(min_length=1, repr=False)
    scope: str
    expires_in: int | None = None
    refresh_token: str | None = Field(default=None, repr=False)
    refresh_token_expires_in: int | None = None


class TokenError(BaseModel):
    """How it refuses, in OAuth's words."""

    error: str = ""


class Bucket(BaseModel):
    """The rate limit's state."""

    available: float = Field(alias="currentlyAvailable")
    restore_rate: float = Field(alias="restoreRate")


class Cost(BaseModel):
    """What a query costs, in points."""

    requested: float = Field(alias="requestedQueryCost")
    bucket: Bucket = Field(alias="throttleStatus")

    @property
    def wait(self) -> float:
        """Seconds until the bucket holds what this query needs."""
        return max(0.0, self.requested - self.bucket.available) / max(1.0, self.bucket.restore_rate)


class Extensions(BaseModel):
    """Beside an answer or an error."""

    code: str = ""
    cost: Cost | None = None


class QueryError(BaseModel):
    """One of the errors of an answer."""

    message: str
    extensions: Extensions = Extensions()


class QueryAnswer(BaseModel):
    """An answer's envelope."""

    data: dict[str, Any] | None = None
    errors: list[QueryError] | str = []
    extensions: Extensions = Extensions()

    @property
    def reasons(self) -> str:
        """Its errors in words; empty without any."""
        return self.errors if isinstance(self.errors, str) else "; ".join(e.message for e in self.errors)

    @property
    def codes(self) -> set[str]:
        """Its errors' codes."""
        return set() if isinstance(self.errors, str) else {e.extensions.code for e in self.errors}


class UserError(BaseModel):
    """Why a mutation did nothing."""

    message: str


class _Mutated(BaseModel):
    user_errors: list[UserError] = Field(alias="userErrors")


class Subscribed(BaseModel):
    """The answer to `SUBSCRIBE`."""

    payload: _Mutated = Field(alias="webhookSubscriptionCreate")


class Moved(BaseModel):
    """The answer to `MOVE`."""

    payload: _Mutated = Field(alias="webhookSubscriptionUpdate")


class _Subscription(BaseModel):
    id: str
    topic: str
    uri: str


class _PageInfo(BaseModel):
    more: bool = Field(alias="hasNextPage")
    end_cursor: str | None = Field(alias="endCursor")


class _Page(BaseModel):
    nodes: list[_Subscription]
    page_info: _PageInfo = Field(alias="pageInfo")


class Listed(BaseModel):
    """The answer to `SUBSCRIPTIONS`."""

    page: _Page = Field(alias="webhookSubscriptions")


class _ShopId(BaseModel):
    id: str


class Alive(BaseModel):
    """The answer to `ALIVE`."""

    shop: _ShopId


class _Scope(BaseModel):
    handle: str


class _Installation(BaseModel):
    scopes: list[_Scope] = Field(alias="accessScopes")


class Scopes(BaseModel):
    """The answer to `SCOPES`."""

    installation: _Installation = Field(alias="currentAppInstallation")
