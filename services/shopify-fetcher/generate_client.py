"""Generate `shopify_fetcher/generated/` from `shopify_fetcher/queries/*.graphql`: typed responses and the texts sent.

    python services/shopify-fetcher/generate_client.py [schema.graphql]

Without a schema it is the sandbox's, which is a subset of Shopify's.
"""

from pathlib import Path

from lint.graphql_client import generate_client

HERE = Path(__file__).resolve().parent
SCHEMA = HERE.parents[1] / "sandbox" / "sandbox" / "shopify" / "schema.graphql"

if __name__ == "__main__":
    generate_client(HERE / "shopify_fetcher", SCHEMA)
