"""The GraphQL queries that the gateway sends to Shopify, and models of the parts of the responses that it reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field

from platforms.shopify.errors import TRANSIENT_CODES

SHOP_ID = "query ShopId { shop { id } }"
GRANTED_SCOPES = "query GrantedScopes { currentAppInstallation { accessScopes { handle } } }"
LIST_SUBSCRIPTIONS = """
query ListSubscriptions($after: String) {
  webhookSubscriptions(first: 100, after: $after) {
    nodes { id topic uri }
    pageInfo { hasNextPage endCursor }
  }
}"""
QUERIES = (SHOP_ID, GRANTED_SCOPES, LIST_SUBSCRIPTIONS)


@dataclass(frozen=True)
class SubscriptionChange:
    """A webhook topic to subscribe to; with `subscription_id`, its subscription whose URL to change."""

    topic: str
    subscription_id: str = ""


def build_subscription_changes(
    changes: Sequence[SubscriptionChange], address: str
) -> tuple[str, dict[str, str], list[str]]:
    """Build one document that subscribes the URL `address` to topics, and moves subscriptions to it.

    Shopify executes its mutations one after the other, and each has its own result. Returns the document, its
    variables, and the aliases of the results in the order of `changes`.
    """
    declarations, fields, aliases = ["$uri: String!"], list[str](), list[str]()
    variables = {"uri": address}
    for number, change in enumerate(changes):
        variable, alias = f"v{number}", f"c{number}"
        kind, mutation, argument = (
            ("ID!", "webhookSubscriptionUpdate", "id")
            if change.subscription_id
            else ("WebhookSubscriptionTopic!", "webhookSubscriptionCreate", "topic")
        )
        fields_of_input = "uri: $uri" if change.subscription_id else "uri: $uri, format: JSON"
        declarations.append(f"${variable}: {kind}")
        fields.append(
            f"  {alias}: {mutation}({argument}: ${variable}, webhookSubscription: {{{fields_of_input}}})"
            " { userErrors { message } }"
        )
        variables[variable] = change.subscription_id or change.topic
        aliases.append(alias)
    document = f"mutation ChangeSubscriptions({', '.join(declarations)}) {{\n" + "\n".join(fields) + "\n}"
    return document, variables, aliases


class AssociatedUser(BaseModel):
    """The user of a shop's admin for whom an online token was issued."""

    id: int


class ShopifyTokenResponse(BaseModel):
    """The token endpoint's response. Lifetimes are in seconds.

    Exactly the response with an online token, one for a signed-in user, has an `associated_user`. An offline token is
    the shop's; only one that expires has `expires_in` and a refresh token.
    """

    access_token: str = Field(min_length=1, repr=False)
    scope: str
    expires_in: int | None = None
    refresh_token: str | None = Field(default=None, repr=False)
    refresh_token_expires_in: int | None = None
    associated_user: AssociatedUser | None = None


class TokenErrorResponse(BaseModel):
    """The token endpoint's response when it refuses a request, with the OAuth error code."""

    error: str = ""


class ThrottleStatus(BaseModel):
    """The state of the rate limit, in points."""

    available: float = Field(alias="currentlyAvailable")
    restore_rate: float = Field(alias="restoreRate")


class QueryCost(BaseModel):
    """The cost of a query in points, and the state of the rate limit."""

    requested: float = Field(alias="requestedQueryCost")
    throttle_status: ThrottleStatus = Field(alias="throttleStatus")

    @property
    def wait_seconds(self) -> float:
        """The seconds until the rate limit allows this query."""
        missing = self.requested - self.throttle_status.available
        return max(0.0, missing) / max(1.0, self.throttle_status.restore_rate)


class Extensions(BaseModel):
    """The field `extensions` of a response (with the cost) or of an error (with the code)."""

    code: str = ""
    cost: QueryCost | None = None


class QueryError(BaseModel):
    """One of the errors of a response. `path` says which part of the data it concerns; empty when all of it."""

    message: str
    path: list[str | int] = []
    extensions: Extensions = Extensions()

    @property
    def is_transient(self) -> bool:
        """Whether the same request may succeed at the next attempt."""
        return self.extensions.code in TRANSIENT_CODES


class QueryResponse(BaseModel):
    """A GraphQL response with its data not yet parsed."""

    data: dict[str, Any] | None = None
    errors: list[QueryError] | str = []
    extensions: Extensions = Extensions()

    @property
    def reason(self) -> str:
        """The messages of the errors, joined; empty when there are no errors."""
        return self.errors if isinstance(self.errors, str) else "; ".join(error.message for error in self.errors)

    def list_errors_of(self, name: str) -> list[QueryError]:
        """Return the errors that concern the field `name` under the root, or else those that concern all fields."""
        errors = [] if isinstance(self.errors, str) else self.errors
        return [e for e in errors if e.path[:1] == [name]] or [e for e in errors if not e.path]

    @property
    def error_codes(self) -> set[str]:
        """The codes of the errors."""
        return set() if isinstance(self.errors, str) else {error.extensions.code for error in self.errors}


class UserError(BaseModel):
    """An error of a mutation that had no effect."""

    message: str


class MutationPayload(BaseModel):
    """The result of a mutation; it had no effect when there are errors."""

    user_errors: list[UserError] = Field(alias="userErrors")


class _SubscriptionNode(BaseModel):
    id: str
    topic: str
    uri: str


class _PageInfo(BaseModel):
    has_next_page: bool = Field(alias="hasNextPage")
    end_cursor: str | None = Field(alias="endCursor")


class _SubscriptionPage(BaseModel):
    nodes: list[_SubscriptionNode]
    page_info: _PageInfo = Field(alias="pageInfo")


class ListSubscriptionsData(BaseModel):
    """The data in the response to the query LIST_SUBSCRIPTIONS."""

    page: _SubscriptionPage = Field(alias="webhookSubscriptions")


class _ShopNode(BaseModel):
    id: str


class ShopIdData(BaseModel):
    """The data in the response to the query SHOP_ID."""

    shop: _ShopNode


class _AccessScope(BaseModel):
    handle: str


class _AppInstallation(BaseModel):
    scopes: list[_AccessScope] = Field(alias="accessScopes")


class GrantedScopesData(BaseModel):
    """The data in the response to the query GRANTED_SCOPES."""

    installation: _AppInstallation = Field(alias="currentAppInstallation")
