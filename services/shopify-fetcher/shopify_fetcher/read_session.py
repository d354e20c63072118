"""The session in which a fetcher reads a shop."""

from typing import Any

from platforms.shopify.graphql_documents import GraphqlDocument
from platforms.shopify.session import ShopifySession
from shopify_fetcher.graphql_documents import SCOPE_VARIABLES, get_page_sizes
from shopify_fetcher.scopes import is_allowed


class ReadSession(ShopifySession):
    """A ShopifySession that also knows which resources the token's scopes allow.

    It builds the query variables that leave out what the scopes do not allow, and those that set the sizes of pages.
    """

    def can_read(self, resource: str) -> bool:
        """Return whether the token's scopes allow `resource`."""
        return is_allowed(resource, self.context.token.scopes)

    def build_variables(self, document: GraphqlDocument) -> dict[str, Any]:
        """Return the variables that depend on the shop's rate limit and the scopes, not on the requested ids."""
        flags = {name: self.can_read(resource) for name, resource in SCOPE_VARIABLES.items()}
        return {
            **get_page_sizes(document, compact=self.rate_limit.charges_per_id),
            **{name: flag for name, flag in flags.items() if name in document.variables},
        }
