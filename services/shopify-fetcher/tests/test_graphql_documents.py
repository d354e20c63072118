"""The documents against the schemas, and their costs against the sandbox's, which come from the schema."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import GraphQLSchema, build_schema, parse, print_ast, validate

from platforms.shopify.costs import MAX_QUERY_COST
from platforms.shopify.graphql_documents import GraphqlDocument
from shopify_fetcher import graphql_documents
from shopify_fetcher.graphql_documents import get_page_sizes

HERE = Path(__file__).resolve().parents[1]
SUBSET = HERE.parents[1] / "sandbox" / "sandbox" / "shopify" / "schema.graphql"
ALL = [document for document in vars(graphql_documents).values() if isinstance(document, GraphqlDocument)]
FLAGS = dict.fromkeys(
    (
        "includeNewest", "includeInventory", "includeLocations", "includeProducts", "gets", "buys", "products",
        "variants", "collections",
    ),
    True,
)  # fmt: skip
VALUES = {"query": "id:>0", "after": None, "sortKey": "ID"}
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


def build_variables(document: GraphqlDocument, *, compact: bool = False) -> dict[str, Any]:
    """Values for the variables that the document declares."""
    gid = f"gid://shopify/{IDS.get(document.name, 'Product')}/1"
    values = {**FLAGS, **VALUES, "id": gid, "ids": [gid], **get_page_sizes(document, compact=compact)}
    return {name: value for name, value in values.items() if name in document.variables}


def test_all_documents_are_valid_in_the_sandbox() -> None:
    assert find_errors(build_schema(SUBSET.read_text(), assume_valid=True)) == []


def test_all_documents_are_valid_in_the_published_schema(references: Path) -> None:
    text = (references / "shopify-schema" / "admin-2026-07.nodesc.graphql").read_text()
    assert find_errors(build_schema(text, assume_valid=True)) == []


def find_errors(schema: GraphQLSchema) -> list[str]:
    """The errors of the queries as they lie in their files."""
    queries = sorted((HERE / "shopify_fetcher" / "queries").glob("*.graphql"))
    return [error.message for error in validate(schema, parse("\n".join(path.read_text() for path in queries)))]


def test_the_generated_texts_are_those_of_the_queries() -> None:
    """When this fails, run `make graphql`."""
    queries = "\n".join(path.read_text() for path in (HERE / "shopify_fetcher" / "queries").glob("*.graphql"))
    written = {definition.name.value: print_ast(definition) for definition in parse(queries).definitions}
    sent = {d.name.value: print_ast(d) for document in ALL for d in parse(document.text).definitions}
    assert sent == written


@pytest.mark.parametrize("compact", [False, True], ids=["large", "compact"])
async def test_costs_are_what_the_platform_requests(sandbox: Any, compact: bool) -> None:
    sandbox.make("prices.myshopify.com", products=1, collections=1, discounts=1, plan="enterprise")
    token = sandbox.install("prices.myshopify.com")
    url = "/shops/prices.myshopify.com/admin/api/2026-10/graphql.json"
    for document in ALL:
        values = build_variables(document, compact=compact)
        body = {"query": document.text, "operationName": document.name, "variables": values}
        response = sandbox.http.post(url, json=body, headers={"X-Shopify-Access-Token": token})
        assert response.status_code == httpx.codes.OK
        content = response.json()
        assert "errors" not in content, (document.name, content["errors"])
        assert document.compute_cost(values) == content["extensions"]["cost"]["requestedQueryCost"], document.name


@pytest.mark.parametrize("compact", [False, True], ids=["large", "compact"])
def test_no_document_costs_more_than_any_may(compact: bool) -> None:
    assert max(document.compute_cost(build_variables(document, compact=compact)) for document in ALL) <= MAX_QUERY_COST


def test_excluded_parts_cost_nothing() -> None:
    values = build_variables(graphql_documents.READ_PRODUCTS)
    assert graphql_documents.READ_PRODUCTS.compute_cost(
        {**values, "includeInventory": False}
    ) < graphql_documents.READ_PRODUCTS.compute_cost(values)
