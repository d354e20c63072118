"""Generate `shopify_writer/generated/` from `shopify_writer/queries/*.graphql`: typed responses and the texts sent.

    python services/shopify-writer/generate_client.py [schema.graphql]

Without a schema it is the sandbox's, which is a subset of Shopify's.
"""

from pathlib import Path

from lint.graphql_client import generate_client

HERE = Path(__file__).resolve().parent
SCHEMA = HERE.parents[1] / "sandbox" / "sandbox" / "shopify" / "schema.graphql"

if __name__ == "__main__":
    generate_client(HERE / "shopify_writer", SCHEMA)
