"""The documents against the schemas, and their costs against the sandbox's, which come from the schema."""

from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLSchema, build_schema, parse, print_ast, validate

from platforms.shopify.graphql_documents import GraphqlDocument
from platforms.shopify.linked_writes import EXTERNAL_ID, EXTERNAL_ID_DEFINITION
from shopify_writer import graphql_documents

HERE = Path(__file__).resolve().parents[1]
SUBSET = HERE.parents[1] / "sandbox" / "sandbox" / "shopify" / "schema.graphql"
ALL = [document for document in vars(graphql_documents).values() if isinstance(document, GraphqlDocument)]
CUSTOM_ID = {"customId": {**EXTERNAL_ID, "value": "7"}}
VALUES = {
    "ids": ["gid://shopify/Product/1"],
    "includeCost": True,
    "product": {"id": "gid://shopify/Product/1", "title": "Mug"},
    "productId": "gid://shopify/Product/1",
    "variants": [],
    "id": "gid://shopify/Product/1",
    "identifier": CUSTOM_ID,
    "first": 250,
    "after": None,
    "input": {"title": "Mug", "metafields": [{**EXTERNAL_ID, "value": "7"}]},
    "definition": EXTERNAL_ID_DEFINITION,
    **{f"location{number}": "gid://shopify/Location/1" for number in range(1, 5)},
    **{f"has{number}": True for number in range(2, 5)},
    "quantities": [],
    "reference": "merchant-sync://write/7",
    "key": "7",
}


def test_all_documents_are_valid_in_the_sandbox() -> None:
    assert find_errors(build_schema(SUBSET.read_text(), assume_valid=True)) == []


def test_all_documents_are_valid_in_the_published_schema(references: Path) -> None:
    text = (references / "shopify-schema" / "admin-2026-07.nodesc.graphql").read_text()
    assert find_errors(build_schema(text, assume_valid=True)) == []


def find_errors(schema: GraphQLSchema) -> list[str]:
    """The errors of the documents as they lie in their files."""
    queries = sorted((HERE / "shopify_writer" / "queries").glob("*.graphql"))
    return [error.message for error in validate(schema, parse("\n".join(path.read_text() for path in queries)))]


def test_the_generated_texts_are_those_of_the_queries() -> None:
    """When this fails, run `make graphql`."""
    queries = "\n".join(path.read_text() for path in (HERE / "shopify_writer" / "queries").glob("*.graphql"))
    written = {definition.name.value: print_ast(definition) for definition in parse(queries).definitions}
    sent = {d.name.value: print_ast(d) for document in ALL for d in parse(document.text).definitions}
    assert sent == written


@pytest.mark.parametrize("document", ALL, ids=lambda document: document.name)
async def test_costs_are_what_the_platform_requests(shop: Any, document: GraphqlDocument) -> None:
    values = {name: VALUES[name] for name in document.variables}
    content = shop.execute(document.text, **values)
    assert document.compute_cost(values) == content["extensions"]["cost"]["requestedQueryCost"]
    assert document.compute_cost(values) < 50
