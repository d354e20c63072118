"""The documents against the schemas, and their prices against the sandbox's, which come from the schema."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import GraphQLSchema, build_schema, parse, print_ast, validate

from shopify_fetcher import documents
from shopify_fetcher.costs import MAXIMUM
from shopify_fetcher.documents import Document, sizes

HERE = Path(__file__).resolve().parents[1]
SUBSET = HERE.parents[1] / "sandbox" / "sandbox" / "shopify" / "schema.graphql"
ALL = [document for document in vars(documents).values() if isinstance(document, Document)]
FLAGS = dict.fromkeys(("stock", "places", "named", "gets", "buys", "products", "variants", "collections"), True)
VALUES = {"query": "id:>0", "first": 250, "reverse": False, "after": None, "sortKey": "ID"}
IDS = {
    "ReadLocations": "Location",
    "ReadProducts": "Product",
    "ReadInventory": "InventoryItem",
    "ReadCollections": "Collection",
    "ReadDiscounts": "DiscountCodeNode",
    "ContinueVariants": "Product",
    "ContinueMedia": "Product",
    "ContinueMetafields": "Product",
    "ContinueLevels": "InventoryItem",
    "ContinueCollection": "Collection",
    "ContinueCodes": "DiscountCodeNode",
    "ContinueItems": "DiscountCodeNode",
}


def variables(document: Document, *, compact: bool = False) -> dict[str, Any]:
    """Values for the variables that the document declares."""
    gid = f"gid://shopify/{IDS.get(document.name, 'Product')}/1"
    given = {**FLAGS, **VALUES, "id": gid, "ids": [gid], **sizes(document, compact=compact)}
    return {name: value for name, value in given.items() if name in document.declared}


def test_all_documents_are_valid_in_the_sandbox() -> None:
    assert faults(build_schema(SUBSET.read_text(), assume_valid=True)) == []


def test_all_documents_are_valid_in_the_published_schema(references: Path) -> None:
    text = (references / "shopify-schema" / "admin-2026-07.nodesc.graphql").read_text()
    assert faults(build_schema(text, assume_valid=True)) == []


def faults(schema: GraphQLSchema) -> list[str]:
    """What a schema has against the queries as they lie in their files."""
    queries = sorted((HERE / "shopify_fetcher" / "queries").glob("*.graphql"))
    return [error.message for error in validate(schema, parse("\n".join(path.read_text() for path in queries)))]


def test_the_generated_texts_are_those_of_the_queries() -> None:
    """When this fails, generate anew."""
    queries = "\n".join(path.read_text() for path in (HERE / "shopify_fetcher" / "queries").glob("*.graphql"))
    written = {definition.name.value: print_ast(definition) for definition in parse(queries).definitions}
    sent = {d.name.value: print_ast(d) for document in ALL for d in document.parsed.definitions}
    assert sent == written


@pytest.mark.parametrize("compact", [False, True], ids=["large", "compact"])
async def test_prices_are_what_the_platform_asks_for(sandbox: Any, compact: bool) -> None:
    sandbox.make("prices.myshopify.com", products=1, collections=1, discounts=1, plan="enterprise")
    token = sandbox.install("prices.myshopify.com")
    url = "/shops/prices.myshopify.com/admin/api/2026-10/graphql.json"
    for document in ALL:
        given = variables(document, compact=compact)
        body = {"query": document.text, "operationName": document.name, "variables": given}
        answer = sandbox.http.post(url, json=body, headers={"X-Shopify-Access-Token": token})
        assert answer.status_code == httpx.codes.OK
        content = answer.json()
        assert "errors" not in content, (document.name, content["errors"])
        assert document.cost(given) == content["extensions"]["cost"]["requestedQueryCost"], document.name


@pytest.mark.parametrize("compact", [False, True], ids=["large", "compact"])
def test_no_document_asks_for_more_than_any_may(compact: bool) -> None:
    assert max(document.cost(variables(document, compact=compact)) for document in ALL) <= MAXIMUM


def test_what_is_left_out_is_not_paid_for() -> None:
    given = variables(documents.READ_PRODUCTS)
    assert documents.READ_PRODUCTS.cost({**given, "stock": False}) < documents.READ_PRODUCTS.cost(given)
