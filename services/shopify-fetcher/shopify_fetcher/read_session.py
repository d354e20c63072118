"""The session of one read: the platform's session, with what the fetcher's queries depend on."""

from typing import Any

from platforms.shopify.session import ShopifySession
from shopify_fetcher.graphql_documents import SCOPE_VARIABLES, GraphqlDocument, get_page_sizes
from shopify_fetcher.scopes import is_allowed


class ReadSession(ShopifySession):
    """A session that knows which resources may be read, and the variables that follow from it."""

    def can_read(self, resource: str) -> bool:
        """Return whether the token's scopes allow `resource`."""
        return is_allowed(resource, self.context.token.scopes)

    def build_variables(self, document: GraphqlDocument) -> dict[str, Any]:
        """Return the variables that depend on the shop and the token's scopes, and not on what is requested."""
        flags = {name: self.can_read(resource) for name, resource in SCOPE_VARIABLES.items()}
        return {
            **get_page_sizes(document, compact=self.rate_limit.charges_per_id),
            **{name: flag for name, flag in flags.items() if name in document.variables},
        }
